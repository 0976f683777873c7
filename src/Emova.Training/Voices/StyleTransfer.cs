using Emova.Training.Modules;
using Emova.Training.Modules.Speech;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Voices;

/// <summary>What the shipped voice makes of a batch of units in one style per row.</summary>
/// <param name="Style">Style vectors (B, S).</param>
/// <param name="States">At unit rate (B, U, D).</param>
/// <param name="Frames">At 100 Hz (B, T, D).</param>
/// <param name="Prosody">Normalized log pitch, voicing logit, normalized energy (B, T, 3).</param>
internal sealed record ShippedView(Tensor Style, Tensor States, Tensor Frames, Tensor Prosody);

/// <summary>
/// Carries a style over to a speaker of whom only the plain manner of speaking is known: what is measured of the speaker is changed
/// by as much as the style changes the shipped voice. Pitch moves and widens, energy moves, run lengths scale, log filters move.
/// The encoder and the frame stack are shared and fixed, so both voices see the same states.
/// </summary>
internal sealed class StyleTransfer(SourceFilterVocoder shipped)
{
    // Bounds on how much a style may scale pitch range and tempo: a monotone sentence of the shipped voice has no range to compare with.
    private const double SmallestScale = 0.3, LargestScale = 3;

    /// <summary>Runs the shipped voice.</summary>
    public ShippedView View(VocoderBatch batch, Tensor style)
    {
        Tensor states = shipped.EncodeUnits(batch.Units, style, batch.UnitMask);
        Tensor frames = shipped.Expand(states, batch.UnitOfFrame, batch.Position, style, batch.FrameMask);
        return new ShippedView(style, states, frames, shipped.Prosody(frames, style, batch.FrameMask));
    }

    /// <summary>The speaker's prosody (B, T, 3) in another style: pitch around its mean moved and widened, energy moved.</summary>
    public static Tensor Prosody(VocoderBatch batch, ShippedView own, ShippedView styled)
    {
        (Tensor pitch, Tensor voiced, Tensor energy) = Columns(batch.Prosody);
        (Tensor mean, _) = Statistics(pitch, voiced);
        (Tensor ownMean, Tensor ownRange) = Statistics(own.Prosody.narrow(2, 0, 1), voiced);
        (Tensor styledMean, Tensor styledRange) = Statistics(styled.Prosody.narrow(2, 0, 1), voiced);
        Tensor scale = styledRange.Plus(1e-2).div(ownRange.Plus(1e-2)).clamp(Arithmetic.Constant(SmallestScale), Arithmetic.Constant(LargestScale));
        Tensor moved = pitch.Minus(mean).mul(scale).Plus(mean).Plus(styledMean).Minus(ownMean);
        Tensor louder = Mean(styled.Prosody.narrow(2, 2, 1).Minus(own.Prosody.narrow(2, 2, 1)), batch.FrameMask);
        return cat([moved.mul(voiced), voiced, energy.Plus(louder)], 2);
    }

    /// <summary>The same prosody where the shipped voice speaks: at its pitch and energy instead of the speaker's.</summary>
    public static Tensor AsShipped(VocoderBatch batch, ShippedView own, Tensor prosody)
    {
        (Tensor pitch, Tensor voiced, Tensor energy) = Columns(batch.Prosody);
        Tensor higher = Statistics(pitch, voiced).Mean.Minus(Statistics(own.Prosody.narrow(2, 0, 1), voiced).Mean);
        Tensor louder = Mean(energy.Minus(own.Prosody.narrow(2, 2, 1)), batch.FrameMask);
        return cat([prosody.narrow(2, 0, 1).Minus(higher).mul(voiced), voiced, prosody.narrow(2, 2, 1).Minus(louder)], 2);
    }

    /// <summary>Log magnitudes of the shipped voice's filters.</summary>
    public (Tensor Harmonic, Tensor Noise) Filters(VocoderBatch batch, ShippedView view, Tensor prosody) =>
        shipped.Filters(view.Frames, prosody, view.Style, batch.FrameMask);

    /// <summary>
    /// Distributions over run lengths (B, U, MaxRun): the speaker's runs at the tempo of a style, on the two whole lengths around each.
    /// </summary>
    public Tensor RunTargets(VocoderBatch batch, ShippedView own, ShippedView styled)
    {
        int classes = shipped.Dimensions.MaxRun;
        Tensor scale = ExpectedRun(batch, styled).div(ExpectedRun(batch, own)).clamp(Arithmetic.Constant(SmallestScale), Arithmetic.Constant(LargestScale));
        Tensor run = batch.RunClasses.to(ScalarType.Float32).clamp_min(Arithmetic.Constant(0)).Plus(1).mul(scale).clamp(Arithmetic.Constant(1), Arithmetic.Constant(classes));
        Tensor low = run.floor().clamp_max(Arithmetic.Constant(classes - 1)), share = run.Minus(low).unsqueeze(2);
        Tensor lower = nn.functional.one_hot(low.Plus(-1).to(ScalarType.Int64), classes).to(ScalarType.Float32), upper = nn.functional.one_hot(low.to(ScalarType.Int64), classes).to(ScalarType.Float32);
        return lower.mul(share.Times(-1).Plus(1)).Plus(upper.mul(share));
    }

    private Tensor ExpectedRun(VocoderBatch batch, ShippedView view)
    {
        Tensor lengths = arange(1, shipped.Dimensions.MaxRun + 1, ScalarType.Float32);
        return shipped.RunLengths(view.States, view.Style, batch.UnitMask).softmax(-1).mul(lengths).sum(-1);
    }

    private static (Tensor Pitch, Tensor Voiced, Tensor Energy) Columns(Tensor prosody) =>
        (prosody.narrow(2, 0, 1), prosody.narrow(2, 1, 1), prosody.narrow(2, 2, 1));

    // Mean and standard deviation of each row's marked frames, (B, 1, 1) each.
    private static (Tensor Mean, Tensor Range) Statistics(Tensor values, Tensor marked)
    {
        Tensor mean = Mean(values, marked);
        return (mean, Mean(values.Minus(mean).square(), marked).sqrt());
    }

    private static Tensor Mean(Tensor values, Tensor marked) => values.mul(marked).sum(1, keepdim: true).div(marked.sum(1, keepdim: true).clamp_min(Arithmetic.Constant(1)));
}

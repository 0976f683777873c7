using Emova.Models.Speech.Vits;
using Emova.Training.Infrastructure;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Speech.Vits;

/// <summary>A batch for <see cref="VitsModel"/>.</summary>
/// <param name="Rows">Rows of the unit table (B, U).</param>
/// <param name="UnitMask">(B, 1, U).</param>
/// <param name="Units">Valid units of each row.</param>
/// <param name="Waves">Samples (B, T x hop), zeros behind the end.</param>
/// <param name="Spectrogram">Linear magnitudes (B, bins, T).</param>
/// <param name="FrameMask">(B, 1, T).</param>
/// <param name="Frames">Valid frames of each row.</param>
public sealed record VitsBatch(Tensor Rows, Tensor UnitMask, int[] Units, Tensor Waves, Tensor Spectrogram, Tensor FrameMask, int[] Frames);

/// <summary>What the losses need of a step.</summary>
/// <param name="Wave">Generated samples of a segment of each row (B, 1, N).</param>
/// <param name="Target">The same segments of the recordings (B, 1, N).</param>
/// <param name="PriorFrames">Latent frames behind the flow, z_p (B, C, T).</param>
/// <param name="PosteriorLogDeviation">(B, C, T).</param>
/// <param name="PriorMean">Of the aligned units (B, C, T).</param>
/// <param name="PriorLogDeviation">(B, C, T).</param>
/// <param name="DurationLoss">Per unit.</param>
public sealed record VitsOutput(Tensor Wave, Tensor Target, Tensor PriorFrames, Tensor PosteriorLogDeviation, Tensor PriorMean, Tensor PriorLogDeviation, Tensor DurationLoss);

/// <summary>
/// Training twin of the runtime's VitsDecoder, the unit-to-speech decoder that EMOVA publishes (arXiv 2409.18042) without training code:
/// a conditional variational autoencoder between recordings and units (VITS, arXiv 2106.06103) whose speaker is a style vector that a
/// style encoder takes from the same recording.
/// </summary>
public sealed class VitsModel
{
    private const double LogTwoPi = 1.8378770664093453;

    private readonly VitsUnitEncoder _unitEncoder;
    private readonly VitsPosteriorEncoder _posteriorEncoder;
    private readonly VitsFlow _flow;
    private readonly IVitsDurations _durations;
    private readonly VitsGenerator _generator;
    private readonly VitsStyleEncoder _styleEncoder;

    /// <summary>Creates all parameters in <paramref name="scope"/>, under the names of the published checkpoint.</summary>
    /// <exception cref="EmovaException">The configuration cannot be trained.</exception>
    public VitsModel(VitsConfig config, ParameterScope scope)
    {
        if (!config.HasStyleEncoder) throw new EmovaException("use_ref_enc must be true: the style of a recording is learned from the recording itself");
        if (config.SamplesPerFrame != config.HopLength)
            throw new EmovaException($"the product of upsample_rates, {config.SamplesPerFrame}, must be hop_length, {config.HopLength}");
        Config = config;
        _unitEncoder = new VitsUnitEncoder(config, scope.Push("enc_p"));
        _durations = config.UseStochasticDurations ? new VitsStochasticDurations(config, scope.Push("dp")) : new VitsDurationPredictor(config, scope.Push("dp"));
        _flow = new VitsFlow(config, scope.Push("flow"));
        _generator = new VitsGenerator(config, scope.Push("dec"));
        _posteriorEncoder = new VitsPosteriorEncoder(config, scope.Push("enc_q"));
        _styleEncoder = new VitsStyleEncoder(config, scope.Push("enc_r"));
        // The table of training speakers, which nothing reads: styles took its place.
        if (config.SpeakerCount > 0) scope.Push("emb_g").Full("weight", 0, config.SpeakerCount, config.StyleDim);
    }

    public VitsConfig Config { get; }

    internal IVitsDurations Durations => _durations;

    /// <summary>Style vectors (B, S, 1) of magnitudes (B, bins, T).</summary>
    public Tensor Style(Tensor spectrogram, Tensor mask, bool training = false) => _styleEncoder.Forward(spectrogram, mask, training);

    /// <summary>Latent frames of magnitudes: mean and log deviation (B, C, T).</summary>
    public (Tensor Mean, Tensor LogDeviation) Posterior(Tensor spectrogram, Tensor mask, Tensor style) => _posteriorEncoder.Forward(spectrogram, mask, style);

    /// <summary>Rows (B, U) -> states (B, H, U), mean and log deviation of the prior (B, C, U).</summary>
    public (Tensor Hidden, Tensor Mean, Tensor LogDeviation) EncodeUnits(Tensor rows, Tensor mask, bool training = false) => _unitEncoder.Forward(rows, mask, training);

    /// <summary>Latent frames to prior frames, or back.</summary>
    public Tensor Flow(Tensor z, Tensor mask, Tensor style, bool reverse = false) => _flow.Forward(z, mask, style, reverse);

    /// <summary>Latent frames (B, C, T) to samples (B, 1, N).</summary>
    public Tensor Generate(Tensor z, Tensor style) => _generator.Forward(z, style);

    /// <summary>One training pass; segments of <paramref name="segmentFrames"/> frames are generated, at places drawn by the tensor library.</summary>
    public VitsOutput Forward(VitsBatch batch, int segmentFrames, bool training = true)
    {
        Tensor style = Style(batch.Spectrogram, batch.FrameMask, training);
        (Tensor hidden, Tensor mean, Tensor logDeviation) = EncodeUnits(batch.Rows, batch.UnitMask, training);
        (Tensor meanQ, Tensor logDeviationQ) = Posterior(batch.Spectrogram, batch.FrameMask, style);
        Tensor z = meanQ.Plus(randn_like(meanQ).mul(logDeviationQ.exp())).mul(batch.FrameMask);
        Tensor prior = Flow(z, batch.FrameMask, style);

        float[] perUnit;
        using (no_grad()) perUnit = MonotonicAlignment.Align(Likelihood(prior, mean, logDeviation), batch.Frames, batch.Units);
        Tensor durations = tensor(perUnit, batch.Rows.shape[0], 1, batch.Rows.shape[1]);
        Tensor path = Path(durations, batch.Frames, (int)batch.FrameMask.shape[2]); // (B, U, T)
        Tensor duration = _durations.Loss(hidden, style, batch.UnitMask, durations, training);

        int segment = Math.Min(segmentFrames, batch.Frames.Min()), hop = Config.HopLength;
        double[] places = [.. rand(batch.Frames.Length).data<float>().ToArray().Select(value => (double)value)];
        Tensor[] latents = new Tensor[places.Length], targets = new Tensor[places.Length];
        for (int row = 0; row < places.Length; row++)
        {
            int start = (int)(places[row] * (batch.Frames[row] - segment + 1));
            latents[row] = z[row].narrow(1, start, segment);
            targets[row] = batch.Waves[row].narrow(0, (long)start * hop, (long)segment * hop).unsqueeze(0);
        }

        return new VitsOutput(Generate(stack(latents), style), stack(targets), prior, logDeviationQ, mean.matmul(path), logDeviation.matmul(path), duration);
    }

    /// <summary>Samples of one utterance from given noise, as the runtime computes them.</summary>
    /// <param name="rows">Rows of the unit table (1, U).</param>
    /// <param name="style">(1, S, 1).</param>
    /// <param name="durationNoise">Scaled, (1, 2, U).</param>
    /// <param name="priorNoise">Scaled, (1, C, at least T).</param>
    public Tensor Synthesize(Tensor rows, Tensor style, Tensor durationNoise, Tensor priorNoise)
    {
        Tensor unitMask = ones([1, 1, rows.shape[1]]);
        (Tensor hidden, Tensor mean, Tensor logDeviation) = EncodeUnits(rows, unitMask);
        Tensor frames = _durations.LogDurations(hidden, style, unitMask, durationNoise).exp().ceil();
        int count = Math.Max(1, (int)frames.sum().item<float>());
        Tensor mask = ones([1, 1, count]), path = Path(frames, [count], count);
        Tensor prior = mean.matmul(path).Plus(priorNoise.narrow(2, 0, count).mul(logDeviation.matmul(path).exp()));
        return Generate(Flow(prior, mask, style, reverse: true), style);
    }

    /// <summary>Log likelihood of every frame under every unit's prior, (B, T, U).</summary>
    private static Tensor Likelihood(Tensor prior, Tensor mean, Tensor logDeviation)
    {
        Tensor precision = logDeviation.Times(-2).exp(), frames = prior.transpose(1, 2); // (B, T, C)
        Tensor constant = logDeviation.Plus(0.5 * LogTwoPi).Times(-1).Plus(mean.square().mul(precision).Times(-0.5)).sum(1, keepdim: true); // (B, 1, U)
        return frames.square().Times(-0.5).matmul(precision).Plus(frames.matmul(mean.mul(precision))).Plus(constant);
    }

    /// <summary>Durations (B, 1, U) -> 0/1 (B, U, T): which unit a frame belongs to.</summary>
    private static Tensor Path(Tensor durations, IReadOnlyList<int> frames, int length)
    {
        float[] values = durations.contiguous().data<float>().ToArray();
        int rows = frames.Count, units = values.Length / rows;
        float[] path = new float[rows * units * length];
        for (int row = 0; row < rows; row++)
        {
            int t = 0;
            for (int unit = 0; unit < units; unit++)
            {
                for (int n = (int)values[row * units + unit]; n > 0 && t < frames[row]; n--, t++) path[(row * units + unit) * length + t] = 1;
            }
        }

        return tensor(path, rows, units, length);
    }
}

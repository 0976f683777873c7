using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Speech.Vits;

/// <summary>
/// The losses of VITS (arXiv 2106.06103, section 2): least-squares adversarial losses, feature matching, and the distance of posterior and
/// prior. The published speech decoder adds them with weight 1, the mel distance with <see cref="MelWeight"/>.
/// </summary>
public static class VitsLosses
{
    /// <summary>Weight of the mel distance (c_mel of the published training configuration).</summary>
    public const double MelWeight = 45;

    private const double FeatureWeight = 2;

    /// <summary>What the discriminators minimize: recordings should score 1, generated audio 0.</summary>
    /// <returns>The sum, and the terms of recordings and of generated audio, one per discriminator.</returns>
    public static (Tensor Total, Tensor RealTerms, Tensor GeneratedTerms) Discriminator(
        IReadOnlyList<DiscriminatorOutput> real, IReadOnlyList<DiscriminatorOutput> generated)
    {
        Tensor realTerms = stack([.. real.Select(output => FromOne(output.Score))]);
        Tensor generatedTerms = stack([.. generated.Select(output => output.Score.square().mean())]);
        return (realTerms.sum().Plus(generatedTerms.sum()), realTerms, generatedTerms);
    }

    /// <summary>What the generator minimizes of the scores: its audio should score 1.</summary>
    public static (Tensor Total, Tensor Terms) Generator(IReadOnlyList<DiscriminatorOutput> generated)
    {
        Tensor terms = stack([.. generated.Select(output => FromOne(output.Score))]);
        return (terms.sum(), terms);
    }

    /// <summary>Twice the mean absolute difference of every feature map, summed; recordings are the target and get no gradient.</summary>
    public static Tensor FeatureMatching(IReadOnlyList<DiscriminatorOutput> real, IReadOnlyList<DiscriminatorOutput> generated) =>
        stack([.. real.Zip(generated, (target, output) => target.FeatureMaps.Zip(output.FeatureMaps, (a, b) => a.detach().Minus(b).abs().mean())).SelectMany(terms => terms)])
            .sum().Times(FeatureWeight);

    /// <summary>
    /// Divergence of the posterior, after the flow, from the prior, per valid frame: all (B, C, T) but the mask, (B, 1, T).
    /// </summary>
    public static Tensor KullbackLeibler(Tensor zP, Tensor logsQ, Tensor mP, Tensor logsP, Tensor mask)
    {
        Tensor squares = zP.Minus(mP).square().mul(logsP.Times(-2).exp()).Times(0.5);
        Tensor divergence = logsP.Minus(logsQ).Plus(-0.5).Plus(squares);
        return divergence.mul(mask).sum().div(mask.sum());
    }

    /// <summary>Mean absolute difference of log-mel spectra, unweighted.</summary>
    public static Tensor Mel(Tensor real, Tensor generated) => real.Minus(generated).abs().mean();

    private static Tensor FromOne(Tensor score) => score.Plus(-1).square().mean();
}

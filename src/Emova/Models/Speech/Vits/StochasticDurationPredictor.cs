using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// VITS's stochastic duration predictor: a flow of splines between noise and (log duration, auxiliary), conditioned on the unit
/// encoder's states and the style. Spoken rhythm is drawn by running it backwards from noise; run forwards it measures how
/// likely given durations are.
/// </summary>
internal sealed class StochasticDurationPredictor : IDurationPredictor
{
    private const double LogTwoPi = 1.8378770664093453;
    private const float SmallestDuration = 1e-5f;

    private readonly ConvolutionWeight condition;
    private readonly Context context;
    private readonly DurationFlow flow;
    private readonly Context posteriorContext;
    private readonly DurationFlow posteriorFlow;

    public StochasticDurationPredictor(WeightLoader weights, VitsConfig config)
    {
        int width = config.HiddenChannels;
        condition = WeightNorm.Convolution(weights.Push("cond"), width, config.StyleDim, kernel: 1);
        context = new Context(weights, "", width, width);
        flow = new DurationFlow(weights.Push("flows"), width);
        posteriorContext = new Context(weights, "post_", 1, width);
        posteriorFlow = new DurationFlow(weights.Push("post_flows"), width);
    }

    /// <inheritdoc/>
    public float[] LogDurations(ReadOnlySpan<float> hidden, ReadOnlySpan<float> style, ReadOnlySpan<float> noise)
    {
        float[] conditioned = context.Forward(hidden, condition, style);
        float[] first = Column(noise, 0), second = Column(noise, 1);
        flow.Reverse(ref first, ref second, conditioned);
        return first;
    }

    /// <summary>Negative log likelihood of durations (an upper bound on it, as they are dequantized with noise).</summary>
    /// <param name="hidden">States of the unit encoder (T, H).</param>
    /// <param name="style">Style vector; empty for none.</param>
    /// <param name="durations">Frames of each unit (T).</param>
    /// <param name="noise">Standard normal values (T, 2).</param>
    public double NegativeLogLikelihood(ReadOnlySpan<float> hidden, ReadOnlySpan<float> style, ReadOnlySpan<float> durations, ReadOnlySpan<float> noise)
    {
        float[] conditioned = context.Forward(hidden, condition, style), posterior = posteriorContext.Forward(durations);
        VectorMath.Add(posterior, conditioned, posterior);
        float[] fraction = Column(noise, 0), auxiliary = Column(noise, 1);
        double posteriorLogSlope = posteriorFlow.Forward(ref fraction, ref auxiliary, posterior), logSlope = 0, logPosterior = 0, negative = 0;
        float[] logDurations = new float[durations.Length];
        for (int t = 0; t < durations.Length; t++)
        {
            // In single precision like the reference: a fraction near 1 leaves a difference of few digits, whose logarithm counts.
            float u = 1 / (1 + MathF.Exp(-fraction[t])), magnitude = MathF.Abs(fraction[t]);
            posteriorLogSlope -= magnitude + 2 * Math.Log(1 + Math.Exp(-magnitude)); // ln u + ln(1 - u)
            logDurations[t] = MathF.Log(MathF.Max(durations[t] - u, SmallestDuration));
            logSlope -= logDurations[t];
        }

        foreach (float value in noise) logPosterior -= 0.5 * (LogTwoPi + (double)value * value);
        logSlope += flow.Forward(ref logDurations, ref auxiliary, conditioned);
        foreach (float value in (ReadOnlySpan<float>)[.. logDurations, .. auxiliary]) negative += 0.5 * (LogTwoPi + (double)value * value);
        return negative - logSlope + logPosterior - posteriorLogSlope;
    }

    private static float[] Column(ReadOnlySpan<float> pairs, int column)
    {
        float[] values = new float[pairs.Length / 2];
        for (int t = 0; t < values.Length; t++) values[t] = pairs[2 * t + column];
        return values;
    }

    /// <summary>Linear layer, convolutions, linear layer: what a flow is conditioned on.</summary>
    private sealed class Context(WeightLoader weights, string prefix, int inputs, int width)
    {
        private readonly ConvolutionWeight pre = WeightNorm.Convolution(weights.Push($"{prefix}pre"), width, inputs, kernel: 1);
        private readonly SeparableConvolutions convolutions = new(weights.Push($"{prefix}convs"), width);
        private readonly ConvolutionWeight projection = WeightNorm.Convolution(weights.Push($"{prefix}proj"), width, width, kernel: 1);

        /// <summary>x (T, inputs) -> (T, H); the style, if there is one, is added after the first layer.</summary>
        public float[] Forward(ReadOnlySpan<float> x, ConvolutionWeight? condition = null, ReadOnlySpan<float> style = default)
        {
            int count = x.Length / inputs;
            float[] y = new float[count * width], projected = new float[count * width];
            pre.Convolve(x, count, inputs, inputs, y, width);
            if (condition is not null) StyleEncoder.AddCondition(condition, style, y);
            convolutions.Forward(y, count);
            projection.Convolve(y, count, width, width, projected, width);
            return projected;
        }
    }
}

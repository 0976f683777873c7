using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// VITS's normalizing flow between latent frames and the prior: couplings that shift one half of the channels by a
/// <see cref="WaveNet"/> of the other half, with the channels reversed in between. Speech is made in the reverse direction.
/// </summary>
internal sealed class ResidualCouplingFlow
{
    private const int Couplings = 4;
    private const int WaveNetLayers = 4;

    private readonly Coupling[] couplings;
    private readonly int channels;

    public ResidualCouplingFlow(WeightLoader weights, VitsConfig config)
    {
        channels = config.InterChannels;
        // Odd entries of the reference's list are the reversals, which have no weights.
        couplings = [.. Enumerable.Range(0, Couplings).Select(i => new Coupling(weights.Push("flows").Push(2 * i), config))];
    }

    /// <summary>Latent frames z (T, C) -> prior frames z_p (T, C), as in training.</summary>
    public float[] Forward(ReadOnlySpan<float> z, ReadOnlySpan<float> style) => new Stream(this, style, reverse: false).Push(z, last: true).ToArray();

    /// <summary>Prior frames z_p (T, C) -> latent frames z (T, C).</summary>
    public float[] Reverse(ReadOnlySpan<float> prior, ReadOnlySpan<float> style) => StartReverse(style).Push(prior, last: true).ToArray();

    /// <summary>Starts turning prior frames into latent frames piece by piece.</summary>
    public Stream StartReverse(ReadOnlySpan<float> style) => new(this, style, reverse: true);

    /// <summary>State of one sequence through all couplings.</summary>
    internal sealed class Stream
    {
        private readonly CouplingStream[] streams; // in the order of computation

        public Stream(ResidualCouplingFlow flow, ReadOnlySpan<float> style, bool reverse)
        {
            streams = new CouplingStream[Couplings];
            for (int i = 0; i < Couplings; i++) streams[i] = new CouplingStream(flow.couplings[reverse ? Couplings - 1 - i : i], flow.channels, style, reverse);
        }

        /// <summary>Adds frames (n, C) and returns those now determined, (m, C); valid until the next call.</summary>
        public ReadOnlySpan<float> Push(ReadOnlySpan<float> frames, bool last)
        {
            foreach (CouplingStream stream in streams) frames = stream.Push(frames, last);
            return frames;
        }
    }

    private sealed class Coupling(WeightLoader weights, VitsConfig config)
    {
        public ConvolutionWeight Pre { get; } = WeightNorm.Convolution(weights.Push("pre"), config.HiddenChannels, config.InterChannels / 2, kernel: 1);

        public WaveNet WaveNet { get; } = new(weights.Push("enc"), config.HiddenChannels, WaveNetLayers, config.StyleDim);

        public ConvolutionWeight Post { get; } = WeightNorm.Convolution(weights.Push("post"), config.InterChannels / 2, config.HiddenChannels, kernel: 1);
    }

    private sealed class CouplingStream(Coupling coupling, int channels, ReadOnlySpan<float> style, bool reverse)
    {
        private readonly WaveNet.Stream network = coupling.WaveNet.Start(style);
        private readonly FrameBuffer waiting = new(channels); // frames whose shift is not known yet
        private readonly FrameBuffer output = new(channels);
        private float[] hidden = [];
        private float[] shifts = [];

        public ReadOnlySpan<float> Push(ReadOnlySpan<float> frames, bool last)
        {
            int count = frames.Length / channels, half = channels / 2, width = coupling.Pre.Outputs;
            Span<float> rows = waiting.Append(count);
            frames.CopyTo(rows);
            // Computed backwards, the reversal comes before the coupling.
            if (reverse) ReverseChannels(rows, channels);
            if (hidden.Length < count * width) hidden = new float[count * width];
            coupling.Pre.Convolve(rows, count, channels, half, hidden, width);

            ReadOnlySpan<float> encoded = network.Push(hidden.AsSpan(0, count * width), last);
            int ready = encoded.Length / width;
            if (shifts.Length < ready * half) shifts = new float[ready * half];
            coupling.Post.Convolve(encoded, ready, width, width, shifts, half);
            output.Drop(output.Count);
            Span<float> result = output.Append(ready);
            waiting.Frames[..result.Length].CopyTo(result);
            for (int t = 0; t < ready; t++) VectorMath.MultiplyAdd(shifts.AsSpan(t * half, half), reverse ? -1 : 1, result.Slice(t * channels + half, half));
            waiting.Drop(ready);
            if (!reverse) ReverseChannels(result, channels);
            return result;
        }
    }

    private static void ReverseChannels(Span<float> rows, int channels)
    {
        for (int at = 0; at < rows.Length; at += channels) rows.Slice(at, channels).Reverse();
    }
}

using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// Gated convolutions with residual and skip connections (WaveNet, arXiv 1609.03499, without dilation or causality), conditioned
/// on a style. Applied to a stream: every layer keeps the frames its convolution still needs, so pieces of any size give exactly
/// what the whole sequence gives.
/// </summary>
internal sealed class WaveNet
{
    private const int Kernel = 5;

    private readonly Layer[] layers;
    private readonly ConvolutionWeight condition; // S -> 2 H per layer
    private readonly int width;

    public WaveNet(WeightLoader weights, int width, int layerCount, int styleDim)
    {
        this.width = width;
        condition = WeightNorm.NormedConvolution(weights.Push("cond_layer"), 2 * width * layerCount, styleDim, kernel: 1);
        layers = [.. Enumerable.Range(0, layerCount).Select(i => new Layer(
            weights.Push("in_layers").Push(i), weights.Push("res_skip_layers").Push(i), width, isLast: i == layerCount - 1))];
    }

    /// <summary>Starts a sequence.</summary>
    /// <param name="style">Style vector; empty for no conditioning at all.</param>
    public Stream Start(ReadOnlySpan<float> style)
    {
        float[] shifts = new float[layers.Length * 2 * width];
        if (!style.IsEmpty) condition.Convolve(style, 1, style.Length, style.Length, shifts, shifts.Length);
        return new Stream(this, shifts);
    }

    /// <summary>State of one sequence.</summary>
    internal sealed class Stream(WaveNet network, float[] shifts)
    {
        private readonly LayerStream[] streams = [.. network.layers.Select((layer, i) => new LayerStream(layer, shifts[(i * 2 * network.width)..((i + 1) * 2 * network.width)]))];
        private readonly FrameBuffer output = new(network.width);

        /// <summary>Adds frames (n, H); with <paramref name="last"/> the sequence ends and everything still inside comes out.</summary>
        /// <returns>The sums of all layers' skip connections that are now determined, (m, H); valid until the next call.</returns>
        public ReadOnlySpan<float> Push(ReadOnlySpan<float> frames, bool last)
        {
            frames.CopyTo(streams[0].Input.Append(frames.Length / network.width));
            output.Drop(output.Count);
            for (int i = 0; i < streams.Length; i++) streams[i].Advance(i + 1 < streams.Length ? streams[i + 1] : null, output, last);
            return output.Frames;
        }
    }

    private sealed class Layer
    {
        public Layer(WeightLoader inLayer, WeightLoader resSkip, int width, bool isLast)
        {
            Width = width;
            In = WeightNorm.NormedConvolution(inLayer, 2 * width, width, Kernel);
            int outputs = isLast ? width : 2 * width;
            float[] weight = WeightNorm.Fuse(resSkip, outputs, width, 1), bias = resSkip.Get("bias", outputs);
            // The first half feeds the next layer, the second is summed over the layers; the last layer has only the latter.
            int half = isLast ? 0 : width;
            Residual = isLast ? null : resSkip.GetConvolution(weight.AsSpan(0, half * width), width, width, 1, bias.AsSpan(0, half));
            Skip = resSkip.GetConvolution(weight.AsSpan(half * width), width, width, 1, bias.AsSpan(half));
        }

        public int Width { get; }

        public ConvolutionWeight In { get; }

        public ConvolutionWeight? Residual { get; }

        public ConvolutionWeight Skip { get; }
    }

    private sealed class LayerStream
    {
        private readonly Layer layer;
        private readonly float[] shift; // 2 H
        private readonly FrameBuffer skipped; // sums of the layers before, for the frames of Input
        private float[] gates = [];
        private float[] gated = [];

        public LayerStream(Layer layer, float[] shift)
        {
            (this.layer, this.shift) = (layer, shift);
            Input = new FrameBuffer(layer.Width);
            skipped = new FrameBuffer(layer.Width);
            Input.AppendZeros(Kernel / 2);
        }

        public FrameBuffer Input { get; }

        public void Advance(LayerStream? next, FrameBuffer output, bool last)
        {
            if (last) Input.AppendZeros(Kernel / 2);
            int width = layer.Width, count = Input.Count - (Kernel - 1);
            if (count <= 0) return;
            if (gated.Length < count * width) (gates, gated) = (new float[count * 2 * width], new float[count * width]);
            layer.In.Convolve(Input.Frames, count, width, width, gates, 2 * width);
            for (int t = 0; t < count; t++)
            {
                Span<float> row = gates.AsSpan(t * 2 * width, 2 * width);
                VectorMath.Add(row, shift, row);
                VectorMath.GatedTanh(row[..width], row[width..], gated.AsSpan(t * width, width));
            }

            layer.Residual?.Convolve(gated, count, width, width, next!.Input.Append(count), width, new ConvolutionEpilogue
            {
                Residual = Input.Frames[(Kernel / 2 * width)..], ResidualStride = width,
            });
            layer.Skip.Convolve(gated, count, width, width, (next?.skipped ?? output).Append(count), width, new ConvolutionEpilogue
            {
                Residual = skipped.Frames, ResidualStride = width,
            });
            Input.Drop(count);
            skipped.Drop(Math.Min(count, skipped.Count));
        }
    }
}

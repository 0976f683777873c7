using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Vision;

/// <summary>
/// C-Abstractor (Honeybee, arXiv 2312.06742): a stage of RegNet blocks (arXiv 2003.13678) over the map of a tile's tokens, average
/// pooling to a smaller map, a second stage, linear layers. Maps are channel-last, (rows * columns, C).
/// </summary>
public sealed class CAbstractor : DownsamplingProjector
{
    private readonly int side;
    private readonly (int Rows, int Columns) size;
    private readonly Bottleneck[] stage1;
    private readonly Bottleneck[] stage2;

    internal CAbstractor(ProjectorConfig config, int inputs, int outputs, WeightLoader weights)
        : base(config, inputs, config.ConvHiddenSize, outputs, weights)
    {
        (side, size) = (config.InputSide, config.DownsampleSize);
        WeightLoader downsampler = weights.Push("downsampler");
        stage1 = LoadStage(downsampler.Push(0), inputs);
        stage2 = LoadStage(downsampler.Push(2), config.ConvHiddenSize); // 1 is the pooling

        Bottleneck[] LoadStage(WeightLoader stage, int channels) =>
            [.. Enumerable.Range(0, config.ConvBlockDepth).Select(i => new Bottleneck(i == 0 ? channels : config.ConvHiddenSize, config.ConvHiddenSize, stage.Push($"b{i + 1}")))];
    }

    private protected override float[] Downsample(float[] tile, ActivationProbe? probe)
    {
        float[] x = tile;
        foreach (Bottleneck block in stage1)
            x = block.Forward(x, side, side);
        probe?.Invoke("downsampler.0", x);
        x = AveragePool(x, x.Length / (side * side), side, size.Rows, size.Columns);
        probe?.Invoke("downsampler.1", x);
        foreach (Bottleneck block in stage2)
            x = block.Forward(x, size.Rows, size.Columns);
        probe?.Invoke("downsampler.2", x);
        return x;
    }

    /// <summary>(side * side, C) -> (rows * columns, C): means over windows of the map that cover it evenly and may overlap.</summary>
    private static float[] AveragePool(ReadOnlySpan<float> x, int channels, int side, int rows, int columns)
    {
        float[] y = new float[rows * columns * channels];
        for (int row = 0; row < rows; row++)
        {
            (int top, int bottom) = Window(row, rows);
            for (int column = 0; column < columns; column++)
            {
                (int left, int right) = Window(column, columns);
                Span<float> mean = y.AsSpan((row * columns + column) * channels, channels);
                for (int i = top; i < bottom; i++)
                {
                    for (int k = left; k < right; k++)
                        VectorMath.Add(mean, x.Slice((i * side + k) * channels, channels), mean);
                }

                VectorMath.Scale(mean, 1f / ((bottom - top) * (right - left)), mean);
            }
        }

        return y;

        (int Start, int End) Window(int index, int count) => (index * side / count, ((index + 1) * side + count - 1) / count);
    }

    /// <summary>
    /// RegNet's bottleneck with as many groups as channels: 1x1, depthwise 3x3, squeeze-and-excitation, 1x1, and a shortcut.
    /// Every convolution is without bias and followed by a LayerNorm over the channels.
    /// </summary>
    private sealed class Bottleneck
    {
        private const int Kernel = 3;
        private const float NormEpsilon = 1e-5f;

        private readonly int channels;
        private readonly LinearWeight conv1;
        private readonly VisionNorm norm1;
        private readonly float[] conv2; // (3 * 3, C)
        private readonly VisionNorm norm2;
        private readonly LinearWeight squeeze;
        private readonly LinearWeight excite;
        private readonly LinearWeight conv3;
        private readonly VisionNorm norm3;
        private readonly LinearWeight? shortcut;
        private readonly VisionNorm? shortcutNorm;

        public Bottleneck(int inputs, int channels, WeightLoader weights)
        {
            this.channels = channels;
            conv1 = weights.GetKernel("conv1.conv", bias: false, channels, inputs, 1, 1);
            norm1 = Norm("conv1.bn"); // "bn" although it is a LayerNorm
            conv2 = Transpose(weights.Get("conv2.conv.weight", channels, 1, Kernel, Kernel), channels);
            norm2 = Norm("conv2.bn");
            // A quarter of the block's inputs, not of its channels; halves round to even.
            int squeezed = Math.Max(1, (int)Math.Round(inputs * 0.25, MidpointRounding.ToEven));
            squeeze = weights.GetKernel("se.fc1", bias: true, squeezed, channels, 1, 1);
            excite = weights.GetKernel("se.fc2", bias: true, channels, squeezed, 1, 1);
            conv3 = weights.GetKernel("conv3.conv", bias: false, channels, channels, 1, 1);
            norm3 = Norm("conv3.bn");
            if (inputs != channels)
            {
                shortcut = weights.GetKernel("downsample.conv", bias: false, channels, inputs, 1, 1);
                shortcutNorm = Norm("downsample.bn");
            }

            VisionNorm Norm(string name) => VisionNorm.LayerNorm(weights, name, channels, NormEpsilon);
        }

        /// <summary>(rows * columns, inputs) -> (rows * columns, C).</summary>
        public float[] Forward(float[] x, int rows, int columns)
        {
            float[] y = Multiply(conv1, x);
            norm1.Rows(y, y);
            VectorMath.SiLU(y, y);
            y = Depthwise(y, rows, columns);
            norm2.Rows(y, y);
            VectorMath.SiLU(y, y);
            Excite(y);
            y = Multiply(conv3, y);
            norm3.Rows(y, y);

            if (shortcut is not null)
            {
                x = Multiply(shortcut, x);
                shortcutNorm!.Rows(x, x);
            }

            VectorMath.Add(y, x, y);
            VectorMath.SiLU(y, y);
            return y;
        }

        /// <summary>3x3 convolution of every channel by itself, zeros beyond the edges.</summary>
        private float[] Depthwise(ReadOnlySpan<float> x, int rows, int columns)
        {
            float[] y = new float[x.Length];
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                {
                    Span<float> sum = y.AsSpan((row * columns + column) * channels, channels);
                    for (int tap = 0; tap < Kernel * Kernel; tap++)
                    {
                        int i = row + tap / Kernel - 1, k = column + tap % Kernel - 1;
                        if (i >= 0 && i < rows && k >= 0 && k < columns)
                            VectorMath.MultiplyAdd(x.Slice((i * columns + k) * channels, channels), conv2.AsSpan(tap * channels, channels), sum);
                    }
                }
            }

            return y;
        }

        /// <summary>Squeeze-and-excitation (arXiv 1709.01507): scales every channel by a gate computed from the means of all.</summary>
        private void Excite(float[] y)
        {
            float[] mean = new float[channels], gate = new float[channels], hidden = new float[squeeze.Outputs];
            for (int start = 0; start < y.Length; start += channels)
                VectorMath.Add(mean, y.AsSpan(start, channels), mean);
            VectorMath.Scale(mean, (float)channels / y.Length, mean);
            squeeze.Multiply(mean, 1, channels, hidden, hidden.Length);
            VectorMath.SiLU(hidden, hidden);
            excite.Multiply(hidden, 1, hidden.Length, gate, channels);
            VectorMath.Sigmoid(gate, gate);
            for (int start = 0; start < y.Length; start += channels)
                VectorMath.Multiply(y.AsSpan(start, channels), gate, y.AsSpan(start, channels));
        }

        private static float[] Multiply(LinearWeight weight, float[] x)
        {
            int rows = x.Length / weight.Inputs;
            float[] y = new float[rows * weight.Outputs];
            weight.Multiply(x, rows, weight.Inputs, y, weight.Outputs);
            return y;
        }

        /// <summary>(C, 9) -> (9, C).</summary>
        private static float[] Transpose(float[] stored, int channels)
        {
            float[] result = new float[stored.Length];
            for (int i = 0; i < stored.Length; i++)
                result[i % (Kernel * Kernel) * channels + i / (Kernel * Kernel)] = stored[i];
            return result;
        }
    }
}

using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// Weight-normed transposed convolution that makes <c>rate</c> frames of each, on a stream. The frames made of one input frame
/// are phases of one ordinary convolution each; phases that see the same input frames are computed as one, side by side.
/// </summary>
internal sealed class TransposedConvolution
{
    private readonly ConvolutionWeight[] groups; // group c sees the input frames t + c - (taps - 1) to t + c
    private readonly int[] firstPhases;
    private readonly int rate;
    private readonly int taps;

    /// <summary>Reads <c>weight_g</c>, <c>weight_v</c> (inputs, outputs, kernel) and <c>bias</c>; (kernel - rate) / 2 frames are cut off both ends.</summary>
    public TransposedConvolution(WeightLoader weights, int inputs, int outputs, int kernel, int rate)
    {
        (this.rate, Inputs, Outputs) = (rate, inputs, outputs);
        float[] stored = WeightNorm.Fuse(weights, inputs, outputs, kernel), bias = weights.Get("bias", outputs);
        int padding = (kernel - rate) / 2;
        taps = (kernel + rate - 1) / rate;
        groups = new ConvolutionWeight[(rate - 1 + padding) / rate + 1];
        firstPhases = new int[groups.Length];
        for (int c = 0; c < groups.Length; c++)
        {
            int first = Math.Max(0, c * rate - padding), end = Math.Min(rate, (c + 1) * rate - padding), phases = end - first;
            float[] weight = new float[phases * outputs * inputs * taps], biases = new float[phases * outputs];
            for (int phase = 0; phase < phases; phase++)
            {
                bias.CopyTo(biases, phase * outputs);
                for (int tap = 0; tap < taps; tap++)
                {
                    // The output frame rate * t + phase - padding meets input frame t + c - m through tap k.
                    int m = taps - 1 - tap, k = first + phase + padding - c * rate + rate * m;
                    if (k >= kernel) continue;
                    for (int output = 0; output < outputs; output++)
                    {
                        for (int input = 0; input < inputs; input++)
                            weight[((phase * outputs + output) * inputs + input) * taps + tap] = stored[(input * outputs + output) * kernel + k];
                    }
                }
            }

            firstPhases[c] = first;
            groups[c] = weights.GetConvolution(weight, phases * outputs, inputs, taps, biases);
        }
    }

    public int Inputs { get; }

    public int Outputs { get; }

    public Stream Start() => new(this);

    /// <summary>State of one sequence.</summary>
    internal sealed class Stream
    {
        private readonly TransposedConvolution layer;
        private readonly FrameBuffer input;

        public Stream(TransposedConvolution layer)
        {
            this.layer = layer;
            input = new FrameBuffer(layer.Inputs);
            input.AppendZeros(layer.taps - 1);
        }

        /// <summary>Adds frames (n, inputs) and appends what is now determined to two buffers.</summary>
        /// <param name="frames">Input.</param>
        /// <param name="output">Receives the result.</param>
        /// <param name="activated">Receives its leaky rectification.</param>
        /// <param name="slope">Factor of negative values in <paramref name="activated"/>.</param>
        /// <param name="last">Whether the sequence ends.</param>
        public void Push(ReadOnlySpan<float> frames, FrameBuffer output, FrameBuffer activated, float slope, bool last)
        {
            int inputs = layer.Inputs, ahead = layer.groups.Length - 1, width = layer.rate * layer.Outputs;
            frames.CopyTo(input.Append(frames.Length / inputs));
            if (last) input.AppendZeros(ahead);
            int count = input.Count - (layer.taps - 1) - ahead;
            if (count <= 0) return;
            Span<float> y = output.Append(count * layer.rate), z = activated.Append(count * layer.rate);
            for (int c = 0; c < layer.groups.Length; c++)
            {
                int offset = layer.firstPhases[c] * layer.Outputs;
                layer.groups[c].Convolve(input.Frames[(c * inputs)..], count, inputs, inputs, y[offset..], width, new ConvolutionEpilogue
                {
                    Activated = z[offset..], ActivatedStride = width, Slope = slope,
                });
            }

            input.Drop(count);
        }
    }
}

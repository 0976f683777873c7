using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech;

/// <summary>
/// Blocks of a depthwise convolution, a style-modulated norm and two pointwise layers with a residual (after ConvNeXt,
/// arXiv 2201.03545), applied to a stream: every block keeps the few frames its convolution still needs, so pieces of any
/// size give exactly what the whole sequence gives.
/// </summary>
internal sealed class ConvNeXtStack
{
    private readonly Block[] blocks;
    private readonly int width;

    private ConvNeXtStack(Block[] blocks, int width) => (this.blocks, this.width) = (blocks, width);

    public static ConvNeXtStack Load(WeightLoader weights, VocoderConfig config, int layers) =>
        new([.. Enumerable.Range(0, layers).Select(i => new Block(weights.Push(i), config))], config.HiddenSize);

    /// <summary>Starts a stream spoken in one style.</summary>
    public Stream Start(ReadOnlySpan<float> style)
    {
        BlockStream[] streams = new BlockStream[blocks.Length];
        for (int i = 0; i < streams.Length; i++) streams[i] = new BlockStream(blocks[i], style);
        return new Stream(streams, width);
    }

    /// <summary>State of one stream through all blocks.</summary>
    internal sealed class Stream(BlockStream[] blocks, int width)
    {
        private readonly FrameBuffer output = new(width);

        /// <summary>Adds frames (n, D); with <paramref name="last"/> the stream ends and everything still inside comes out.</summary>
        /// <returns>The frames that are now determined, (m, D); valid until the next call.</returns>
        public ReadOnlySpan<float> Push(ReadOnlySpan<float> frames, bool last)
        {
            foreach (BlockStream block in blocks) frames = block.Push(frames, last);
            // A stack without blocks must not hand out its caller's memory, which may move on before the result is used.
            if (blocks.Length > 0) return frames;
            output.Drop(output.Count);
            frames.CopyTo(output.Append(frames.Length / width));
            return output.Frames;
        }
    }

    internal sealed class BlockStream
    {
        private readonly Block block;
        private readonly float[] scale; // 1 + the modulation's scale
        private readonly float[] shift;
        private readonly FrameBuffer input;
        private readonly FrameBuffer output;
        private float[] hidden = [];
        private float[] wide = [];

        public BlockStream(Block block, ReadOnlySpan<float> style)
        {
            this.block = block;
            float[] modulation = new float[2 * block.Width];
            block.Modulation.Multiply(style, 1, style.Length, modulation, modulation.Length);
            scale = [.. modulation.Take(block.Width).Select(s => 1 + s)];
            shift = modulation[block.Width..];
            input = new FrameBuffer(block.Width);
            output = new FrameBuffer(block.Width);
            input.AppendZeros(block.Kernel / 2);
        }

        public ReadOnlySpan<float> Push(ReadOnlySpan<float> frames, bool last)
        {
            frames.CopyTo(input.Append(frames.Length / block.Width));
            if (last) input.AppendZeros(block.Kernel / 2);
            output.Drop(output.Count);
            int count = input.Count - (block.Kernel - 1);
            if (count <= 0) return default;
            if (hidden.Length < count * block.Width)
            {
                hidden = new float[count * block.Width];
                wide = new float[count * block.Intermediate];
            }

            block.Forward(input.Frames, count, scale, shift, hidden, wide, output.Append(count));
            input.Drop(count);
            return output.Frames;
        }
    }

    internal sealed class Block
    {
        private readonly float[] depthwise; // (kernel, D)
        private readonly float[] depthwiseBias;
        private readonly LinearWeight pointwise1;
        private readonly LinearWeight pointwise2;
        private readonly float[] gamma;

        public Block(WeightLoader weights, VocoderConfig config)
        {
            (Width, Intermediate, Kernel) = (config.HiddenSize, config.IntermediateSize, config.KernelSize);
            depthwise = TimeConvolution.WindowMajor(weights.Get("depthwise.weight", Width, 1, Kernel), 1, Width, Kernel);
            depthwiseBias = weights.Get("depthwise.bias", Width);
            Modulation = weights.GetLinear("modulation", 2 * Width, config.StyleDim);
            pointwise1 = weights.GetLinear("pointwise1", Intermediate, Width);
            pointwise2 = weights.GetLinear("pointwise2", Width, Intermediate);
            gamma = weights.Get("gamma", Width);
        }

        public int Width { get; }

        public int Intermediate { get; }

        public int Kernel { get; }

        public LinearWeight Modulation { get; } // S -> scale, shift

        /// <summary>Input (count + kernel - 1, D) -> output (count, D).</summary>
        public void Forward(
            ReadOnlySpan<float> input, int count, ReadOnlySpan<float> scale, ReadOnlySpan<float> shift, Span<float> hidden, Span<float> wide, Span<float> output)
        {
            for (int t = 0; t < count; t++)
            {
                Span<float> row = hidden.Slice(t * Width, Width), normed = output.Slice(t * Width, Width);
                depthwiseBias.CopyTo(row);
                for (int k = 0; k < Kernel; k++) VectorMath.MultiplyAdd(input.Slice((t + k) * Width, Width), depthwise.AsSpan(k * Width, Width), row);
                VectorMath.LayerNorm(row, [], [], SourceFilterVocoder.NormEpsilon, normed);
                shift.CopyTo(row);
                VectorMath.MultiplyAdd(normed, scale, row);
            }

            wide = wide[..(count * Intermediate)];
            pointwise1.Multiply(hidden, count, Width, wide, Intermediate);
            VectorMath.Gelu(wide, wide);
            pointwise2.Multiply(wide, count, Intermediate, hidden, Width);
            input.Slice(Kernel / 2 * Width, count * Width).CopyTo(output);
            for (int t = 0; t < count; t++) VectorMath.MultiplyAdd(hidden.Slice(t * Width, Width), gamma, output.Slice(t * Width, Width));
        }
    }
}

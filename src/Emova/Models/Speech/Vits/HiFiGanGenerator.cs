using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// HiFi-GAN's generator (arXiv 2010.05646): latent frames to samples through stages of a transposed convolution and the mean of
/// residual blocks with different kernels. Applied to a stream: every convolution keeps the few frames it still needs, so
/// pieces of any size give exactly the samples of the whole, nothing is computed twice, and all data stays in the cache.
/// </summary>
internal sealed class HiFiGanGenerator
{
    private const int OuterKernel = 7;
    private const float InnerSlope = 0.1f;

    // The reference leaves out the slope before its last convolution and so gets the default of its library.
    private const float LastSlope = 0.01f;

    // Values a stage makes at a time: 256 KiB, so that its buffers fit the second-level caches of two cores.
    private const int PieceValues = 1 << 16;

    private readonly ConvolutionWeight first;
    private readonly ConvolutionWeight condition;
    private readonly Stage[] stages;
    private readonly ConvolutionWeight last;

    public HiFiGanGenerator(WeightLoader weights, VitsConfig config)
    {
        int channels = config.UpsampleInitialChannel, blocks = config.ResblockKernelSizes.Count;
        first = WeightNorm.Convolution(weights.Push("conv_pre"), channels, config.InterChannels, OuterKernel);
        condition = WeightNorm.Convolution(weights.Push("cond"), channels, config.StyleDim, kernel: 1);
        stages = new Stage[config.UpsampleRates.Count];
        for (int i = 0; i < stages.Length; i++)
        {
            TransposedConvolution upsampling = new(weights.Push("ups").Push(i), channels, channels / 2, config.UpsampleKernelSizes[i], config.UpsampleRates[i]);
            channels /= 2;
            stages[i] = new Stage(upsampling, [.. Enumerable.Range(0, blocks).Select(j => new ResidualBlock(
                weights.Push("resblocks").Push(i * blocks + j), channels, config.ResblockKernelSizes[j], config.ResblockDilations[j], config.PairedResblocks))],
                Math.Max(1, PieceValues / (channels * config.UpsampleRates[i])));
        }

        last = WeightNorm.Convolution(weights.Push("conv_post"), 1, channels, OuterKernel, bias: false);
    }

    /// <summary>Latent frames (T, C) to samples; style empty for none.</summary>
    public float[] Forward(ReadOnlySpan<float> z, ReadOnlySpan<float> style, ActivationProbe? probe = null) => Start(style, probe).Push(z, last: true);

    /// <summary>Starts a sequence.</summary>
    public Stream Start(ReadOnlySpan<float> style, ActivationProbe? probe = null) => new(this, style, probe);

    /// <summary>State of one sequence.</summary>
    internal sealed class Stream
    {
        private readonly HiFiGanGenerator generator;
        private readonly ActivationProbe? probe;
        private readonly float[] shift; // what the style adds to every frame
        private readonly FrameBuffer latent;
        private readonly FrameBuffer states;
        private readonly StageStream[] streams;
        private readonly FrameBuffer final;
        private readonly FrameBuffer samples = new(1);

        public Stream(HiFiGanGenerator generator, ReadOnlySpan<float> style, ActivationProbe? probe)
        {
            (this.generator, this.probe) = (generator, probe);
            shift = new float[generator.first.Outputs];
            StyleEncoder.AddCondition(generator.condition, style, shift);
            latent = new FrameBuffer(generator.first.Inputs);
            latent.AppendZeros(OuterKernel / 2);
            states = new FrameBuffer(generator.first.Outputs);
            streams = [.. generator.stages.Select((stage, i) => new StageStream(stage, i + 1 < generator.stages.Length ? InnerSlope : LastSlope))];
            final = new FrameBuffer(generator.last.Inputs);
            final.AppendZeros(OuterKernel / 2);
        }

        /// <summary>Adds latent frames (n, C) and returns the samples that are now determined.</summary>
        public float[] Push(ReadOnlySpan<float> frames, bool last)
        {
            samples.Drop(samples.Count);
            int channels = latent.Width, width = shift.Length;
            frames.CopyTo(latent.Append(frames.Length / channels));
            if (last) latent.AppendZeros(OuterKernel / 2);
            int count = Math.Max(0, latent.Count - (OuterKernel - 1));
            states.Drop(states.Count);
            Span<float> rows = states.Append(count);
            generator.first.Convolve(latent.Frames, count, channels, channels, rows, width);
            latent.Drop(count);
            probe?.Invoke("conv_pre", rows);
            for (int at = 0; at < rows.Length; at += width) VectorMath.Add(rows.Slice(at, width), shift, rows.Slice(at, width));
            VectorMath.LeakyRelu(rows, InnerSlope, rows);
            PushStage(0, rows, last);
            return samples.Frames.ToArray();
        }

        /// <summary>Takes rectified rows through a stage and all that follow, in pieces that fit the cache.</summary>
        private void PushStage(int index, ReadOnlySpan<float> rows, bool last)
        {
            if (index == streams.Length)
            {
                Finish(rows, last);
                return;
            }

            StageStream stage = streams[index];
            int piece = stage.PieceRows * stage.Inputs;
            while (rows.Length > piece)
            {
                PushStage(index + 1, stage.Push(rows[..piece], last: false, probe, index), last: false);
                rows = rows[piece..];
            }

            PushStage(index + 1, stage.Push(rows, last, probe, index), last);
        }

        private void Finish(ReadOnlySpan<float> rows, bool last)
        {
            int channels = final.Width;
            rows.CopyTo(final.Append(rows.Length / channels));
            if (last) final.AppendZeros(OuterKernel / 2);
            int count = final.Count - (OuterKernel - 1);
            if (count <= 0) return;
            Span<float> y = samples.Append(count);
            generator.last.Convolve(final.Frames, count, channels, channels, y, 1);
            VectorMath.Tanh(y, y);
            final.Drop(count);
        }
    }

    private sealed record Stage(TransposedConvolution Upsampling, ResidualBlock[] Blocks, int PieceRows);

    private sealed class StageStream(Stage stage, float slope)
    {
        private readonly TransposedConvolution.Stream upsampling = stage.Upsampling.Start();
        private readonly FrameBuffer upsampled = new(stage.Upsampling.Outputs);
        private readonly FrameBuffer rectified = ZeroPadded(stage.Upsampling.Outputs, stage.Blocks.Max(block => block.FirstPadding));
        private readonly int padding = stage.Blocks.Max(block => block.FirstPadding);
        private readonly ResidualBlock.Stream[] blocks = [.. stage.Blocks.Select(block => block.Start())];
        private readonly FrameBuffer output = new(stage.Upsampling.Outputs);

        public int Inputs => stage.Upsampling.Inputs;

        public int PieceRows => stage.PieceRows;

        /// <summary>Adds rectified rows and returns the rectified rows of the next stage's input.</summary>
        public ReadOnlySpan<float> Push(ReadOnlySpan<float> rows, bool last, ActivationProbe? probe, int index)
        {
            int width = output.Width, made = upsampled.Count;
            upsampling.Push(rows, upsampled, rectified, InnerSlope, last);
            probe?.Invoke($"ups{index}", upsampled.Frames[(made * width)..]);
            if (last) rectified.AppendZeros(padding);
            int ready = int.MaxValue;
            for (int j = 0; j < blocks.Length; j++)
            {
                int known = blocks[j].Output.Count;
                blocks[j].Advance(upsampled, rectified, padding, last);
                probe?.Invoke($"resblock{index * blocks.Length + j}", blocks[j].Output.Frames[(known * width)..]);
                ready = Math.Min(ready, blocks[j].Output.Count);
            }

            DropShared();
            output.Drop(output.Count);
            Span<float> mean = output.Append(ready);
            blocks[0].Output.Frames[..mean.Length].CopyTo(mean);
            for (int j = 1; j < blocks.Length; j++) VectorMath.Add(mean, blocks[j].Output.Frames[..mean.Length], mean);
            VectorMath.Scale(mean, 1f / blocks.Length, mean);
            VectorMath.LeakyRelu(mean, slope, mean);
            foreach (ResidualBlock.Stream block in blocks) block.Output.Drop(ready);
            return mean;
        }

        /// <summary>Drops the rows that every block has used.</summary>
        private void DropShared()
        {
            int raw = blocks.Min(block => block.RawUsed), active = blocks.Min(block => block.RectifiedUsed);
            upsampled.Drop(raw);
            rectified.Drop(active);
            foreach (ResidualBlock.Stream block in blocks)
            {
                block.RawUsed -= raw;
                block.RectifiedUsed -= active;
            }
        }
    }

    internal static FrameBuffer ZeroPadded(int width, int frames)
    {
        FrameBuffer buffer = new(width);
        buffer.AppendZeros(frames);
        return buffer;
    }
}

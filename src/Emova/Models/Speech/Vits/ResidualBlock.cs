using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// A residual block of HiFi-GAN: for each dilation, x + conv2(rectify(conv1(rectify(x)))), or without conv2 in its small kind.
/// Both the result and its rectification leave a convolution directly from the registers.
/// </summary>
internal sealed class ResidualBlock
{
    private const float Slope = 0.1f;

    private readonly Pair[] pairs;
    private readonly int channels;

    public ResidualBlock(WeightLoader weights, int channels, int kernel, IReadOnlyList<int> dilations, bool paired)
    {
        this.channels = channels;
        pairs = [.. dilations.Select((dilation, i) => new Pair(
            WeightNorm.NormedConvolution(weights.Push(paired ? "convs1" : "convs").Push(i), channels, channels, kernel),
            paired ? WeightNorm.NormedConvolution(weights.Push("convs2").Push(i), channels, channels, kernel) : null,
            dilation))];
    }

    /// <summary>Rows of context the first convolution needs on each side.</summary>
    public int FirstPadding => pairs[0].Padding;

    public Stream Start() => new(this);

    private sealed record Pair(ConvolutionWeight First, ConvolutionWeight? Second, int Dilation)
    {
        public int Padding => (First.Kernel - 1) / 2 * Dilation;
    }

    /// <summary>State of one sequence.</summary>
    internal sealed class Stream
    {
        private readonly PairStream[] pairs;
        private readonly FrameBuffer[] raw;       // input of the second pair and on
        private readonly FrameBuffer[] rectified; // its rectification, with the zeros beyond both ends
        private readonly int channels;

        public Stream(ResidualBlock block)
        {
            channels = block.channels;
            Output = new FrameBuffer(channels);
            pairs = [.. block.pairs.Select(pair => new PairStream(pair, channels))];
            raw = [.. block.pairs.Skip(1).Select(_ => new FrameBuffer(channels))];
            rectified = [.. block.pairs.Skip(1).Select(pair => HiFiGanGenerator.ZeroPadded(channels, pair.Padding))];
        }

        /// <summary>Result rows, to be dropped by the reader.</summary>
        public FrameBuffer Output { get; }

        /// <summary>Rows of the shared raw input this block needs no more.</summary>
        public int RawUsed { get; set; }

        /// <summary>Rows of the shared rectified input this block needs no more.</summary>
        public int RectifiedUsed { get; set; }

        /// <summary>Computes all rows that the input determines.</summary>
        /// <param name="sharedRaw">Input of the first pair.</param>
        /// <param name="sharedRectified">Its rectification, with <paramref name="padding"/> rows of zeros before and, with <paramref name="last"/>, behind it.</param>
        /// <param name="padding">At least <see cref="FirstPadding"/>.</param>
        /// <param name="last">Whether the sequence ends.</param>
        public void Advance(FrameBuffer sharedRaw, FrameBuffer sharedRectified, int padding, bool last)
        {
            for (int i = 0; i < pairs.Length; i++)
            {
                FrameBuffer nextRaw = i < raw.Length ? raw[i] : Output;
                FrameBuffer? nextRectified = i < raw.Length ? rectified[i] : null;
                if (i == 0)
                {
                    int surplus = padding - pairs[0].Padding, end = sharedRectified.Count - (last ? surplus : 0);
                    (int firstUsed, int used) = pairs[0].Advance(
                        sharedRaw.Frames[(RawUsed * channels)..],
                        sharedRectified.Frames[((RectifiedUsed + surplus) * channels)..(end * channels)], nextRaw, nextRectified, last);
                    RectifiedUsed += firstUsed;
                    RawUsed += used;
                }
                else
                {
                    if (last) rectified[i - 1].AppendZeros(pairs[i].Padding);
                    (int firstUsed, int used) = pairs[i].Advance(raw[i - 1].Frames, rectified[i - 1].Frames, nextRaw, nextRectified, last);
                    rectified[i - 1].Drop(firstUsed);
                    raw[i - 1].Drop(used);
                }
            }
        }
    }

    private sealed class PairStream(Pair pair, int channels)
    {
        private readonly FrameBuffer? middle = pair.Second is { } second ? HiFiGanGenerator.ZeroPadded(channels, second.Kernel / 2) : null;

        public int Padding => pair.Padding;

        /// <summary>Returns how many rows of the rectified and of the raw input are needed no more.</summary>
        public (int RectifiedUsed, int RawUsed) Advance(
            ReadOnlySpan<float> raw, ReadOnlySpan<float> rectified, FrameBuffer nextRaw, FrameBuffer? nextRectified, bool last)
        {
            int count = Math.Max(0, rectified.Length / channels - 2 * pair.Padding);
            if (pair.Second is null || middle is null)
            {
                Convolve(pair.First, rectified, pair.Dilation, count, raw, nextRaw, nextRectified);
                return (count, count);
            }

            pair.First.Convolve(rectified, count, channels, pair.Dilation * channels, [], 0, new ConvolutionEpilogue
            {
                Activated = middle.Append(count), ActivatedStride = channels, Slope = Slope,
            });
            if (last) middle.AppendZeros(pair.Second.Kernel / 2);
            int result = Math.Max(0, middle.Count - (pair.Second.Kernel - 1));
            Convolve(pair.Second, middle.Frames, 1, result, raw, nextRaw, nextRectified);
            middle.Drop(result);
            return (count, result);
        }

        private void Convolve(
            ConvolutionWeight weight, ReadOnlySpan<float> x, int dilation, int count, ReadOnlySpan<float> raw, FrameBuffer nextRaw, FrameBuffer? nextRectified) =>
            weight.Convolve(x, count, channels, dilation * channels, nextRaw.Append(count), channels, new ConvolutionEpilogue
            {
                Residual = raw, ResidualStride = channels,
                Activated = nextRectified is null ? default : nextRectified.Append(count), ActivatedStride = channels, Slope = Slope,
            });
    }
}

namespace Emova.Models.Speech;

/// <summary>A queue of frames (rows of equal width) in contiguous memory, reused over the life of a stream.</summary>
internal sealed class FrameBuffer(int width)
{
    private float[] data = new float[16 * width];
    private int first;

    /// <summary>Values of a frame.</summary>
    public int Width => width;

    /// <summary>Frames held.</summary>
    public int Count { get; private set; }

    /// <summary>All frames held, oldest first: (Count, width).</summary>
    public Span<float> Frames => data.AsSpan(first * width, Count * width);

    /// <summary>Adds frames of unspecified content at the end and returns them for writing.</summary>
    public Span<float> Append(int frames)
    {
        if ((first + Count + frames) * width > data.Length)
        {
            float[] target = (Count + frames) * width > data.Length / 2 ? new float[2 * (Count + frames) * width] : data;
            data.AsSpan(first * width, Count * width).CopyTo(target);
            (data, first) = (target, 0);
        }

        Count += frames;
        return data.AsSpan((first + Count - frames) * width, frames * width);
    }

    /// <summary>Adds zero frames at the end.</summary>
    public void AppendZeros(int frames) => Append(frames).Clear();

    /// <summary>Removes the oldest frames.</summary>
    public void Drop(int frames)
    {
        Count -= frames;
        first = Count == 0 ? 0 : first + frames;
    }
}

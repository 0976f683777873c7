namespace Emova.Training.DataSets;

/// <summary>A readable stream that gives up after so many bytes, read again or not.</summary>
/// <param name="inner">read from and disposed</param>
/// <param name="budget">bytes that may be read in all</param>
internal sealed class BoundedStream(Stream inner, long budget) : Stream
{
    /// <summary>Reading one byte at a time costs more than a byte.</summary>
    private const int CostOfCall = 1;

    private long _left = budget;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => true;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => inner.Length;

    /// <inheritdoc/>
    public override long Position
    {
        get => inner.Position;
        set => inner.Position = value;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Count(inner.Read(buffer, offset, count));

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer) => Count(inner.Read(buffer));

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => inner.Seek(offset, origin);

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private int Count(int read)
    {
        _left -= read + CostOfCall;
        return _left >= 0 ? read : throw new FormatException("it is read again and again: its pages are linked in a circle");
    }
}

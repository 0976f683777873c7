using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Emova.Numerics;
using Microsoft.Win32.SafeHandles;

namespace Emova.Checkpoints;

/// <summary>
/// A safetensors file opened for reading: an 8-byte little-endian header length, a JSON header, raw little-endian data.
/// The header is checked completely when opening; tensor data is read on request. Reading is safe from several threads.
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    private const int LengthBytes = 8;
    private const long MaxHeaderBytes = 100_000_000; // limit of the format's own reader
    private const int ChunkBytes = 1 << 20;

    private readonly SafeFileHandle handle;

    private SafetensorsFile(
        string path, SafeFileHandle handle, Dictionary<string, TensorInfo> tensors, Dictionary<string, string> metadata)
    {
        Path = path;
        this.handle = handle;
        Tensors = tensors;
        Metadata = metadata;
    }

    /// <summary>The path given to <see cref="Open"/>.</summary>
    public string Path { get; }

    /// <summary>All tensors by name, in header order.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The header's free-form strings; empty when absent.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="EmovaException">The file is missing, unreadable or not a valid safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(path);
            long length = RandomAccess.GetLength(handle);
            Span<byte> prefix = stackalloc byte[LengthBytes];
            if (length < LengthBytes || !TryFill(handle, prefix, 0))
                throw new EmovaException($"{path}: not a safetensors file: only {length} bytes long");
            ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
            long limit = Math.Min(length - LengthBytes, MaxHeaderBytes);
            if (headerLength > (ulong)limit)
                throw new EmovaException($"{path}: not a safetensors file: header of {headerLength} bytes, at most {limit} are possible");

            byte[] header = new byte[(int)headerLength];
            if (!TryFill(handle, header, LengthBytes))
                throw new EmovaException($"{path}: the file ends inside its header");
            long dataStart = LengthBytes + header.Length;
            SafetensorsHeader.Parse(path, header, dataStart, length - dataStart, out var tensors, out var metadata);
            SafetensorsFile file = new(path, handle, tensors, metadata);
            handle = null;
            return file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new EmovaException($"{path}: cannot open: {e.Message}", e);
        }
        finally
        {
            handle?.Dispose();
        }
    }

    /// <summary>Reads a tensor of type F32, F16 or BF16 as floats, row-major.</summary>
    /// <exception cref="EmovaException">No such tensor, another type, or the file cannot be read.</exception>
    public float[] ReadFloat32(string name)
    {
        TensorInfo info = Find(name);
        float[] values = NewArray<float>(info);
        ReadFloat32(name, values);
        return values;
    }

    /// <summary>Reads a tensor of type F32, F16 or BF16 into <paramref name="values"/>, whose length must be the element count.</summary>
    /// <exception cref="EmovaException">No such tensor, another type, or the file cannot be read.</exception>
    public void ReadFloat32(string name, Span<float> values)
    {
        TensorInfo info = Find(name);
        if (values.Length != info.ElementCount)
            throw new ArgumentException($"{info.ElementCount} elements do not fit a span of {values.Length}", nameof(values));
        ReadFloat32(name, 0, values);
    }

    /// <summary>Reads a part of a tensor of type F32, F16 or BF16.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="first">First element, counted row-major.</param>
    /// <param name="values">Receives the elements from there on; they must exist.</param>
    /// <exception cref="EmovaException">No such tensor, another type, or the file cannot be read.</exception>
    public void ReadFloat32(string name, long first, Span<float> values)
    {
        TensorInfo info = Find(name);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        if (first + values.Length > info.ElementCount)
            throw new ArgumentException($"elements {first} to {first + values.Length} are not within {info.ElementCount}", nameof(first));
        switch (info.DType)
        {
            case DType.F32:
                ReadRange(info, MemoryMarshal.AsBytes(values), first * sizeof(float));
                break;
            case DType.F16:
                ReadConverted<Half>(info, first, values, static (halves, floats) => TensorPrimitives.ConvertToSingle(halves, floats));
                break;
            case DType.BF16:
                ReadConverted<ushort>(info, first, values, BFloat16.ToSingle);
                break;
            default:
                throw WrongType(info, "F32, F16 or BF16");
        }
    }

    /// <summary>Reads a tensor of type I64, I32, U8 or BOOL as 64-bit integers, row-major.</summary>
    /// <exception cref="EmovaException">No such tensor, another type, or the file cannot be read.</exception>
    public long[] ReadInt64(string name)
    {
        TensorInfo info = Find(name);
        long[] values = NewArray<long>(info);
        switch (info.DType)
        {
            case DType.I64:
                ReadRange(info, MemoryMarshal.AsBytes(values.AsSpan()), 0);
                break;
            case DType.I32:
                int[] integers = NewArray<int>(info);
                ReadRange(info, MemoryMarshal.AsBytes(integers.AsSpan()), 0);
                for (int i = 0; i < values.Length; i++)
                    values[i] = integers[i];
                break;
            case DType.U8 or DType.Bool:
                byte[] bytes = ReadBytes(name);
                for (int i = 0; i < values.Length; i++)
                    values[i] = bytes[i];
                break;
            default:
                throw WrongType(info, "I64, I32, U8 or BOOL");
        }

        return values;
    }

    /// <summary>Reads the stored bytes of a tensor of any type.</summary>
    /// <exception cref="EmovaException">No such tensor, or the file cannot be read.</exception>
    public byte[] ReadBytes(string name)
    {
        TensorInfo info = Find(name);
        if (info.ByteLength > Array.MaxLength)
            throw new EmovaException($"{Path}: tensor '{name}' of {info.ByteLength} bytes is too large for one array");
        byte[] bytes = new byte[info.ByteLength];
        ReadRange(info, bytes, 0);
        return bytes;
    }

    /// <summary>Reads some of the stored bytes of a tensor of any type.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="offset">First byte, counted from the tensor's first.</param>
    /// <param name="bytes">Receives the bytes from there on; they must exist.</param>
    /// <exception cref="EmovaException">No such tensor, or the file cannot be read.</exception>
    public void ReadBytes(string name, long offset, Span<byte> bytes)
    {
        TensorInfo info = Find(name);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (offset + bytes.Length > info.ByteLength)
            throw new ArgumentException($"bytes {offset} to {offset + bytes.Length} are not within {info.ByteLength}", nameof(offset));
        ReadRange(info, bytes, offset);
    }

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();

    private delegate void Convert<T>(ReadOnlySpan<T> stored, Span<float> values);

    private void ReadConverted<T>(TensorInfo info, long first, Span<float> values, Convert<T> convert) where T : unmanaged
    {
        T[] chunk = new T[Math.Min(values.Length, ChunkBytes / info.DType.ByteSize())];
        for (int start = 0; start < values.Length; start += chunk.Length)
        {
            Span<T> part = chunk.AsSpan(0, Math.Min(chunk.Length, values.Length - start));
            ReadRange(info, MemoryMarshal.AsBytes(part), (first + start) * info.DType.ByteSize());
            convert(part, values.Slice(start, part.Length));
        }
    }

    private void ReadRange(TensorInfo info, Span<byte> destination, long offset)
    {
        try
        {
            if (!TryFill(handle, destination, info.Offset + offset))
                throw new EmovaException($"{Path}: the file ends inside tensor '{info.Name}'");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{Path}: cannot read tensor '{info.Name}': {e.Message}", e);
        }
    }

    private static bool TryFill(SafeFileHandle handle, Span<byte> destination, long position)
    {
        while (destination.Length > 0)
        {
            int read = RandomAccess.Read(handle, destination, position);
            if (read == 0)
                return false;
            destination = destination[read..];
            position += read;
        }

        return true;
    }

    private T[] NewArray<T>(TensorInfo info)
    {
        if (info.ElementCount > Array.MaxLength)
            throw new EmovaException($"{Path}: tensor '{info.Name}' of {info.ElementCount} elements is too large for one array");
        return new T[info.ElementCount];
    }

    private TensorInfo Find(string name) => Tensors.TryGetValue(name, out TensorInfo? info)
        ? info
        : throw new EmovaException($"{Path}: has no tensor '{name}'");

    private EmovaException WrongType(TensorInfo info, string expected) =>
        new($"{Path}: tensor '{info.Name}' has type {info.DType.HeaderName()}, expected {expected}");
}

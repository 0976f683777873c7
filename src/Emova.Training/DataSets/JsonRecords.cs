using System.Buffers;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace Emova.Training.DataSets;

/// <summary>
/// The records of JSON and JSON-lines files by their position: a file of any size is read in pieces once, and later only the record that
/// is asked for. An array in <c>.json</c>, one record per line in <c>.jsonl</c>; which of them it is shows in the first character.
/// </summary>
public sealed class JsonRecords : IDisposable
{
    /// <summary>Longest record accepted.</summary>
    public const int LongestRecord = 32 << 20;

    private const int BlockLength = 1 << 18;
    private const int Deepest = 64;

    private readonly List<(int File, long Start, int Length)> _records = [];
    private readonly SafeFileHandle[] _files;
    private readonly string[] _paths;

    /// <param name="paths">files, read in this order</param>
    /// <exception cref="EmovaException">One cannot be opened.</exception>
    public JsonRecords(IReadOnlyList<string> paths)
    {
        _paths = [.. paths];
        _files = new SafeFileHandle[paths.Count];
        for (int i = 0; i < _files.Length; i++)
        {
            try
            {
                _files[i] = File.OpenHandle(paths[i]);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Dispose();
                throw new EmovaException($"{paths[i]}: cannot be read: {e.Message}", e);
            }
        }
    }

    /// <summary>Number of records that were found.</summary>
    public int Count => _records.Count;

    /// <summary>The file a record is in.</summary>
    public string FileOf(long record) => _paths[_records[(int)record].File];

    /// <summary>Where a record is, for messages.</summary>
    public string PlaceOf(long record) => $"{FileOf(record)}, byte {_records[(int)record].Start}";

    /// <summary>Finds all records. Called once.</summary>
    public IEnumerable<long> Scan(DefectList defects)
    {
        for (int file = 0; file < _files.Length; file++)
        {
            foreach ((long start, int length) in Find(file, defects))
            {
                _records.Add((file, start, length));
                yield return _records.Count - 1;
            }
        }
    }

    /// <summary>A record; dispose it.</summary>
    /// <exception cref="DefectException">It is no JSON.</exception>
    public JsonDocument Read(long record)
    {
        (int file, long start, int length) = _records[(int)record];
        byte[] bytes = new byte[length];
        try
        {
            for (int read = 0, count; read < length; read += count)
            {
                count = RandomAccess.Read(_files[file], bytes.AsSpan(read), start + read);
                if (count == 0)
                {
                    throw new DefectException(DefectKind.BadRecord, $"{PlaceOf(record)}: the file has become shorter");
                }
            }

            return JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = Deepest });
        }
        catch (Exception e) when (e is JsonException or IOException)
        {
            throw new DefectException(DefectKind.BadRecord, $"{PlaceOf(record)}: {e.Message}");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafeFileHandle? file in _files)
        {
            file?.Dispose();
        }
    }

    private IEnumerable<(long Start, int Length)> Find(int file, DefectList defects)
    {
        byte[] block = new byte[BlockLength];
        int count = RandomAccess.Read(_files[file], block, 0);
        ReadOnlySpan<byte> start = block.AsSpan(0, count);
        int mark = start.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? 3 : 0;
        ReadOnlySpan<byte> text = start[mark..].TrimStart(" \t\r\n"u8);
        return text.Length > 0 && text[0] == (byte)'[' ? Elements(file, mark, defects) : Lines(file, mark, defects);
    }

    private IEnumerable<(long Start, int Length)> Lines(int file, long position, DefectList defects)
    {
        byte[] block = new byte[BlockLength];
        long start = position;
        bool blank = true;
        for (int count; (count = RandomAccess.Read(_files[file], block, position)) > 0; position += count)
        {
            for (int i = 0; i < count; i++)
            {
                if (block[i] != (byte)'\n')
                {
                    blank &= block[i] is (byte)' ' or (byte)'\t' or (byte)'\r';
                    continue;
                }

                if (!blank && Fits(position + i - start))
                {
                    yield return (start, (int)(position + i - start));
                }

                (start, blank) = (position + i + 1, true);
            }
        }

        if (!blank && Fits(position - start))
        {
            yield return (start, (int)(position - start));
        }

        bool Fits(long length)
        {
            if (length > LongestRecord)
            {
                defects.Add(DefectKind.BadRecord, $"{_paths[file]}, byte {start}", $"a record of {length} bytes, more than {LongestRecord}");
            }

            return length <= LongestRecord;
        }
    }

    /// <summary>The elements of one large array, found without holding more than one of them.</summary>
    private IEnumerable<(long Start, int Length)> Elements(int file, long position, DefectList defects)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BlockLength);
        try
        {
            JsonReaderState state = new(new JsonReaderOptions { MaxDepth = Deepest });
            int held = 0;      // bytes in the buffer
            long start = -1;   // of the element being read
            List<(long, int)> found = [];
            while (true)
            {
                int count = RandomAccess.Read(_files[file], buffer.AsSpan(held), position + held);
                held += count;
                int used;
                try
                {
                    used = Tokens(buffer.AsSpan(0, held), count == 0, position, ref state, ref start, found);
                }
                catch (JsonException e)
                {
                    defects.Add(DefectKind.BadRecord, $"{_paths[file]}, byte {(start >= 0 ? start : position)}", $"the rest of the file is not read: {e.Message}");
                    used = -1;
                }

                foreach ((long Start, int Length) element in found)
                {
                    yield return element;
                }

                found.Clear();
                if (used < 0 || count == 0)
                {
                    yield break;
                }

                buffer.AsSpan(used, held - used).CopyTo(buffer);
                (held, position) = (held - used, position + used);
                if (held == buffer.Length)
                {
                    // One token fills the buffer.
                    if (held >= LongestRecord)
                    {
                        defects.Add(DefectKind.BadRecord, $"{_paths[file]}, byte {position}", $"the rest of the file is not read: a text of more than {LongestRecord} bytes");
                        yield break;
                    }

                    byte[] larger = ArrayPool<byte>.Shared.Rent(2 * held);
                    buffer.AsSpan(0, held).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static int Tokens(ReadOnlySpan<byte> bytes, bool last, long position, ref JsonReaderState state, ref long start, List<(long, int)> found)
    {
        Utf8JsonReader reader = new(bytes, last, state);
        while (reader.Read())
        {
            // Depth counts the containers around a token: 1 = directly in the array.
            if (reader.CurrentDepth != 1)
            {
                continue;
            }

            long end = position + reader.BytesConsumed;
            if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
            {
                start = position + reader.TokenStartIndex;
            }
            else
            {
                long from = reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray ? start : position + reader.TokenStartIndex;
                if (end - from > LongestRecord)
                {
                    throw new JsonException($"a record of {end - from} bytes, more than {LongestRecord}");
                }

                found.Add((from, (int)(end - from)));
                start = -1;
            }
        }

        state = reader.CurrentState;
        return (int)reader.BytesConsumed;
    }
}

using Parquet;
using Parquet.Meta;
using Parquet.Schema;

namespace Emova.Training.DataSets;

/// <summary>
/// Columns of a Parquet file, one row group at a time, as one list of values per row (one value for plain columns). Everything is bounded by
/// <see cref="ParquetGuard"/> before it is read.
/// </summary>
public sealed class ParquetTable : IDisposable
{
    /// <summary>A decoder that goes round in circles reads the same bytes again and again; more than this many times the file is no work.</summary>
    private const int MostReadings = 64;

    private readonly BoundedStream _stream;
    private readonly ParquetReader _reader;
    private readonly string _name;

    private ParquetTable(BoundedStream stream, ParquetReader reader, string name) => (_stream, _reader, _name) = (stream, reader, name);

    /// <summary>Number of row groups.</summary>
    public int Groups => _reader.RowGroupCount;

    /// <summary>Paths of all columns, <c>image.bytes</c> as two parts.</summary>
    public IReadOnlyList<string[]> Columns => [.. _reader.Schema.DataFields.Select(f => f.Path.ToList().ToArray())];

    /// <summary>Opens a file.</summary>
    /// <exception cref="EmovaException">It is missing or no usable Parquet file.</exception>
    public static ParquetTable Open(string path)
    {
        try
        {
            return Open(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Opens a file from a stream, which is disposed with the table.</summary>
    /// <exception cref="EmovaException">It is no usable Parquet file.</exception>
    public static ParquetTable Open(Stream stream, string name)
    {
        BoundedStream bounded = new(stream, (MostReadings * stream.Length) + ParquetGuard.LargestFooter);
        try
        {
            return Guarded(name, () =>
            {
                ParquetGuard.CheckFooter(bounded);
                return new ParquetTable(bounded, ParquetReader.CreateAsync(bounded, leaveStreamOpen: true).GetAwaiter().GetResult(), name);
            });
        }
        catch
        {
            bounded.Dispose();
            throw;
        }
    }

    /// <summary>Rows of a row group.</summary>
    /// <exception cref="EmovaException">The number is impossible.</exception>
    public int Rows(int group) => Guarded(_name, () =>
    {
        using ParquetRowGroupReader reader = _reader.OpenRowGroupReader(group);
        return reader.RowCount is >= 0 and <= ParquetGuard.MostValues
            ? (int)reader.RowCount
            : throw new FormatException($"row group {group} claims {reader.RowCount} rows, at most {ParquetGuard.MostValues} are read");
    });

    /// <summary>A column of texts; null where a row has none.</summary>
    public List<string?>[] Texts(int group, string[] column) =>
        Read<ReadOnlyMemory<char>, string>(group, column, text => new string(text.Span));

    /// <summary>A column of bytes.</summary>
    public List<byte[]?>[] Bytes(int group, string[] column) =>
        Read<ReadOnlyMemory<byte>, byte[]>(group, column, bytes => bytes.ToArray());

    /// <summary>A column of whole numbers of any width, as text: they are ids here.</summary>
    public List<string?>[] Numbers(int group, string[] column)
    {
        System.Type type = Field(column).ClrType;
        return type == typeof(long) ? Read<long, string>(group, column, v => $"{v}")
            : type == typeof(int) ? Read<int, string>(group, column, v => $"{v}")
            : type == typeof(short) ? Read<short, string>(group, column, v => $"{v}")
            : throw new EmovaException($"{_name}: column {string.Join('.', column)} holds {type.Name}, not whole numbers");
    }

    /// <summary>Whether a column holds texts.</summary>
    public bool IsText(string[] column) => Field(column).ClrType is System.Type type && (type == typeof(string) || type == typeof(ReadOnlyMemory<char>));

    /// <summary>Whether a column holds bytes.</summary>
    public bool IsBytes(string[] column) => Field(column).ClrType is System.Type type && (type == typeof(byte[]) || type == typeof(ReadOnlyMemory<byte>));

    /// <inheritdoc/>
    public void Dispose()
    {
        _reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _stream.Dispose();
    }

    private DataField Field(string[] column) => _reader.Schema.DataFields.First(f => f.Path.ToList().SequenceEqual(column));

    private List<TValue?>[] Read<TRaw, TValue>(int group, string[] column, Func<TRaw, TValue> convert) where TRaw : struct where TValue : class =>
        Guarded(_name, () =>
        {
            DataField field = Field(column);
            int rows = Rows(group);
            using ParquetRowGroupReader reader = _reader.OpenRowGroupReader(group);
            ColumnMetaData metadata = reader.GetMetadata(field)?.MetaData ?? throw new FormatException($"column {field.Path} is missing in row group {group}");
            ParquetGuard.CheckColumn(_stream, metadata, field.Path.ToString());
            int count = (int)metadata.NumValues;
            TRaw[] values = new TRaw[count];
            int[]? definitions = field.MaxDefinitionLevel > 0 ? new int[count] : null, repetitions = field.MaxRepetitionLevel > 0 ? new int[count] : null;
            reader.ReadRawAsync<TRaw>(
                field, values, definitions is null ? (Memory<int>?)null : definitions, repetitions is null ? (Memory<int>?)null : repetitions).AsTask().GetAwaiter().GetResult();
            return Assemble(field, values, definitions, repetitions, rows, convert);
        });

    /// <summary>Levels to lists: a value with repetition level 0 begins a row; one below the full definition level is missing.</summary>
    private static List<TValue?>[] Assemble<TRaw, TValue>(
        DataField field, TRaw[] values, int[]? definitions, int[]? repetitions, int rows, Func<TRaw, TValue> convert) where TValue : class
    {
        if (field.MaxRepetitionLevel > 1)
        {
            throw new FormatException($"column {field.Path} holds lists of lists");
        }

        List<TValue?>[] lists = new List<TValue?>[rows];
        int row = -1, next = 0;
        for (int i = 0; i < values.Length; i++)
        {
            if (repetitions is null || repetitions[i] == 0)
            {
                if (++row >= rows)
                {
                    break;
                }

                lists[row] = [];
            }

            if (row < 0)
            {
                throw new FormatException($"column {field.Path} begins in the middle of a row");
            }

            bool present = definitions is null || definitions[i] == field.MaxDefinitionLevel;
            if (present)
            {
                lists[row].Add(convert(values[next++]));
            }
            else if (repetitions is null || definitions![i] > 1)
            {
                lists[row].Add(null); // at 0 and 1 the list itself is missing or empty
            }
        }

        return row == rows - 1 || values.Length == 0 && rows == 0 ? lists : throw new FormatException($"column {field.Path} has {row + 1} rows instead of {rows}");
    }

    /// <summary>The library reports damage with whatever exception it runs into; none of them may end a training.</summary>
    private static T Guarded<T>(string name, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is not (EmovaException or OutOfMemoryException))
        {
            throw new EmovaException($"{name}: cannot be read as Parquet: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }
}

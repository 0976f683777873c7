using System.Buffers.Binary;
using Parquet.Meta;

namespace Emova.Training.DataSets;

/// <summary>
/// Looks at a Parquet file before the library reads it. A few hundred bytes can claim pages of gigabytes, lists of billions and columns
/// without end; whatever is read is bounded here first. The file format: github.com/apache/parquet-format.
/// </summary>
internal static class ParquetGuard
{
    /// <summary>Longest metadata accepted.</summary>
    public const int LargestFooter = 64 << 20;

    /// <summary>Largest page, uncompressed.</summary>
    public const long LargestPage = 1L << 30;

    /// <summary>Largest column of a row group, uncompressed.</summary>
    public const long LargestColumn = 2L << 30;

    /// <summary>Most values of a column in a row group.</summary>
    public const long MostValues = 1 << 24;

    private const int Magic = 0x31524150; // PAR1

    /// <summary>Checks the frame of the file and its metadata.</summary>
    /// <exception cref="FormatException">It is no usable Parquet file.</exception>
    public static void CheckFooter(Stream file)
    {
        Span<byte> tail = stackalloc byte[8];
        if (file.Length < 12)
        {
            throw new FormatException("too short to be a Parquet file");
        }

        file.Position = 0;
        file.ReadExactly(tail[..4]);
        bool begins = BinaryPrimitives.ReadInt32LittleEndian(tail) == Magic;
        file.Position = file.Length - 8;
        file.ReadExactly(tail);
        if (!begins || BinaryPrimitives.ReadInt32LittleEndian(tail[4..]) != Magic)
        {
            throw new FormatException("not a Parquet file, or its end is missing");
        }

        int length = BinaryPrimitives.ReadInt32LittleEndian(tail);
        if (length is < 4 or > LargestFooter || length > file.Length - 12)
        {
            throw new FormatException($"its metadata claims {length} bytes");
        }

        byte[] footer = new byte[length];
        file.Position = file.Length - 8 - length;
        file.ReadExactly(footer);
        try
        {
            _ = new ThriftReader(footer).ReadIntegers();
        }
        catch (EndOfStreamException e)
        {
            throw new FormatException($"damaged metadata: {e.Message}", e);
        }

        file.Position = 0;
    }

    /// <summary>Follows the pages of a column without decoding them.</summary>
    /// <exception cref="FormatException">They claim more than they can hold, or do not add up.</exception>
    public static void CheckColumn(Stream file, ColumnMetaData column, string name)
    {
        if (column.NumValues is < 0 or > MostValues)
        {
            throw new FormatException($"column {name} claims {column.NumValues} values in a row group, at most {MostValues} are read");
        }

        // As the library does: offsets of files in the wild are not reliable, the smallest that is given is where the pages begin.
        long position = ((long[])[column.DictionaryPageOffset ?? 0, column.DataPageOffset, column.IndexPageOffset ?? 0]).Where(o => o != 0).DefaultIfEmpty(-1).Min();
        long values = 0, size = 0;
        while (values < column.NumValues)
        {
            (Dictionary<int, long> header, int headerLength) = ReadPageHeader(file, position, name);
            long compressed = header.GetValueOrDefault(3, -1), uncompressed = header.GetValueOrDefault(2, -1);
            size += uncompressed;
            if (compressed < 0 || uncompressed < 0 || uncompressed > LargestPage || size > LargestColumn || position + headerLength + compressed > file.Length)
            {
                throw new FormatException($"column {name} has a page of {uncompressed} bytes ({compressed} in the file): too large or damaged");
            }

            // Values of a page: fields 5.1 (data), 8.1 (data, second version); of a dictionary: 7.1.
            long count = header.GetValueOrDefault(501, header.GetValueOrDefault(801)), entries = header.GetValueOrDefault(701);
            long levels = header.GetValueOrDefault(805) + header.GetValueOrDefault(806);
            if (count < 0 || entries < 0 || entries > Math.Max(1, uncompressed) || levels < 0 || levels > compressed || header.GetValueOrDefault(802) < 0)
            {
                throw new FormatException($"column {name} has a page whose numbers are impossible");
            }

            values += count;
            position += headerLength + compressed;
        }

        if (values != column.NumValues)
        {
            throw new FormatException($"the pages of column {name} hold {values} values, its metadata says {column.NumValues}");
        }
    }

    private static (Dictionary<int, long> Integers, int Length) ReadPageHeader(Stream file, long position, string name)
    {
        // Headers may carry the smallest and largest value of their page.
        for (int guess = 256; ; guess *= 16)
        {
            if (position < 4 || position >= file.Length)
            {
                throw new FormatException($"column {name} goes on behind the end of the file");
            }

            byte[] bytes = new byte[Math.Min(guess, file.Length - position)];
            file.Position = position;
            file.ReadExactly(bytes);
            ThriftReader reader = new(bytes);
            try
            {
                Dictionary<int, long> integers = reader.ReadIntegers();
                return (integers, reader.Position);
            }
            catch (EndOfStreamException e)
            {
                if (guess >= LargestFooter || bytes.Length == file.Length - position)
                {
                    throw new FormatException($"column {name}: damaged page header: {e.Message}", e);
                }
            }
        }
    }
}

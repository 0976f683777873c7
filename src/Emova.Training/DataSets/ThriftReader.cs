namespace Emova.Training.DataSets;

/// <summary>
/// As much of Thrift's compact protocol as it takes to look at Parquet metadata before a library allocates what it asks for: integers of
/// structs by field number, everything else skipped. No container may claim more elements than bytes are left.
/// </summary>
internal ref struct ThriftReader(ReadOnlySpan<byte> data)
{
    private const int Deepest = 32;
    private const int True = 1, False = 2, Byte = 3, Double = 7, Binary = 8, ListType = 9, SetType = 10, MapType = 11, Struct = 12;

    private readonly ReadOnlySpan<byte> _data = data;

    /// <summary>Bytes read so far.</summary>
    public int Position { get; private set; }

    /// <summary>Reads a struct and hands its integers over: field path (outer * 100 + inner for one level of nesting) and value.</summary>
    /// <exception cref="FormatException">The data is no struct.</exception>
    /// <exception cref="EndOfStreamException">It goes on behind the data.</exception>
    public Dictionary<int, long> ReadIntegers()
    {
        Dictionary<int, long> integers = [];
        ReadStruct(integers, 0, 0);
        return integers;
    }

    private void ReadStruct(Dictionary<int, long>? integers, int outer, int depth)
    {
        if (depth > Deepest)
        {
            throw new FormatException($"nested deeper than {Deepest} levels");
        }

        int field = 0;
        while (true)
        {
            int header = Next(), type = header & 15;
            if (type == 0)
            {
                return;
            }

            field = header >> 4 is > 0 and int delta ? field + delta : (int)ZigZag();
            if (type is >= 4 and <= 6)
            {
                long value = ZigZag();
                if (integers is not null)
                {
                    integers[(outer * 100) + field] = value;
                }
            }
            else if (type == Struct)
            {
                ReadStruct(outer == 0 ? integers : null, field, depth + 1);
            }
            else if (type is not (True or False))
            {
                Skip(type, depth + 1);
            }
        }
    }

    private void Skip(int type, int depth)
    {
        if (depth > Deepest)
        {
            throw new FormatException($"nested deeper than {Deepest} levels");
        }

        switch (type)
        {
            case True or False or Byte:
                Advance(1); // inside containers a boolean is a byte
                break;
            case >= 4 and <= 6:
                ZigZag();
                break;
            case Double:
                Advance(8);
                break;
            case Binary:
                Advance(Count(Varint()));
                break;
            case ListType or SetType:
                int header = Next(), size = header >> 4 == 15 ? Count(Varint()) : header >> 4;
                for (int i = 0; i < size; i++)
                {
                    Skip(header & 15, depth + 1);
                }

                break;
            case MapType:
                int entries = Count(Varint());
                int types = entries > 0 ? Next() : 0;
                for (int i = 0; i < entries; i++)
                {
                    Skip(types >> 4, depth + 1);
                    Skip(types & 15, depth + 1);
                }

                break;
            case Struct:
                ReadStruct(null, 0, depth + 1);
                break;
            default:
                throw new FormatException($"no such type: {type}");
        }
    }

    private readonly int Count(ulong claimed) => claimed <= (ulong)(_data.Length - Position)
        ? (int)claimed
        : throw new EndOfStreamException($"{claimed} elements or bytes where {_data.Length - Position} bytes are left");

    private void Advance(int count)
    {
        Count((ulong)count);
        Position += count;
    }

    private int Next() => Position < _data.Length ? _data[Position++] : throw new EndOfStreamException("cut off");

    private long ZigZag()
    {
        ulong value = Varint();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            int part = Next();
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
            {
                return value;
            }
        }

        throw new FormatException("a number longer than 64 bits");
    }
}

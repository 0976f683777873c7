namespace Emova.Checkpoints;

/// <summary>Element types of stored tensors, named as in safetensors headers.</summary>
public enum DType
{
    /// <summary>One byte, 0 or 1 (<c>BOOL</c>).</summary>
    Bool,

    /// <summary>Unsigned byte.</summary>
    U8,

    /// <summary>32-bit signed integer.</summary>
    I32,

    /// <summary>64-bit signed integer.</summary>
    I64,

    /// <summary>IEEE half precision.</summary>
    F16,

    /// <summary>Upper half of an IEEE single.</summary>
    BF16,

    /// <summary>IEEE single precision.</summary>
    F32,
}

/// <summary>Sizes and header names of <see cref="DType"/>.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int ByteSize(this DType type) => type switch
    {
        DType.Bool or DType.U8 => 1,
        DType.F16 or DType.BF16 => 2,
        DType.I32 or DType.F32 => 4,
        _ => 8,
    };

    /// <summary>The name used in safetensors headers, for example <c>BF16</c>.</summary>
    public static string HeaderName(this DType type) => type == DType.Bool ? "BOOL" : type.ToString();

    /// <summary>Parses a header name; false for types that are not supported.</summary>
    public static bool TryParse(string? name, out DType type)
    {
        foreach (DType candidate in Enum.GetValues<DType>())
        {
            if (candidate.HeaderName() == name)
            {
                type = candidate;
                return true;
            }
        }

        type = default;
        return false;
    }
}

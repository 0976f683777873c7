using System.Globalization;
using Emova.Numerics;

namespace Emova.Checkpoints;

/// <summary>
/// Matrices stored in the packed form of <see cref="WeightFormat.Int8"/> and <see cref="WeightFormat.Int4"/>, which needs no work when
/// loaded: type U8, shape [groups of 16 rows, records of 64 inputs, bytes of a record], under the name of the matrix. The bytes of a
/// record tell the format. The number of rows and inputs, which packing rounds up, is in the file's metadata: under the tensor's name
/// the text <c>int4 [1915, 256]</c>.
/// </summary>
internal static class PackedTensor
{
    /// <summary>Key of the metadata entry that marks a file with packed tensors.</summary>
    public const string MarkKey = "emova_packed";

    /// <summary>The version of the packed form, the value under <see cref="MarkKey"/>.</summary>
    public const string Version = "1";

    /// <summary>The shape under which a matrix is stored.</summary>
    public static long[] Shape(WeightFormat format, long outputs, long inputs) =>
    [
        (outputs + WeightLayout.GroupRows - 1) / WeightLayout.GroupRows,
        (inputs + WeightLayout.RecordInputs - 1) / WeightLayout.RecordInputs,
        WeightLayout.RecordBytes(format),
    ];

    /// <summary><c>int8</c> or <c>int4</c>.</summary>
    public static string NameOf(WeightFormat format) => format == WeightFormat.Int4 ? "int4" : "int8";

    /// <summary>The metadata text of a matrix.</summary>
    public static string Describe(WeightFormat format, long outputs, long inputs) => $"{NameOf(format)} {TensorInfo.FormatShape([outputs, inputs])}";

    /// <summary>Reads the metadata text of a tensor; false when it has none or it does not fit the tensor.</summary>
    public static bool TryParse(SafetensorsFile file, TensorInfo info, out WeightFormat format, out int outputs, out int inputs)
    {
        (format, outputs, inputs) = (WeightFormat.Int8, 0, 0);
        if (!file.Metadata.TryGetValue(info.Name, out string? text) || text.Split(' ', '[', ',', ']') is not [_, _, var rows, _, var columns, _])
            return false;
        if (!int.TryParse(rows, CultureInfo.InvariantCulture, out outputs) || !int.TryParse(columns, CultureInfo.InvariantCulture, out inputs) || outputs < 1 || inputs < 1)
            return false;
        if (FormatOf(info, outputs, inputs) is not { } found || text != Describe(found, outputs, inputs))
            return false;
        format = found;
        return true;
    }

    /// <summary>The format of a stored tensor if it is a packed matrix of these dimensions.</summary>
    public static WeightFormat? FormatOf(TensorInfo info, long outputs, long inputs)
    {
        if (info.DType != DType.U8)
            return null;
        foreach (WeightFormat format in (ReadOnlySpan<WeightFormat>)[WeightFormat.Int8, WeightFormat.Int4])
        {
            if (info.Shape.SequenceEqual(Shape(format, outputs, inputs)))
                return format;
        }

        return null;
    }
}

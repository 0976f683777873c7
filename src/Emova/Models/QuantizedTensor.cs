using Emova.Numerics;

namespace Emova.Models;

/// <summary>What happened to a tensor in <see cref="ModelQuantizer"/>.</summary>
/// <param name="Name">Name of the tensor.</param>
/// <param name="Part">Part of the model it belongs to, as in <see cref="ModelPart"/>.</param>
/// <param name="From">Type it was stored as.</param>
/// <param name="To">Type it is stored as now.</param>
/// <param name="BytesBefore">Bytes in the source.</param>
/// <param name="BytesAfter">Bytes in the result.</param>
/// <param name="Error">What rounding did; all zero for a tensor that was copied.</param>
public sealed record QuantizedTensor(string Name, string Part, string From, string To, long BytesBefore, long BytesAfter, RoundingError Error)
{
    /// <summary>Whether the tensor was rounded.</summary>
    public bool IsQuantized => From != To;
}

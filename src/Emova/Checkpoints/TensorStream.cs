namespace Emova.Checkpoints;

/// <summary>A named tensor whose bytes are written one after the other, for tensors too large to hold: <see cref="SafetensorsWriter"/>.</summary>
/// <param name="Name">Name of the tensor.</param>
/// <param name="DType">Element type.</param>
/// <param name="Shape">Dimensions, outermost first; empty for a scalar.</param>
/// <param name="ByteLength">Number of bytes, as type and shape ask for.</param>
/// <param name="Write">Writes exactly that many bytes, little-endian elements, row-major.</param>
public sealed record TensorStream(string Name, DType DType, long[] Shape, long ByteLength, Action<Stream> Write);

using Emova.Checkpoints;

namespace Emova.Fuzz.Targets;

/// <summary>Weights: header and every tensor.</summary>
public sealed class SafetensorsTarget : IFuzzTarget
{
    public static string Name => "safetensors";

    public static IReadOnlyList<byte[]> Seeds() =>
    [
        Build("""{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"I64","shape":[2],"data_offsets":[24,40]}}""", 40),
        Build("""{"__metadata__":{"format":"pt"},"w":{"dtype":"BF16","shape":[4,2],"data_offsets":[0,16]},"h":{"dtype":"F16","shape":[],"data_offsets":[16,18]}}""", 18),
        Build("""{"empty":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""", 0),
    ];

    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        string path = Path.Combine(Path.GetTempPath(), $"emova-fuzz-{Environment.ProcessId}-{Environment.CurrentManagedThreadId}.safetensors");
        File.WriteAllBytes(path, data);
        try
        {
            using SafetensorsFile file = SafetensorsFile.Open(path);
            foreach ((string name, TensorInfo tensor) in file.Tensors)
            {
                if (tensor.DType is DType.F32 or DType.F16 or DType.BF16) file.ReadFloat32(name);
                else file.ReadBytes(name);
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static byte[] Build(string header, int dataLength)
    {
        string padded = header.PadRight((header.Length + 7) / 8 * 8);
        return [.. BitConverter.GetBytes((long)padded.Length), .. System.Text.Encoding.ASCII.GetBytes(padded), .. new byte[dataLength]];
    }
}

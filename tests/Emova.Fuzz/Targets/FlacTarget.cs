using Emova.Media;

namespace Emova.Fuzz.Targets;

/// <summary>FLAC files, decoded to the end. A frame's checksum is compared after its decoding, so damage inside frames reaches the decoder.</summary>
public sealed class FlacTarget : IFuzzTarget
{
    public static string Name => "flac";

    public static IReadOnlyList<byte[]> Seeds() => [Write(i => MathF.Sin(i * 0.1f) / 2), Write(i => i % 7 / 8f), Write(_ => 0)];

    public static void Fuzz(ReadOnlySpan<byte> data) => AudioFile.Decode(data.ToArray(), "fuzz");

    private static byte[] Write(Func<int, float> signal)
    {
        using MemoryStream stream = new();
        using (FlacWriter writer = new(stream, 16000))
            writer.Write([.. Enumerable.Range(0, 300).Select(signal)]);
        return stream.ToArray();
    }
}

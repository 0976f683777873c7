using System.Text;
using Emova.Media;
using Emova.Server.Audio;
using Emova.Server.Http;

namespace Emova.Fuzz.Targets;

/// <summary>Bodies of transcription requests: the multipart form, its fields, and the recording in it.</summary>
public sealed class FormTarget : IFuzzTarget
{
    public static string Name => "form";

    public static IReadOnlyList<byte[]> Seeds()
    {
        byte[][] seeds = Forms();
        Fuzz(seeds[0]); // The first form pays for the compilation of everything; the inputs' times shall not tell of that.
        return seeds;
    }

    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        using MemoryStream body = new(data.ToArray());
        try
        {
            TranscriptionForm form = TranscriptionForm.ReadAsync(body, "multipart/form-data; boundary=b", translation: false, default).GetAwaiter().GetResult();
            SpeechSegments.Cut(WavFile.Read(new MemoryStream(form.File), "file"));
        }
        catch (ApiException refused) when (refused.Status is >= 400 and < 500)
        {
            throw new EmovaException(refused.Message.ReplaceLineEndings(" "));
        }
    }

    private static byte[][] Forms() =>
    [
        Form([("model", "m"), ("response_format", "verbose_json"), ("timestamp_granularities[]", "word"), ("temperature", "0.5"), ("language", "en")], WavTarget.Seeds()[0]),
        Form([("stream", "true"), ("model", "m")], WavTarget.Seeds()[0]),
    ];

    private static byte[] Form((string Name, string Value)[] fields, byte[] file)
    {
        using MemoryStream form = new();
        foreach ((string name, string value) in fields)
            form.Write(Encoding.UTF8.GetBytes($"--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
        form.Write("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n"u8);
        form.Write(file);
        form.Write("\r\n--b--\r\n"u8);
        return form.ToArray();
    }
}

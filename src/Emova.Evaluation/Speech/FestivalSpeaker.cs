using Emova.Evaluation.Judges;
using Emova.Media;

namespace Emova.Evaluation.Speech;

/// <summary>
/// Speech of another synthesizer than the one that made the training data: Festival's HTS voice <c>cmu_us_slt_arctic_hts</c>, which
/// makes its waveform from statistical models instead of recorded pieces. Runs <c>text2wave</c> as a process.
/// </summary>
public static class FestivalSpeaker
{
    /// <summary>Name of the voice in tables.</summary>
    public const string Voice = "slt-hts";

    private const string VoiceName = "cmu_us_slt_arctic_hts";
    private const string VoiceFolder = "usr/share/festival/voices";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Null when the voice can be used, otherwise one line that names the packages.</summary>
    /// <param name="packageRoot">folder that takes the place of / when looking for the voice's files</param>
    public static string? WhyMissing(string packageRoot) =>
        ExternalProgram.Find("text2wave") is null ? "text2wave not found; install the Debian packages festival and festvox-us-slt-hts"
        : !Directory.Exists(Path.Combine(packageRoot, VoiceFolder)) || !Directory.EnumerateDirectories(Path.Combine(packageRoot, VoiceFolder), VoiceName, SearchOption.AllDirectories).Any()
            ? $"voice {VoiceName} not found; install the Debian package festvox-us-slt-hts" : null;

    /// <summary>The text spoken, mono samples at 16 kHz.</summary>
    /// <exception cref="EmovaException">Festival fails or takes longer than a minute.</exception>
    public static async Task<float[]> SayAsync(string text, CancellationToken cancellation = default)
    {
        string program = ExternalProgram.Find("text2wave") ?? throw new EmovaException("text2wave not found; install the Debian package festival");
        string folder = Directory.CreateTempSubdirectory("emova-festival-").FullName;
        try
        {
            string input = Path.Combine(folder, "text"), output = Path.Combine(folder, "speech.wav");
            await File.WriteAllTextAsync(input, text + "\n", cancellation).ConfigureAwait(false);
            await ExternalProgram.RunAsync(program, ["-eval", $"(voice_{VoiceName})", "-o", output, input], Limit, cancellation).ConfigureAwait(false);
            AudioClip clip = WavFile.Read(output);
            return Resampler.Resample(clip.Samples, clip.SampleRate, 16000);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

using Emova.Media;

namespace Emova.Training.DataSets;

/// <summary>A recording of a speech corpus with what is said in it.</summary>
/// <param name="Id">id in the corpus</param>
/// <param name="Text">transcript</param>
/// <param name="Path">the file; null = <see cref="Bytes"/></param>
public sealed record SpeechRecording(string Id, string Text, string? Path)
{
    /// <summary>Telephone speech; below this consonants are gone.</summary>
    public const int LowestRate = 8000;

    /// <summary>Nobody says more: the fastest speakers reach about 30. A faster recording has a wrong rate or another's transcript.</summary>
    private const double MostCharactersPerSecond = 45;

    /// <summary>A word takes longer.</summary>
    private const double ShortestSeconds = 0.1;

    /// <summary>Longest recording accepted unless told otherwise.</summary>
    public static readonly TimeSpan DefaultLongest = TimeSpan.FromSeconds(60);

    /// <summary>The recording itself, where it is embedded.</summary>
    public byte[]? Bytes { get; init; }

    /// <summary>Language code, or null.</summary>
    public string? Language { get; init; }

    /// <summary>Who speaks, or null.</summary>
    public string? Speaker { get; init; }

    /// <summary>female or male, or null.</summary>
    public string? Gender { get; init; }

    /// <summary>Emotion or style label, or null.</summary>
    public string? Emotion { get; init; }

    /// <summary>Corpora write gender in many ways.</summary>
    public static string? KnownGender(string? text) => text?.Trim().ToLowerInvariant() switch
    {
        "f" or "female" or "female_feminine" => "female",
        "m" or "male" or "male_masculine" => "male",
        _ => null,
    };

    /// <summary>Decodes and checks the recording.</summary>
    /// <param name="longest">longest accepted; <see cref="DefaultLongest"/> when null</param>
    /// <exception cref="DefectException">It cannot be used.</exception>
    public AudioClip Load(TimeSpan? longest = null)
    {
        if (string.IsNullOrWhiteSpace(Text))
        {
            throw new DefectException(DefectKind.EmptyText, "the transcript is empty");
        }

        AudioClip clip = Decode(longest ?? DefaultLongest);
        double seconds = clip.Duration.TotalSeconds;
        float peak = 0;
        foreach (float sample in clip.Samples)
        {
            if (!float.IsFinite(sample))
            {
                throw new DefectException(DefectKind.NotANumber, $"{Path ?? Id}: samples that are no numbers");
            }

            peak = Math.Max(peak, Math.Abs(sample));
        }

        if (clip.SampleRate < LowestRate)
        {
            throw new DefectException(DefectKind.WrongRate, $"{Path ?? Id}: {clip.SampleRate} Hz, at least {LowestRate} are needed");
        }

        if (seconds < ShortestSeconds || peak == 0)
        {
            throw new DefectException(DefectKind.BrokenAudio, peak == 0 ? $"{Path ?? Id}: silence" : FormattableString.Invariant($"{Path ?? Id}: {seconds:F3} s of sound"));
        }

        return Text.Length <= (MostCharactersPerSecond * seconds) + MostCharactersPerSecond
            ? clip
            : throw new DefectException(DefectKind.WrongRate, FormattableString.Invariant(
                $"{Path ?? Id}: {Text.Length} characters in {seconds:F1} s; the rate in the header or the transcript is wrong"));
    }

    private AudioClip Decode(TimeSpan longest)
    {
        try
        {
            if (Bytes is not null)
            {
                return SoundLibrary.IsNeeded(Bytes) ? SoundLibrary.Decode(Bytes, Id, longest) : AudioFile.Decode(Bytes, Id, longest);
            }

            if (Path is null || !File.Exists(Path))
            {
                throw new DefectException(DefectKind.MissingFile, Path is null ? "no recording" : $"{Path}: there is no such file");
            }

            return SoundLibrary.IsNeeded(Path) ? SoundLibrary.Decode(File.ReadAllBytes(Path), Path, longest) : AudioFile.Read(Path, longest);
        }
        catch (EmovaException e) when (e is not (DefectException or MissingLibraryException))
        {
            // The reader of WAV files refuses such samples itself.
            throw new DefectException(e.Message.Contains("not finite", StringComparison.Ordinal) ? DefectKind.NotANumber : DefectKind.BrokenAudio, e.Message);
        }
        catch (IOException e)
        {
            throw new DefectException(DefectKind.BrokenAudio, $"{Path}: {e.Message}");
        }
    }
}

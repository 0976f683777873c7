using System.Globalization;
using System.Security.Cryptography;
using Emova.Media;

namespace Emova.Training.Voices;

/// <summary>A piece of a recording, at 16 kHz and the level all recordings are trained at.</summary>
/// <param name="Name">File, with the number of the piece where it was cut.</param>
/// <param name="Samples">Mono samples.</param>
public sealed record RecordingPiece(string Name, float[] Samples);

/// <summary>A file that cannot be used.</summary>
/// <param name="File">Its name.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record RejectedRecording(string File, string Reason);

/// <summary>
/// The recordings of a speaker: every WAV and FLAC file of a folder, cut where it is long, without silence at its ends, at one level.
/// What cannot be used is listed with the reason and does not stop the rest.
/// </summary>
public sealed class RecordingFolder
{
    /// <summary>Samples per second of the pieces.</summary>
    public const int SampleRate = 16000;

    /// <summary>Longest piece in seconds.</summary>
    public const double LongestPiece = 8;

    // A telephone's 8 kHz have nothing above 4 kHz, which the voice would then not have either.
    private const int LowestRate = 16000;
    private const double ShortestSeconds = 0.8;
    private const float SilentPeak = 0.004f; // -48 dBFS
    private const double ClippedShare = 5e-4;
    private const double VoicedShare = 0.15;
    private const double Level = 0.1; // root mean square, -20 dBFS, as the training corpus
    private const int Margin = 70; // ms of silence that stay at both ends, as in the training corpus
    private const double EarliestCut = 3; // seconds
    private static readonly TimeSpan LongestFile = TimeSpan.FromMinutes(30);

    private RecordingFolder(IReadOnlyList<RecordingPiece> pieces, IReadOnlyList<RejectedRecording> rejected, int files, string fingerprint) =>
        (Pieces, Rejected, Files, Fingerprint) = (pieces, rejected, files, fingerprint);

    /// <summary>What can be used, in the order of the file names.</summary>
    public IReadOnlyList<RecordingPiece> Pieces { get; }

    /// <summary>What cannot.</summary>
    public IReadOnlyList<RejectedRecording> Rejected { get; }

    /// <summary>Files that can be used.</summary>
    public int Files { get; }

    /// <summary>Changes with the usable recordings.</summary>
    public string Fingerprint { get; }

    /// <summary>Seconds of all pieces.</summary>
    public double Seconds => Pieces.Sum(piece => (long)piece.Samples.Length) / (double)SampleRate;

    /// <summary>Reads a folder.</summary>
    /// <exception cref="EmovaException">The folder does not exist or has no files.</exception>
    public static RecordingFolder Read(string folder)
    {
        if (!Directory.Exists(folder)) throw new EmovaException($"--recordings {folder}: no such folder");
        string[] files = [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(file => !IsText(file)).Order(StringComparer.Ordinal)];
        if (files.Length == 0) throw new EmovaException($"--recordings {folder}: there are no recordings ({AudioFile.Formats}) in it");
        List<RecordingPiece> pieces = [];
        List<RejectedRecording> rejected = [];
        Dictionary<string, string> seen = [];
        foreach (string file in files)
        {
            string name = Path.GetRelativePath(folder, file);
            try
            {
                AudioClip clip = AudioFile.Read(file, LongestFile);
                string hash = Convert.ToHexStringLower(SHA256.HashData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(clip.Samples.AsSpan())));
                if (!seen.TryAdd(hash, name)) throw new EmovaException($"the same recording as {seen[hash]}");
                RequireUsable(clip);
                pieces.AddRange(Cut(name, clip.SampleRate == SampleRate ? clip.Samples : Resampler.Resample(clip.Samples, clip.SampleRate, SampleRate)));
            }
            catch (EmovaException error)
            {
                rejected.Add(new RejectedRecording(name, error.Message.Replace(file + ": ", "", StringComparison.Ordinal)));
            }
        }

        string fingerprint = Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(string.Join('\n', seen.Keys.Order(StringComparer.Ordinal)))))[..16];
        return new RecordingFolder(pieces, rejected, files.Length - rejected.Count, fingerprint);
    }

    /// <summary>One line per file that cannot be used.</summary>
    public IEnumerable<string> Describe() => Rejected.Select(bad => $"not used: {bad.File}: {bad.Reason}");

    private static bool IsText(string file) => Path.GetExtension(file).ToLowerInvariant() is ".txt" or ".md" or ".json" or ".jsonl" or ".csv" or ".tsv";

    private static void RequireUsable(AudioClip clip)
    {
        if (clip.SampleRate < LowestRate)
            throw new EmovaException($"{clip.SampleRate} samples per second; at least {LowestRate} are needed");
        if (clip.Duration.TotalSeconds < ShortestSeconds)
            throw new EmovaException(string.Create(CultureInfo.InvariantCulture, $"only {clip.Duration.TotalSeconds:0.0} s long; at least {ShortestSeconds} s are needed"));
        float peak = clip.Samples.Max(MathF.Abs);
        if (peak < SilentPeak) throw new EmovaException("silent");
        if (Clipped(clip.Samples, peak) is var clipped && clipped > ClippedShare)
            throw new EmovaException(string.Create(CultureInfo.InvariantCulture, $"clipped: {100 * clipped:0.0} % of the samples lie flat at the top"));
        PitchTrack track = new PitchTracker().Track(clip.SampleRate == SampleRate ? clip.Samples : Resampler.Resample(clip.Samples, clip.SampleRate, SampleRate));
        double voiced = track.Frequency.Count(f => f > 0) / (double)track.Frames;
        if (voiced < VoicedShare)
            throw new EmovaException(string.Create(CultureInfo.InvariantCulture, $"hardly any voice in it: {100 * voiced:0} % of the time, at least {100 * VoicedShare:0} % are needed"));
    }

    /// <summary>Share of samples that stay at full deflection for three or more in a row.</summary>
    private static double Clipped(ReadOnlySpan<float> samples, float peak)
    {
        if (peak < 0.9f) return 0;
        long flat = 0;
        int run = 0;
        for (int i = 0; i <= samples.Length; i++)
        {
            if (i < samples.Length && MathF.Abs(samples[i]) > 0.999f * peak && (run == 0 || samples[i] > 0 == samples[i - 1] > 0)) run++;
            else
            {
                if (run >= 3) flat += run;
                run = 0;
            }
        }

        return flat / (double)samples.Length;
    }

    /// <summary>Cuts at the quietest moments, so that no piece is longer than <see cref="LongestPiece"/>.</summary>
    private static IEnumerable<RecordingPiece> Cut(string name, float[] samples)
    {
        const int frame = SampleRate / 100;
        List<RecordingPiece> pieces = [];
        int start = 0;
        while (samples.Length - start > LongestPiece * SampleRate)
        {
            int best = 0;
            double quietest = double.MaxValue;
            for (int at = start + (int)(EarliestCut * SampleRate); at + 10 * frame <= start + LongestPiece * SampleRate; at += frame)
            {
                double power = 0;
                foreach (float sample in samples.AsSpan(at, 10 * frame)) power += sample * sample;
                if (power < quietest) (quietest, best) = (power, at + 5 * frame);
            }

            Add(samples[start..best]);
            start = best;
        }

        Add(samples[start..]);
        return pieces.Count > 0 ? pieces : throw new EmovaException("silent but for a click");

        void Add(float[] piece)
        {
            float[] speech = SilenceTrimmer.Trim(new AudioClip(piece, SampleRate), Margin).Samples;
            if (speech.Length < ShortestSeconds * SampleRate) return;
            double power = 0;
            foreach (float sample in speech) power += (double)sample * sample;
            double gain = Level / Math.Sqrt(power / speech.Length + 1e-12);
            pieces.Add(new RecordingPiece($"{name}#{pieces.Count + 1}", [.. speech.Select(sample => (float)(sample * gain))]));
        }
    }
}

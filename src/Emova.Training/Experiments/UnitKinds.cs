using System.Diagnostics;
using System.Globalization;
using Emova.Media;
using Emova.Training.Data;
using Emova.Training.Modules.Speech;

namespace Emova.Training.Experiments;

/// <summary>
/// The same recordings in two kinds of units. The units of the speech encoder tell what is said; here each can get a fifth digit that also
/// tells how: 0 where the voice has no pitch, else 1 to 5, the fifth of all pitches of the corpus that its pitch falls in. What is said is
/// in both kinds to the same extent, so nothing but the style in the units differs.
/// </summary>
public static class UnitKinds
{
    /// <summary>Units of the speech encoder; the pitch digit counts in multiples of it.</summary>
    public const int SemanticUnits = 4096;

    /// <summary>Values of the pitch digit.</summary>
    public const int PitchClasses = 6;

    private const int FramesPerUnit = 4;

    /// <summary>Makes a corpus folder with units of a kind, with links to everything else, unless it exists. Returns its path.</summary>
    /// <param name="data">corpus</param>
    /// <param name="output">folder in which the new one is made</param>
    /// <param name="kind">kind of units</param>
    /// <param name="limit">training utterances of the canonical voice, and as many others</param>
    /// <param name="log">progress</param>
    public static string Prepare(string data, string output, UnitKind kind, int limit, TextWriter log)
    {
        string folder = Path.Combine(output, kind == UnitKind.Semantic ? "semantic" : "with-pitch");
        if (SpeechUnitsTable.Exists(folder)) return folder;
        Directory.CreateDirectory(folder);
        foreach (string entry in Directory.EnumerateFileSystemEntries(Path.GetFullPath(data)))
        {
            string link = Path.Combine(folder, Path.GetFileName(entry));
            if (Path.GetFileName(entry) != "units" && !Path.Exists(link)) File.CreateSymbolicLink(link, entry);
        }

        using TinyCorpus corpus = TinyCorpus.Open(data);
        SpeechUnitsTable units = SpeechUnitsTable.Open(data);
        Utterance[] chosen =
        [
            .. corpus.Utterances.Where(u => u.Split == "validation" && u.Kind != "unseen" && units.Contains(u.Id)),
            .. corpus.Utterances.Where(u => u.Split == "train" && u.Kind == "canonical" && units.Contains(u.Id)).Take(limit),
            .. corpus.Utterances.Where(u => u.Split == "train" && u.Kind is "question" or "styled" && units.Contains(u.Id)).Take(limit),
        ];
        if (kind == UnitKind.Semantic)
        {
            SpeechUnitsTable.Save(folder, chosen.Select(u => new UnitsRecord(u.Id, units[u.Id])));
            return folder;
        }

        Stopwatch watch = Stopwatch.StartNew();
        float[][] pitches = new float[chosen.Length][];
        for (int i = 0; i < chosen.Length; i++)
        {
            pitches[i] = PitchPerUnit(new PitchTracker().Track(SpeechEncoderModel.Wave(corpus.Pcm(chosen[i]))).Frequency, units[chosen[i].Id].Length);
            if (i % 500 == 499) log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"pitch of {i + 1} of {chosen.Length} recordings, {watch.Elapsed.TotalSeconds:F0} s"));
        }
        float[] limits = Fifths(pitches.SelectMany(p => p));
        SpeechUnitsTable.Save(folder, chosen.Select((u, i) => new UnitsRecord(u.Id, WithPitch(units[u.Id], pitches[i], limits))));
        return folder;
    }

    /// <summary>Median pitch of each unit's four frames in Hz, 0 where most of them have none.</summary>
    public static float[] PitchPerUnit(ReadOnlySpan<float> frames, int units)
    {
        float[] pitches = new float[units], four = new float[FramesPerUnit];
        for (int i = 0; i < units; i++)
        {
            for (int k = 0; k < FramesPerUnit; k++) four[k] = (i * FramesPerUnit) + k < frames.Length ? frames[(i * FramesPerUnit) + k] : 0;
            Array.Sort(four);
            pitches[i] = four[1]; // the lower of the middle two: voiced if three of four are
        }
        return pitches;
    }

    /// <summary>The four limits between the fifths of all pitches above 0.</summary>
    public static float[] Fifths(IEnumerable<float> pitches)
    {
        float[] sorted = [.. pitches.Where(pitch => pitch > 0).Order()];
        return sorted.Length == 0 ? [0, 0, 0, 0] : [.. Enumerable.Range(1, 4).Select(i => sorted[i * sorted.Length / 5])];
    }

    /// <summary>Units with the pitch digit.</summary>
    public static int[] WithPitch(int[] units, float[] pitches, float[] limits) =>
        [.. units.Select((unit, i) => unit + (SemanticUnits * (pitches[i] <= 0 ? 0 : 1 + limits.Count(limit => pitches[i] >= limit))))];
}

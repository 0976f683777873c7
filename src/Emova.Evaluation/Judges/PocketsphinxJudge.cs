using System.Buffers.Binary;
using System.Globalization;

namespace Emova.Evaluation.Judges;

/// <summary>
/// An independent listener: the recognizer pocketsphinx with its US English sound model, told beforehand which sentences
/// the domain is made of (a bigram model) or which phrases it has to choose from (a closed set).
/// </summary>
public sealed class PocketsphinxJudge : IDisposable
{
    /// <summary>Debian packages this needs.</summary>
    public const string Packages = "pocketsphinx and pocketsphinx-en-us";

    private const string ModelFolder = "/usr/share/pocketsphinx/model/en-us";
    private const string Program = "pocketsphinx_batch";
    private const int SampleRate = 16000;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    private readonly string _folder = Directory.CreateTempSubdirectory("emova-judge-").FullName;
    private readonly string[] _languageArguments;
    private readonly int _processes;

    private PocketsphinxJudge(IEnumerable<string> words, Func<string, string[]> writeLanguage, int processes)
    {
        if (WhyMissing() is { } reason) throw new EmovaException(reason);
        _processes = processes;
        using (StreamWriter dictionary = File.CreateText(Path.Combine(_folder, "words.dict")))
            MissingWords = OpenDictionary().WriteSubset(words, dictionary);
        _languageArguments = writeLanguage(_folder);
    }

    /// <summary>Words of the domain without a pronunciation: the judge cannot hear them, so each occurrence counts as an error.</summary>
    public IReadOnlyList<string> MissingWords { get; }

    /// <summary>Null when the judge can run, otherwise one line that names the missing package.</summary>
    public static string? WhyMissing()
    {
        if (ExternalProgram.Find(Program) is null) return $"{Program}: not found; install the Debian packages {Packages}";
        return File.Exists(Path.Combine(ModelFolder, "cmudict-en-us.dict")) ? null : $"{ModelFolder}: not found; install the Debian package pocketsphinx-en-us";
    }

    /// <summary>The recognizer's own pronouncing dictionary.</summary>
    public static PronouncingDictionary OpenDictionary() => PronouncingDictionary.Open(Path.Combine(ModelFolder, "cmudict-en-us.dict"));

    /// <summary>A judge that knows which words follow which in the given sentences.</summary>
    public static PocketsphinxJudge ForSentences(IEnumerable<string> sentences, int processes = 2)
    {
        var bigrams = new BigramModel(sentences);
        return new PocketsphinxJudge(bigrams.Words, folder =>
        {
            string path = Path.Combine(folder, "domain.arpa");
            using (StreamWriter writer = File.CreateText(path)) bigrams.WriteArpa(writer);
            return ["-lm", path];
        }, processes);
    }

    /// <summary>A judge that must choose one of the given phrases.</summary>
    public static PocketsphinxJudge ForClosedSet(IReadOnlyList<string> phrases, int processes = 2)
    {
        string[] words = [.. phrases.SelectMany(BigramModel.SplitWords).Distinct().Order(StringComparer.Ordinal)];
        return new PocketsphinxJudge(words, folder =>
        {
            string path = Path.Combine(folder, "phrases.gram");
            File.WriteAllText(path, $"#JSGF V1.0;\ngrammar phrases;\npublic <phrase> = {string.Join(" | ", phrases)};\n");
            return ["-jsgf", path];
        }, processes);
    }

    /// <summary>Transcribes mono 16 kHz recordings, in order; an empty string where nothing was recognized.</summary>
    public async Task<string[]> TranscribeAsync(IReadOnlyList<float[]> recordings, CancellationToken cancellation = default)
    {
        var transcripts = new string[recordings.Count];
        Array.Fill(transcripts, "");
        if (recordings.Count == 0) return transcripts;
        string folder = Directory.CreateDirectory(Path.Combine(_folder, Guid.NewGuid().ToString("n"))).FullName;
        for (int i = 0; i < recordings.Count; i++)
            WriteRaw(Path.Combine(folder, Name(i) + ".raw"), recordings[i]);

        int processes = Math.Min(_processes, recordings.Count);
        await Task.WhenAll(Enumerable.Range(0, processes).Select(p => RunOneAsync(p, processes))).ConfigureAwait(false);
        Directory.Delete(folder, recursive: true);
        return transcripts;

        async Task RunOneAsync(int process, int step)
        {
            string control = Path.Combine(folder, $"{process}.ctl"), hypotheses = Path.Combine(folder, $"{process}.hyp");
            await File.WriteAllLinesAsync(control, Enumerable.Range(0, recordings.Count).Where(i => i % step == process).Select(Name), cancellation).ConfigureAwait(false);
            await ExternalProgram.RunAsync(ExternalProgram.Find(Program)!,
                [
                    "-hmm", Path.Combine(ModelFolder, "en-us"), "-dict", Path.Combine(_folder, "words.dict"), .. _languageArguments,
                    "-adcin", "yes", "-adchdr", "0", "-cepdir", folder, "-cepext", ".raw", "-ctl", control, "-hyp", hypotheses,
                ], Limit, cancellation).ConfigureAwait(false);
            foreach (string line in await File.ReadAllLinesAsync(hypotheses, cancellation).ConfigureAwait(false))
                if (ParseHypothesis(line) is { } found) transcripts[found.Index] = found.Text;
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A line is "words of the transcript (name score)"; variants of a pronunciation are marked "word(2)".</summary>
    internal static (int Index, string Text)? ParseHypothesis(string line)
    {
        int open = line.LastIndexOf('(');
        if (open < 0) return null;
        string name = line[(open + 1)..].Split(' ')[0];
        if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int index)) return null;
        IEnumerable<string> words = line[..open].Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(word => word.IndexOf('(', StringComparison.Ordinal) is > 0 and int variant ? word[..variant] : word);
        return (index, string.Join(' ', words));
    }

    private static string Name(int index) => index.ToString("000000", CultureInfo.InvariantCulture);

    /// <summary>16-bit samples with 0.2 s of silence on both sides, which the recognizer's speech detector needs.</summary>
    private static void WriteRaw(string path, float[] samples)
    {
        const int silence = SampleRate / 5;
        var bytes = new byte[(samples.Length + 2 * silence) * 2];
        for (int i = 0; i < samples.Length; i++)
            BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan((silence + i) * 2), (short)Math.Clamp(MathF.Round(samples[i] * 32767), short.MinValue, short.MaxValue));
        File.WriteAllBytes(path, bytes);
    }
}

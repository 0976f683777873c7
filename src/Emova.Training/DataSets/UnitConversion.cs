using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Training.Data;

namespace Emova.Training.DataSets;

/// <summary>
/// Turns the recordings of a corpus into speech units with the encoder of a model folder. Shards are written whole and in order, so a
/// conversion that was stopped goes on with the first one missing and gives the same files.
/// </summary>
public sealed class UnitConversion
{
    /// <summary>Recordings per shard: about twenty minutes of work, that is what an interruption costs at most.</summary>
    public const int DefaultPerShard = 500;

    private const int LongestMargin = 10000;

    private readonly SpeechTokenizer _speech;
    private readonly string _encoder;
    private readonly int? _margin; // silence that the model keeps around speech when it listens

    /// <param name="model">model folder with a speech encoder, or EMOVA's speech tokenizer repository</param>
    /// <exception cref="EmovaException">The folder has no speech encoder.</exception>
    public UnitConversion(string model)
    {
        using ModelFolder folder = ModelFolder.Open(model);
        _margin = folder.Config.Has("speech_margin_ms") ? folder.Config.WholeNumber("speech_margin_ms", 0, LongestMargin) : null;
        _speech = SpeechTokenizer.Load(folder);
        if (_speech.Encoder is null)
        {
            throw new EmovaException($"{model}: this model has no speech encoder");
        }

        // Units of another encoder are another language; what it says about a fixed noise is its fingerprint.
        Random random = new(1);
        float[] noise = [.. Enumerable.Range(0, SpeechTokenizer.InputSampleRate).Select(_ => random.NextSingle() - 0.5f)];
        _encoder = Checksum(string.Join(' ', _speech.Encode(new AudioClip(noise, SpeechTokenizer.InputSampleRate))));
    }

    /// <summary>Threads that decode and encode.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Recordings per shard.</summary>
    public int PerShard { get; init; } = DefaultPerShard;

    /// <summary>Longest recording that is used.</summary>
    public TimeSpan Longest { get; init; } = SpeechRecording.DefaultLongest;

    /// <summary>How far the conversion is: recordings done and in all, seconds of sound encoded in this run, and how long that took.</summary>
    public Action<int, int, double, TimeSpan>? Progress { get; init; }

    /// <summary>Converts what is not converted yet.</summary>
    /// <returns>true when the whole corpus is converted, false when it was stopped</returns>
    /// <exception cref="EmovaException">The corpus cannot be read, or the folder holds the units of another one.</exception>
    public bool Run(string corpus, string format, string folder, CancellationToken cancellation = default)
    {
        DefectList lists = new();
        List<SpeechRecording> recordings = [.. SpeechCorpus.Recordings(corpus, format, lists).Select(r => format == DataSetFormat.Parquet ? r with { Bytes = null } : r)];
        UnitShards.Info info = new(Path.GetFullPath(corpus), format, _encoder, recordings.Count, Checksum(string.Join('\n', recordings.Select(r => r.Id))), PerShard, false);
        Directory.CreateDirectory(folder);
        if (UnitShards.ReadInfo(folder) is { } before)
        {
            if (before with { Complete = false, Source = info.Source } != info)
            {
                throw new EmovaException($"{folder}: holds units of another corpus, encoder or shard size; choose another folder or delete it");
            }

            if (before.Complete)
            {
                return true;
            }
        }

        UnitShards.WriteInfo(folder, info);
        int shards = (recordings.Count + PerShard - 1) / PerShard, next = 0;
        while (next < shards && File.Exists(UnitShards.PathOf(folder, next)))
        {
            next++;
        }

        double seconds = 0;
        Stopwatch watch = Stopwatch.StartNew();
        IEnumerable<SpeechRecording> source = format == DataSetFormat.Parquet ? SpeechCorpus.Recordings(corpus, format, new DefectList()) : recordings;
        int done = next * PerShard, started = done;
        foreach (SpeechRecording[] part in source.Skip(done).Chunk(PerShard))
        {
            DefectList defects = new();
            UnitRecording?[] units = new UnitRecording?[part.Length];
            try
            {
                Parallel.For(0, part.Length, new ParallelOptions { MaxDegreeOfParallelism = Threads, CancellationToken = cancellation }, i =>
                {
                    units[i] = Encode(part[i], defects);
                    int count = Interlocked.Increment(ref done);
                    lock (defects)
                    {
                        seconds += units[i]?.Seconds ?? 0;
                        Progress?.Invoke(count, recordings.Count, seconds, watch.Elapsed);
                    }
                });
            }
            catch (OperationCanceledException)
            {
                return false;
            }
            catch (AggregateException e) when (e.InnerExceptions.OfType<EmovaException>().FirstOrDefault() is { } first)
            {
                throw new EmovaException(first.Message, e);
            }

            // In the order of the corpus, whatever the order in which threads came across them.
            Dictionary<string, int> places = part.Select((r, i) => (r.Id, i)).ToDictionary(p => p.Id, p => p.i);
            CorpusJson.WriteLines(UnitShards.DefectsOf(folder, next), defects.Listed.OrderBy(d => places[d.Item]));
            CorpusJson.WriteLines(UnitShards.PathOf(folder, next++), units.OfType<UnitRecording>());
        }

        CorpusJson.WriteLines(
            Path.Combine(folder, UnitShards.DefectsFile),
            lists.Listed.Concat(Enumerable.Range(0, shards).SelectMany(shard => CorpusJson.ReadLines<Defect>(UnitShards.DefectsOf(folder, shard)))));
        UnitShards.WriteInfo(folder, info with { Complete = true });
        return true;
    }

    private UnitRecording? Encode(SpeechRecording recording, DefectList defects)
    {
        try
        {
            AudioClip whole = recording.Load(Longest), clip = _margin is { } margin ? SilenceTrimmer.Trim(whole, margin) : whole;
            return new UnitRecording(
                recording.Id, recording.Text, _speech.Encode(clip), Math.Round(clip.Duration.TotalSeconds, 3), recording.Language, recording.Speaker, recording.Gender, recording.Emotion);
        }
        catch (DefectException e)
        {
            defects.Add(recording.Id, e);
        }
        catch (EmovaException e) when (e is not MissingLibraryException)
        {
            defects.Add(DefectKind.BrokenAudio, recording.Id, e.Message);
        }

        return null;
    }

    private static string Checksum(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];
}

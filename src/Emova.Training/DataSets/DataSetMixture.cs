using System.Globalization;
using System.Text;
using Emova.Training.Distributed;
using Emova.Training.Infrastructure;
using Emova.Training.Stages.Language;

namespace Emova.Training.DataSets;

/// <summary>
/// Data sets as a source of batches. Opening reads every record once: broken ones are listed and left out, lengths and modalities noted, and
/// a part kept for measuring. What turns out to be broken only when it is decoded is listed then and another example takes its place.
/// </summary>
public sealed class DataSetMixture : IDisposable
{
    /// <summary>Examples tried in place of a broken one before a batch goes without it.</summary>
    private const int Substitutes = 8;

    /// <summary>Examples that are looked at for measuring: their pictures are decoded at the start.</summary>
    private const int MostMeasured = 500;

    private const byte PictureFlag = 1, SpeechFlag = 2;

    private readonly List<IExampleSource> _sources = [];
    private readonly List<(int Source, long Key)> _training = [];
    private readonly List<(int Source, long Key)> _validation = [];
    private readonly ExampleEncoder _encoder;
    private readonly LoadingSettings _loading;
    private readonly GroupedSampler _sampler;
    private readonly int _seed;

    /// <param name="dataSets">the data sets</param>
    /// <param name="loading">how they become batches</param>
    /// <param name="encoder">tokenizes examples</param>
    /// <param name="folder">run folder: units and copies are kept below it, broken items listed in it</param>
    /// <param name="tokensPerBatch">size of batches where they are made by tokens</param>
    /// <param name="together">batches per update</param>
    /// <param name="seed">seed of the run</param>
    /// <param name="output">progress</param>
    /// <exception cref="EmovaException">A data set is missing or of no known format, or nothing of it can be used.</exception>
    public DataSetMixture(
        IReadOnlyList<DataSetSettings> dataSets, LoadingSettings loading, ExampleEncoder encoder, string folder, int tokensPerBatch, int together, int seed, TextWriter output)
    {
        (_encoder, _loading, _seed) = (encoder, loading, seed);
        loading.Check();
        List<int> lengths = [];
        List<byte> modalities = [];
        List<double> weights = [];
        foreach ((int index, DataSetSettings settings) in dataSets.Index())
        {
            if (!(settings.Weight is > 0 and <= 100))
            {
                throw new EmovaException(FormattableString.Invariant($"datasets: {settings.Path}: weight {settings.Weight}: expected more than 0, at most 100"));
            }

            int before = lengths.Count, kept = _validation.Count;
            DefectList defects = new();
            _sources.Add(Open(settings, Path.Combine(folder, "data", index.ToString(CultureInfo.InvariantCulture)), output));
            Dictionary<string, int> ids = new(StringComparer.Ordinal);
            foreach ((long key, DataSetExample example) in _sources[^1].Scan(defects))
            {
                Add(index, key, example, settings.Weight, ids, defects);
            }

            Merge(defects, settings.Path);
            output.WriteLine(
                $"{settings.Path}: {lengths.Count - before} examples to learn from, {_validation.Count - kept} to measure with{(defects.Counts.Count == 0 ? "" : $"; left out or odd: {defects.Summary()}")}");
        }

        Directory.CreateDirectory(folder);
        DefectsPath = Path.Combine(folder, "defects.jsonl");
        Defects.Save(DefectsPath);
        _sampler = new GroupedSampler(lengths, modalities, weights, seed)
        {
            Tokens = tokensPerBatch, BatchSize = loading.BatchSize, Together = together, Group = loading.Group, Packing = loading.Packing,
        };

        void Add(int source, long key, DataSetExample example, double weight, Dictionary<string, int> ids, DefectList defects)
        {
            int length;
            try
            {
                length = encoder.EstimateLength(example);
            }
            catch (DefectException e)
            {
                defects.Add(example.Id, e);
                return;
            }

            // Public data sets number pictures, not conversations: only what also says the same is left out.
            int content = string.GetHashCode(string.Concat(example.Messages.Select(m => m.Text)));
            if (!ids.TryAdd(example.Id, content))
            {
                bool same = ids[example.Id] == content;
                if (same || !example.Messages[0].Text!.StartsWith(Emova.Text.SpeechPrompts.Speak, StringComparison.Ordinal))
                {
                    defects.Add(DefectKind.DuplicateId, example.Id, same ? "the same conversation again" : "another conversation has this id; both are used", used: !same);
                }

                if (same)
                {
                    return;
                }
            }

            if (IsValidation(example.Id, loading.Validation))
            {
                _validation.Add((source, key));
                return;
            }

            _training.Add((source, key));
            lengths.Add(Math.Min(length, loading.MaxLength));
            modalities.Add((byte)((example.Picture is null ? 0 : PictureFlag) | (example.Messages.Any(m => m.Text!.Contains("<|speech_", StringComparison.Ordinal)) ? SpeechFlag : 0)));
            weights.Add(weight);
        }
    }

    /// <summary>Everything found broken so far.</summary>
    public DefectList Defects { get; } = new();

    /// <summary>Where broken items are listed.</summary>
    public string DefectsPath { get; }

    /// <summary>Examples to learn from.</summary>
    public int Count => _training.Count;

    /// <summary>Which examples batch <paramref name="number"/> has. One thread at a time.</summary>
    public int[] Plan(long number) => _sampler.Batch(number);

    /// <summary>Reads, decodes and tokenizes the examples of a batch. Safe for several threads.</summary>
    /// <exception cref="EmovaException">So much is broken that nothing is left.</exception>
    public LanguageBatch Make(long number, int[] plan)
    {
        List<TrainingSample> samples = [];
        foreach (int item in plan)
        {
            // A substitute follows from the step alone, so a resumed run takes the same one.
            Random random = new(TrainingLoop.StepSeed(_seed + item, number));
            int chosen = item;
            for (int attempt = 0; attempt <= Substitutes; attempt++, chosen = plan.Length > 1 && attempt < Substitutes / 2 ? plan[random.Next(plan.Length)] : random.Next(_training.Count))
            {
                if (Encode(_training[chosen]) is { } sample)
                {
                    samples.Add(sample);
                    break;
                }
            }
        }

        if (samples.Count == 0)
        {
            throw new EmovaException($"batch {number}: none of its examples can be used, nor what was taken instead; see {DefectsPath}");
        }

        return _loading.Packing ? LanguageBatch.Pack(samples, _loading.MaxLength) : LanguageBatch.Create(samples);
    }

    /// <summary>Random draws of examples kept for measuring, by task; empty where none were kept.</summary>
    public Dictionary<LanguageTask, Func<Random, TrainingSample>> ValidationPools()
    {
        Dictionary<LanguageTask, List<(int, long)>> byTask = [];
        int stride = Math.Max(1, _validation.Count / MostMeasured);
        foreach ((int Source, long Key) place in _validation.Where((_, i) => i % stride == 0))
        {
            if (Encode(place) is { } sample)
            {
                if (!byTask.TryGetValue(sample.Task, out List<(int, long)>? list))
                {
                    byTask[sample.Task] = list = [];
                }

                list.Add(place);
            }
        }

        return byTask.ToDictionary(p => p.Key, p => (Func<Random, TrainingSample>)(random => Encode(p.Value[random.Next(p.Value.Count)])!));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IExampleSource source in _sources)
        {
            source.Dispose();
        }

        if (ProcessGroup.World.IsFirst)
        {
            Defects.Save(DefectsPath);
        }
    }

    /// <summary>Whether an example is kept for measuring: by its id, so that every form of it is, in every run.</summary>
    internal static bool IsValidation(string id, double part)
    {
        uint hash = 2166136261;
        foreach (byte value in Encoding.UTF8.GetBytes(id))
        {
            hash = unchecked((hash ^ value) * 16777619);
        }

        return (hash ^ (hash >> 15)) % 10000 < part * 10000;
    }

    private TrainingSample? Encode((int Source, long Key) place)
    {
        try
        {
            return _encoder.Encode(_sources[place.Source].Read(place.Key));
        }
        catch (DefectException e)
        {
            Defects.Add(e.Kind, $"{_sources[place.Source].Path}: record {place.Key}", e.Message);
            return null;
        }
    }

    private void Merge(DefectList found, string path)
    {
        foreach (Defect defect in found.Listed)
        {
            Defects.Add(Enum.Parse<DefectKind>(defect.Kind), $"{path}: {defect.Item}", defect.Reason, defect.Used);
        }
    }

    private IExampleSource Open(DataSetSettings settings, string cache, TextWriter output)
    {
        string format = DataSetFormat.Resolve(settings.Path, settings.Format);
        if (!DataSetFormat.HoldsRecordings(settings.Path, format))
        {
            return DataSetFormat.Open(settings.Path, format, settings.Images, cache, settings.Tasks);
        }

        string units = settings.Units ?? cache;
        if (UnitShards.ReadInfo(units) is not { Complete: true })
        {
            int reported = -1;
            new UnitConversion(_loading.SpeechModel)
            {
                Threads = _loading.Threads,
                Progress = (done, all, seconds, _) =>
                {
                    if (done * 10L / all != reported)
                    {
                        reported = (int)(done * 10L / all);
                        output.WriteLine(FormattableString.Invariant($"{settings.Path}: {done} of {all} recordings are units, {seconds / 3600:F2} h"));
                    }
                },
            }.Run(settings.Path, format, units);
        }

        return new UnitsDataSet(units, settings.Tasks);
    }
}

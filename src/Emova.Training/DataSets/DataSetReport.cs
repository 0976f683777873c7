using System.Globalization;
using System.Text;
using System.Text.Json;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Text;

namespace Emova.Training.DataSets;

/// <summary>What a data set holds: lengths, languages, styles, tokens, and everything in it that is broken.</summary>
/// <param name="Path">where it is</param>
/// <param name="Format">its format</param>
/// <param name="Usable">examples or recordings that can be used</param>
/// <param name="Dropped">those that cannot</param>
/// <param name="Kinds">how many of each kind of example (conversation, picture, transcribe, …) or recording</param>
/// <param name="Languages">how many of each language: as the data set says, else by the script</param>
/// <param name="Styles">how many of each gender, emotion and pitch that is named</param>
/// <param name="Lengths">spread of the measures: tokens, text tokens, unit tokens, picture tokens, turns, seconds</param>
/// <param name="Totals">sums of the same</param>
/// <param name="Defects">how many of each kind of defect</param>
/// <param name="Listed">the broken items</param>
public sealed record DataSetReport(
    string Path, string Format, int Usable, int Dropped, IReadOnlyDictionary<string, int> Kinds, IReadOnlyDictionary<string, int> Languages,
    IReadOnlyDictionary<string, int> Styles, IReadOnlyDictionary<string, DataSetReport.Spread> Lengths, IReadOnlyDictionary<string, double> Totals,
    IReadOnlyDictionary<string, int> Defects, IReadOnlyList<Defect> Listed)
{
    private const int ShownDefects = 20;

    /// <summary>Smallest, median, 95 % and largest value.</summary>
    public sealed record Spread(double Least, double Median, double Percent95, double Most);

    /// <summary>Reads a data set completely: every picture and recording is decoded.</summary>
    /// <param name="path">file or folder</param>
    /// <param name="format">a format or auto</param>
    /// <param name="images">folder of the pictures, or null</param>
    /// <param name="encoder">counts tokens</param>
    /// <param name="progress">called with the number of items read</param>
    /// <param name="cancellation">stops the reading; the report is of what was read so far</param>
    /// <exception cref="EmovaException">The data set is missing or not of its format.</exception>
    public static DataSetReport Create(
        string path, string format, string? images, ExampleEncoder encoder, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        string resolved = DataSetFormat.Resolve(path, format);
        Collector collector = new();
        if (DataSetFormat.HoldsRecordings(path, resolved))
        {
            foreach (SpeechRecording recording in SpeechCorpus.Recordings(path, resolved, collector.Defects).TakeWhile(_ => !cancellation.IsCancellationRequested))
            {
                collector.Add(recording);
                progress?.Invoke(collector.Read);
            }
        }
        else
        {
            foreach (DataSetExample example in Examples(path, resolved, images, collector).TakeWhile(_ => !cancellation.IsCancellationRequested))
            {
                collector.Add(example, encoder);
                progress?.Invoke(collector.Read);
            }
        }

        return collector.Report(path, resolved);
    }

    /// <summary>A table for a person.</summary>
    public string ToTable()
    {
        StringBuilder text = new();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Path} ({Format}): {Usable} usable, {Dropped} left out");
        Line("kinds", Kinds);
        Line("languages", Languages);
        Line("styles", Styles);
        text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"{"",-16}{"least",10}{"median",10}{"95 %",10}{"most",10}{"sum",14}");
        foreach ((string name, Spread spread) in Lengths)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"{name,-16}{spread.Least,10:0.##}{spread.Median,10:0.##}{spread.Percent95,10:0.##}{spread.Most,10:0.##}{Totals[name],14:0.#}");
        }

        if (Defects.Count > 0)
        {
            text.AppendLine();
            Line("defects", Defects);
            foreach (Defect defect in Listed.Take(ShownDefects))
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"  {defect.Kind}{(defect.Used ? " (used)" : "")}: {defect.Item}: {defect.Reason}");
            }

            if (Listed.Count > ShownDefects)
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"  … and {Listed.Count - ShownDefects} more (--json lists them)");
            }
        }

        return text.ToString();

        void Line(string name, IReadOnlyDictionary<string, int> counts)
        {
            if (counts.Count > 0)
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"{name,-16}{string.Join(", ", counts.OrderByDescending(c => c.Value).Select(c => $"{c.Key} {c.Value}"))}");
            }
        }
    }

    private static IEnumerable<DataSetExample> Examples(string path, string format, string? images, Collector collector)
    {
        if (format == DataSetFormat.Parquet)
        {
            return ParquetRecords.Conversations(path, collector.Defects);
        }

        if (format == DataSetFormat.Units)
        {
            return Units(path, collector);
        }

        return Scanned(DataSetFormat.Open(path, format, images, ""), collector);
    }

    private static IEnumerable<DataSetExample> Scanned(IExampleSource source, Collector collector)
    {
        using (source)
        {
            foreach ((_, DataSetExample example) in source.Scan(collector.Defects))
            {
                yield return example;
            }
        }
    }

    /// <summary>What the recordings were, too.</summary>
    private static IEnumerable<DataSetExample> Units(string path, Collector collector)
    {
        using (UnitsDataSet labels = new(path, SpeechTasks.Both))
        {
            foreach (UnitRecording recording in labels.Recordings(new DefectList()))
            {
                collector.Label(recording.Gender, recording.Emotion, null);
                collector.Measure("seconds", recording.Seconds);
            }
        }

        foreach (DataSetExample example in Scanned(new UnitsDataSet(path, SpeechTasks.Both), collector))
        {
            yield return example;
        }
    }

    private sealed class Collector
    {
        private readonly SortedDictionary<string, int> _kinds = new(StringComparer.Ordinal);
        private readonly SortedDictionary<string, int> _languages = new(StringComparer.Ordinal);
        private readonly SortedDictionary<string, int> _styles = new(StringComparer.Ordinal);
        private readonly Dictionary<string, List<float>> _measures = [];
        private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
        private int _usable;

        public DefectList Defects { get; } = new();

        public int Read { get; private set; }

        public void Add(DataSetExample example, ExampleEncoder encoder)
        {
            Read++;
            Stages.Language.TrainingSample sample;
            try
            {
                sample = encoder.Encode(example);
            }
            catch (DefectException e)
            {
                Defects.Add(example.Id, e);
                return;
            }

            int content = string.GetHashCode(string.Concat(example.Messages.Select(m => m.Text)));
            if (!_ids.TryAdd(example.Id, content) && sample.Task is not Stages.Language.LanguageTask.Speak)
            {
                bool same = _ids[example.Id] == content;
                Defects.Add(DefectKind.DuplicateId, example.Id, same ? "the same conversation again" : "another conversation has this id", used: !same);
            }

            _usable++;
            Count(_kinds, JsonNamingPolicy.KebabCaseLower.ConvertName(sample.Task.ToString()));
            Count(_languages, example.Language ?? ScriptOf(string.Concat(example.Messages.Select(m => m.Text))));
            int units = example.Messages.Sum(m => m.Text!.Split("<|speech_").Length - 1);
            Measure("tokens", sample.Length);
            Measure("text tokens", sample.Ids.Length - units - (sample.Picture is null ? 0 : 1));
            Measure("turns", example.Messages.Count);
            if (units > 0)
            {
                Measure("unit tokens", units);
            }

            if (sample.Picture is not null)
            {
                Measure("picture tokens", sample.PictureTokens);
            }

            foreach (ConversationMessage message in example.Messages.Where(m => m.Role == ConversationRole.Assistant && ReplyFormat.IsComplete(m.Text!)))
            {
                ParsedReply reply = ReplyFormat.Parse(message.Text!);
                Label(null, reply.Emotion, reply.Pitch);
            }
        }

        public void Add(SpeechRecording recording)
        {
            Read++;
            AudioClip clip;
            try
            {
                clip = recording.Load();
            }
            catch (DefectException e)
            {
                Defects.Add(recording.Id, e);
                return;
            }

            _usable++;
            Count(_kinds, "recording");
            Count(_languages, recording.Language ?? ScriptOf(recording.Text));
            Label(recording.Gender, recording.Emotion, null);
            Measure("seconds", clip.Duration.TotalSeconds);
            Measure("characters", recording.Text.Length);
            Measure("sample rate", clip.SampleRate);
        }

        public void Label(string? gender, string? emotion, string? pitch)
        {
            foreach (string? label in (string?[])[gender, emotion, pitch is null ? null : $"{pitch} pitch"])
            {
                if (!string.IsNullOrEmpty(label))
                {
                    Count(_styles, label);
                }
            }
        }

        public void Measure(string name, double value)
        {
            if (!_measures.TryGetValue(name, out List<float>? values))
            {
                _measures[name] = values = [];
            }

            values.Add((float)value);
        }

        public DataSetReport Report(string path, string format)
        {
            Dictionary<string, Spread> spreads = [];
            Dictionary<string, double> totals = [];
            foreach ((string name, List<float> values) in _measures)
            {
                float[] sorted = [.. values.Order()];
                spreads[name] = new Spread(sorted[0], sorted[(sorted.Length - 1) / 2], sorted[(int)Math.Ceiling(0.95 * (sorted.Length - 1))], sorted[^1]);
                totals[name] = values.Sum(v => (double)v);
            }

            return new DataSetReport(
                path, format, _usable, Defects.Dropped, _kinds, _languages, _styles, spreads, totals,
                Defects.Counts.ToDictionary(c => JsonNamingPolicy.KebabCaseLower.ConvertName(c.Key.ToString()), c => c.Value), Defects.Listed);
        }

        private static void Count(IDictionary<string, int> counts, string key) => counts[key] = (counts.TryGetValue(key, out int count) ? count : 0) + 1;

        /// <summary>Where no language is named, the script tells Chinese from the languages written in Latin letters, and no more.</summary>
        private static string ScriptOf(string text)
        {
            int han = text.Count(c => c is >= '\u4E00' and <= '\u9FFF'), latin = text.Count(char.IsAsciiLetter), other = text.Count(c => c > '\u02FF' && char.IsLetter(c)) - han;
            return han > latin / 4 && han >= other ? "Chinese script" : other > latin ? "other script" : latin > 0 ? "Latin script" : "no letters";
        }
    }
}

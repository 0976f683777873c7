using System.Diagnostics;
using System.Globalization;
using Emova.Models.Speech;
using Emova.Training.Data;
using Emova.Training.Modules.Speech;

namespace Emova.Training.Stages;

/// <summary>Turns every utterance of a corpus into speech units with the trained encoder: <c>units/index.jsonl</c>.</summary>
public static class SpeechEncoding
{
    private const double SecondsPerBatch = 60;

    /// <summary>Encodes the corpus in <paramref name="data"/> with the newest encoder checkpoint in <paramref name="runs"/>.</summary>
    public static void Run(string modelConfig, string data, string runs)
    {
        using TinyCorpus corpus = TinyCorpus.Open(data);
        SpeechEncoderModel model = SpeechEncoderModel.Load(modelConfig, runs, SpeechEncoderStage.Name);
        // The model folder stores bfloat16; the language model must learn the units that folder will give.
        model.Store.RoundToBrainFloat();
        Utterance[] order = [.. corpus.Utterances.OrderBy(u => u.Samples)];
        double seconds = order.Sum(u => (double)u.Samples) / TinyCorpus.SampleRate, done = 0;
        Dictionary<string, int[]> units = [];
        Stopwatch watch = Stopwatch.StartNew();
        double reported = 0;
        for (int next = 0; next < order.Length;)
        {
            int first = next;
            while (next < order.Length && (next == first || (next - first + 1.0) * order[next].Samples <= SecondsPerBatch * TinyCorpus.SampleRate)) next++;
            Utterance[] batch = order[first..next];
            int[][] rows = model.Units([.. batch.Select(u => SpeechEncoderModel.Wave(corpus.Pcm(u)))]);
            for (int i = 0; i < batch.Length; i++) units[batch[i].Id] = rows[i];
            done += batch.Sum(u => (double)u.Samples) / TinyCorpus.SampleRate;
            if (watch.Elapsed.TotalSeconds - reported > 10)
            {
                reported = watch.Elapsed.TotalSeconds;
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"encoded {done / 3600:F2} of {seconds / 3600:F2} h, {done / reported:F0} s/s, {(seconds - done) * reported / done:F0} s left"));
            }
        }
        SpeechUnitsTable.Save(data, corpus.Utterances.Select(u => new UnitsRecord(u.Id, units[u.Id])));
        Console.WriteLine(Summary(corpus, units));
    }

    private static string Summary(TinyCorpus corpus, Dictionary<string, int[]> units)
    {
        Utterance[] training = [.. corpus.Utterances.Where(u => u.Split == "train" && u.Kind != "unseen")];
        int[] used = [.. training.SelectMany(u => units[u.Id]).Distinct()];
        HashSet<int> known = [.. used];
        long total = training.Sum(u => (long)units[u.Id].Length), kept = training.Sum(u => (long)SpeechUnits.Collapse(units[u.Id]).Units.Length);
        int[] held = [.. corpus.Utterances.Where(u => u.Split != "train").SelectMany(u => units[u.Id])];
        double foreign = held.Length == 0 ? 0 : held.Count(unit => !known.Contains(unit)) / (double)held.Length;
        return string.Create(CultureInfo.InvariantCulture,
            $"{corpus.Utterances.Count} utterances; {used.Length} units used in training, {(double)kept / Math.Max(1, total):F3} of them left after collapsing runs; {foreign:P2} of held-out units never occur in training");
    }
}

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

    /// <summary>Disguised forms of each training recording that is listened to: some as far off as the encoder's training goes, some farther.</summary>
    private static readonly double[] Disguises = [1, 1, 1.4, 1.4];

    /// <summary>
    /// Encodes the corpus in <paramref name="data"/> with the newest encoder checkpoint in <paramref name="runs"/>. Training recordings
    /// that the language model will listen to are encoded again in disguise, so that it meets the mistakes that strangers' voices cause.
    /// An encoder that learned from a teacher leaves the teacher's units of what is spoken, which voice and language model already know, and
    /// adds to what is heard.
    /// </summary>
    public static void Run(SpeechEncoderSettings settings, string data, string runs)
    {
        using TinyCorpus corpus = TinyCorpus.Open(data);
        SpeechUnitsTable? taught = settings.TeacherFrom is null ? null : SpeechUnitsTable.Open(data);
        SpeechEncoderModel model = SpeechEncoderModel.Load(settings.Model, runs, settings.Run ?? SpeechEncoderStage.Name);
        double[] disguises = taught is null ? Disguises : Disguises[^1..];
        SpeechAugmentation[] augmentations = [.. disguises.Select(strength => new SpeechAugmentation(
            settings.Augmentation with
            {
                TimeMask = 0, BandMask = 0, Rate = settings.Augmentation.Rate * strength,
                VocalTract = settings.Augmentation.VocalTract * strength, Formants = settings.Augmentation.Formants * strength,
            },
            model.FrontEnd, model.Dimensions.Features))];
        // The model folder stores bfloat16; the language model must learn the units that folder will give.
        model.Store.RoundToBrainFloat();
        Dictionary<string, int[]> units = Encode(
            corpus, "recordings", corpus.Utterances.Where(u => taught is null || (u.Kind is not ("canonical" or "unseen") && u.Split == "train")), (waves, _) => model.Units(waves));
        Utterance[] heard = [.. corpus.Utterances.Where(u => u.Split == "train" && u.Kind is "question" or "styled")];
        Dictionary<string, int[]>[] disguised = [.. Enumerable.Range(1, disguises.Length).Select(form => Encode(
            corpus, $"disguise {form}", heard, (waves, batch) => model.Units(waves, augmentations[form - 1], new Random(BatchSeed(settings.Seed, form, batch)))))];
        if (taught is not null)
        {
            long frames = heard.Sum(u => (long)units[u.Id].Length), same = heard.Sum(u => units[u.Id].Zip(taught[u.Id]).Count(pair => pair.First == pair.Second));
            Console.WriteLine($"{(double)same / Math.Max(1, frames):P1} of the units of the own voices are the teacher's");
            foreach (Utterance utterance in corpus.Utterances.Where(u => !units.ContainsKey(u.Id))) units[utterance.Id] = taught[utterance.Id];
        }
        SpeechUnitsTable.Save(data, corpus.Utterances.Select(u => new UnitsRecord(
            u.Id, units[u.Id], disguised[0].ContainsKey(u.Id) ? [.. disguised.Select(form => form[u.Id]), .. taught?.Disguised(u.Id).Take(2) ?? []] : null)));
        Console.WriteLine(Summary(corpus, units));
    }

    private static int BatchSeed(int seed, int form, int batch) => Infrastructure.TrainingLoop.StepSeed((seed * 31) + form, batch);

    private static Dictionary<string, int[]> Encode(TinyCorpus corpus, string what, IEnumerable<Utterance> utterances, Func<float[][], int, int[][]> encode)
    {
        Utterance[] order = [.. utterances.OrderBy(u => u.Samples)];
        double seconds = order.Sum(u => (double)u.Samples) / TinyCorpus.SampleRate, done = 0;
        Dictionary<string, int[]> units = [];
        Stopwatch watch = Stopwatch.StartNew();
        double reported = 0;
        for (int next = 0, number = 0; next < order.Length; number++)
        {
            int first = next;
            while (next < order.Length && (next == first || (next - first + 1.0) * order[next].Samples <= SecondsPerBatch * TinyCorpus.SampleRate)) next++;
            Utterance[] batch = order[first..next];
            int[][] rows = encode([.. batch.Select(u => SpeechEncoderModel.Wave(corpus.Pcm(u)))], number);
            for (int i = 0; i < batch.Length; i++) units[batch[i].Id] = rows[i];
            done += batch.Sum(u => (double)u.Samples) / TinyCorpus.SampleRate;
            if (watch.Elapsed.TotalSeconds - reported > 10)
            {
                reported = watch.Elapsed.TotalSeconds;
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: encoded {done / 3600:F2} of {seconds / 3600:F2} h, {done / reported:F0} s/s, {(seconds - done) * reported / done:F0} s left"));
            }
        }
        return units;
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

using Emova.Evaluation.Data;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Reports;
using Emova.Evaluation.Speech;

namespace Emova.Evaluation.Tiny;

/// <summary>Do the units keep what is said, and drop how it is said?</summary>
internal static class SpeechEncoderPart
{
    private const int ProbeExamplesPerStyle = 30;

    public static Task RunAsync(TinyRun run)
    {
        AddPhoneErrors(run, "phone errors, training voices", run.Test("styled"), Target.Max(3));
        AddPhoneErrors(run, "phone errors, unseen voices", run.Test("unseen"), Target.Max(8));
        foreach (IGrouping<string, TestUtterance> voice in run.Test("unseen").GroupBy(u => u.Voice).OrderBy(g => g.Key, StringComparer.Ordinal))
            AddPhoneErrors(run, $"phone errors, unseen voice {voice.Key}", voice);
        if (run.Festival() is { } festival)
            AddPhoneErrors(run, $"phone errors, unseen voice {FestivalSpeaker.Voice}", festival, null);
        AddProbes(run);
        return Task.CompletedTask;
    }

    private static void AddPhoneErrors(TinyRun run, string name, IEnumerable<TestUtterance> utterances, Target? target = null) =>
        AddPhoneErrors(run, name, [.. run.Choose(utterances).Select(u => (u, run.Corpus.Read(u)))], target);

    private static void AddPhoneErrors(TinyRun run, string name, (TestUtterance Utterance, float[] Samples)[] recordings, Target? target)
    {
        ErrorRate[] errors = run.Map(name, recordings, recording =>
        {
            float[] logits = run.Model.PhoneLogits(run.Model.Encode(recording.Samples));
            string[] heard = [.. PhoneDecoder.Greedy(logits, run.Phones.Count + 1).Select(label => run.Phones[label])];
            return ErrorRate.Of<string>(recording.Utterance.Phones, heard);
        });
        run.Add(name, run.Rate(errors), target);
    }

    /// <summary>The emotion is read off units and off mel bands by the same kind of probe, on the same recordings.</summary>
    private static void AddProbes(TinyRun run)
    {
        TestUtterance[] train = [.. run.Corpus.Utterances.Where(u => u.Split == "train" && u.Kind == "styled").GroupBy(u => u.Style)
            .SelectMany(style => run.Choose(style, ProbeExamplesPerStyle))];
        TestUtterance[] test = run.Choose(run.Test("styled"));
        (int[] Units, float[] Mel)[] trained = Features(run, "probe, training side", train), tested = Features(run, "probe, test side", test);

        int[] used = [.. trained.SelectMany(f => f.Units).Distinct().Order()];
        run.Add("emotion found in units by a linear probe",
            Accuracy(run, train, test, [.. trained.Select(f => Histogram(f.Units, used))], [.. tested.Select(f => Histogram(f.Units, used))]), Target.Max(40), "chance is 25 %");
        run.Add("emotion found in mel bands by the same probe", Accuracy(run, train, test, [.. trained.Select(f => f.Mel)], [.. tested.Select(f => f.Mel)]), Target.Min(90));
    }

    private static (int[] Units, float[] Mel)[] Features(TinyRun run, string step, TestUtterance[] utterances) =>
        run.Map(step, utterances, utterance =>
        {
            float[] samples = run.Corpus.Read(utterance);
            return (run.Model.Encode(samples), MelStatistics.Measure(samples));
        });

    private static Estimate Accuracy(TinyRun run, TestUtterance[] train, TestUtterance[] test, float[][] trainFeatures, float[][] testFeatures)
    {
        var probe = new LinearProbe([.. train.Select((utterance, i) => (utterance.Emotion, trainFeatures[i]))]);
        return run.Share(test.Select((utterance, i) => probe.Classify(testFeatures[i]) == utterance.Emotion));
    }

    /// <summary>Relative frequencies, so that the length of the recording, which is a trait of style, does not count.</summary>
    private static float[] Histogram(int[] units, int[] used)
    {
        var histogram = new float[used.Length];
        foreach (int unit in units)
            if (Array.BinarySearch(used, unit) is >= 0 and int i) histogram[i] += 1f / units.Length;
        return histogram;
    }
}

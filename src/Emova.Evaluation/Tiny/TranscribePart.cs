using Emova.Evaluation.Data;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Reports;
using Emova.Evaluation.Speech;

namespace Emova.Evaluation.Tiny;

/// <summary>How well is speech written down?</summary>
internal static class TranscribePart
{
    public static Task RunAsync(TinyRun run)
    {
        Add(run, "word errors, training voices", run.Test("question"), Target.Max(4));
        Add(run, "word errors, unseen voices", run.Test("unseen"), Target.Max(15));
        if (run.Festival() is { } festival) Add(run, $"word errors, unseen voice {FestivalSpeaker.Voice}", festival, null);
        return Task.CompletedTask;
    }

    private static void Add(TinyRun run, string name, IEnumerable<TestUtterance> utterances, Target target) =>
        Add(run, name, [.. run.Choose(utterances).Select(u => (u, run.Corpus.Read(u)))], target);

    private static void Add(TinyRun run, string name, (TestUtterance Utterance, float[] Samples)[] recordings, Target? target)
    {
        string[] heard = run.Map(name, recordings, r => run.Model.Transcribe(r.Samples));
        run.Add(name, run.Rate(recordings.Zip(heard, (r, text) => Answers.WordErrors(r.Utterance.Text, text))), target);
        run.Note(name, recordings.Zip(heard, (r, text) => (r.Utterance.Id, r.Utterance.Style, r.Utterance.Text, text)));
    }
}

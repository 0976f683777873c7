using Emova.Evaluation.Data;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Reports;

namespace Emova.Evaluation.Tiny;

/// <summary>How well is speech written down?</summary>
internal static class TranscribePart
{
    public static Task RunAsync(TinyRun run)
    {
        Add(run, "word errors, training voices", run.Test("question"), Target.Max(4));
        Add(run, "word errors, unseen voices", run.Test("unseen"), Target.Max(15));
        return Task.CompletedTask;
    }

    private static void Add(TinyRun run, string name, IEnumerable<TestUtterance> utterances, Target target)
    {
        ErrorRate[] errors = run.Map(name, run.Choose(utterances), utterance => Answers.WordErrors(utterance.Text, run.Model.Transcribe(run.Corpus.Read(utterance))));
        run.Add(name, run.Rate(errors), target);
    }
}

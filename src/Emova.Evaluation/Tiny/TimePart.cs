using Emova.Evaluation.Data;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Reports;

namespace Emova.Evaluation.Tiny;

/// <summary>How long is the wait: one conversation at a time, a spoken question about a picture, as in <c>demo</c>.</summary>
internal static class TimePart
{
    private const int Questions = 24;

    public static Task RunAsync(TinyRun run)
    {
        TestDialogue[] dialogues = run.Choose(run.Dialogues.Where(dialogue => dialogue.HasPicture && SpokenPart.IsRecorded(run, dialogue)), Questions + 1);
        List<double> wait = [], factor = [];
        for (int i = 0; i < dialogues.Length; i++)
        {
            run.Cancellation.ThrowIfCancellationRequested();
            Reply reply = run.Model.Converse(run.Corpus.ReadPicture(dialogues[i]), [SpokenPart.Recording(run, dialogues[i].Turns[0])], 0, run.Options.Seed)[0];
            if (i == 0) continue; // the first reply compiles the code
            if (reply.Timings.FirstAudio is { } first) wait.Add(first.TotalMilliseconds);
            if (reply.Timings.RealTimeFactor is { } rate) factor.Add(rate);
        }
        Add(run, "end of question to first audio, median", wait, "ms", Target.Max(150));
        Add(run, "computing time over length of the answer, median", factor, "x", Target.Max(0.2));
        return Task.CompletedTask;
    }

    private static void Add(TinyRun run, string name, List<double> values, string unit, Target target)
    {
        Estimate estimate = Bootstrap.Median(values, run.Options.Seed);
        run.Add(new Figure(run.Part, name, estimate.Value, estimate.Low, estimate.High, estimate.Items, unit, target));
    }
}

using Emova.Evaluation.Data;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Reports;
using Emova.Media;

namespace Emova.Evaluation.Tiny;

/// <summary>Typed questions about pictures, of the drawing style of the training and of another one.</summary>
internal static class PicturesPart
{
    public static Task RunAsync(TinyRun run)
    {
        TestDialogue[] dialogues = [.. run.Dialogues.Where(dialogue => dialogue.HasPicture)];
        Ask(run, "exact answers, typed", run.Choose(dialogues), "test", Target.Min(95), byTask: true);

        // Shapes and digits are drawn the same way by everyone: only scenes with an emoji tell the artists apart.
        TestDialogue[] other = [.. dialogues.Where(dialogue => dialogue.HasEmoji && File.Exists(run.Corpus.PictureOf(dialogue, "other")))];
        if (other.Length == 0)
            run.Skip("another drawing style", $"no pictures in {Path.Combine(run.Corpus.Folder, "pictures", "other")}; docs/evaluation.md says how to draw them");
        else Ask(run, "exact answers, typed, other drawing style", run.Choose(other), "other", Target.Min(60), byTask: false);
        return Task.CompletedTask;
    }

    private static void Ask(TinyRun run, string name, TestDialogue[] dialogues, string drawing, Target target, bool byTask)
    {
        IReadOnlyList<Reply>[] replies = run.Map(name, dialogues, dialogue => run.Model.Converse(
            run.Corpus.ReadPicture(dialogue, drawing), [.. dialogue.Turns.Select(turn => new SpokenOrTyped(turn.User.Text, null))], 0, run.Options.Seed));
        ErrorRate[] right = [.. dialogues.Zip(replies, (dialogue, answers) => new ErrorRate(
            dialogue.Turns.Zip(answers).Count(pair => Answers.Same(pair.First.Reply.Text, pair.Second.Text)), dialogue.Turns.Length))];
        run.Note(name, dialogues.Zip(replies).SelectMany(pair => pair.First.Turns.Zip(pair.Second, (turn, reply) => (pair.First.Id, turn.User.Text, turn.Reply.Text, reply.Text))));
        run.Add(name, run.Rate(right), target);
        if (!byTask) return;
        foreach (IGrouping<string, ErrorRate> task in dialogues.Zip(right).GroupBy(pair => pair.First.Task, pair => pair.Second).OrderBy(g => g.Key, StringComparer.Ordinal))
            run.Add($"exact answers, typed, {task.Key}", run.Rate(task));
    }
}

using Emova.Training.Stages.Language;
using Xunit;

namespace Emova.Training.Tests.Stages;

public sealed class SampleMixtureTests
{
    private const int Tokens = 600;

    [Fact]
    public void Steps_do_not_depend_on_which_were_asked_before()
    {
        SampleMixture forward = Create(), jump = Create();
        int[][] first = [.. Enumerable.Range(0, 40).Select(s => Lengths(forward, s))];
        Assert.Equal(first[39], Lengths(jump, 39));
        Assert.Equal(first[3], Lengths(jump, 3));
    }

    [Fact]
    public void Batches_have_about_the_wanted_size_little_padding_and_the_shares_asked_for()
    {
        SampleMixture mixture = Create();
        TrainingSample[][] batches = [.. Enumerable.Range(0, 64).Select(s => mixture.Batch(s).ToArray())];
        Assert.All(batches, b => Assert.NotEmpty(b));
        double tokens = batches.Average(b => b.Sum(s => s.Length));
        Assert.InRange(tokens, Tokens * 0.9, Tokens * 1.1);
        double padded = batches.Average(b => b.Max(s => s.Length) * b.Length);
        Assert.InRange(tokens / padded, 0.85, 1);

        TrainingSample[] all = [.. batches.SelectMany(b => b)];
        double share = all.Where(s => s.Task == LanguageTask.Speak).Sum(s => s.Length) / (double)all.Sum(s => s.Length);
        Assert.InRange(share, 0.73, 0.77);
    }

    [Fact]
    public void The_phase_changes_with_progress_and_unknown_tasks_are_named()
    {
        SampleMixture mixture = Create();
        Assert.Equal(0.75, mixture.Shares(0)[LanguageTask.Speak], 6);
        Assert.Equal(0.5, mixture.Shares(999)[LanguageTask.Speak], 6);
        SampleMixture wrong = new(Pools(), [new MixturePhase { Tasks = { ["sing"] = 1 } }], Tokens, 10, 1);
        Assert.Contains("'sing'", Assert.Throws<EmovaException>(() => wrong.Shares(0)).Message, StringComparison.Ordinal);
    }

    private static int[] Lengths(SampleMixture mixture, long step) => [.. mixture.Batch(step).Select(s => s.Length)];

    private static SampleMixture Create() => new(
        Pools(),
        [
            new MixturePhase { Until = 0.5, Tasks = { ["speak"] = 3, ["transcribe"] = 1 } },
            new MixturePhase { Tasks = { ["speak"] = 1, ["transcribe"] = 1 } },
        ],
        Tokens, totalSteps: 1000, seed: 7);

    private static Dictionary<LanguageTask, Func<Random, TrainingSample>> Pools() => new()
    {
        [LanguageTask.Speak] = r => Sample(LanguageTask.Speak, r.Next(30, 90)),
        [LanguageTask.Transcribe] = r => Sample(LanguageTask.Transcribe, r.Next(20, 70)),
    };

    private static TrainingSample Sample(LanguageTask task, int length) => new(task, new int[length], new int[length]);
}

using System.Xml.Linq;
using Emova.Training.Experiments;
using Emova.Training.Infrastructure;
using Emova.Training.Stages.Language;
using Xunit;

namespace Emova.Training.Tests.Experiments;

/// <summary>Experiments are read, compared and reported as their run folders say.</summary>
public sealed class ExperimentTests : IDisposable
{
    private static readonly string Configs = Path.Combine(Repository.Root, "configs", "training", "experiments");

    private readonly string _folder = Directory.CreateTempSubdirectory("emova-experiment").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("omni-vs-bimodal", 4)]
    [InlineData("semantic-units", 2)]
    public void Shipped_arms_have_the_same_budget_and_differ_in_what_they_train_on(string name, int arms)
    {
        Experiment experiment = Experiment.Load(Configs, name, []);
        LanguageSettings[] stages = [.. experiment.Settings.Arms.Select(arm => StageConfig.Load<LanguageSettings>(Path.Combine(Configs, arm.Name + ".yaml")))];
        Assert.Equal(arms, stages.Length);
        Assert.Single(stages.Select(s => (s.TokensPerStep, s.LearningRate, s.WarmupSteps, s.ValidationSamples, s.Dropout, string.Join(' ', s.Measure))).Distinct());
        Assert.Equal(arms, stages.Select(s => StageConfig.ToYaml(s.Mixture) + StageConfig.ToYaml(s.UnitLevels)).Distinct().Count());
    }

    [Theory]
    [InlineData("steps=100", "--steps 100: expected a multiple of 64")]
    [InlineData("seeds=1", "--seeds 1: expected 2 to 20")]
    [InlineData("step=64", "unknown key 'step'")]
    public void A_wrong_value_is_named(string setting, string expected) =>
        Assert.Contains(expected, Assert.Throws<EmovaException>(() => Experiment.Load(Configs, "omni-vs-bimodal", [setting])).Message);

    [Fact]
    public void The_interval_is_that_of_a_t_test()
    {
        // Mean 4, standard deviation 2, three values: 4.303 * 2 / sqrt(3).
        SeedInterval interval = SeedInterval.Of([2, 4, 6]);
        Assert.Equal((4, 3), (interval.Mean, interval.Seeds));
        Assert.Equal(4.9687, interval.HalfWidth, 1e-3);
        Assert.Equal("4.000 ± 4.969", interval.ToString(percent: false));
        Assert.Equal("50.0 %", SeedInterval.Of([0.5]).ToString(percent: true));
    }

    [Fact]
    public void The_report_has_every_arm_its_tokens_and_its_intervals_and_replaces_the_last_one()
    {
        Experiment experiment = Experiment.Load(Configs, "omni-vs-bimodal", ["seeds=2"]);
        foreach (ExperimentArm arm in experiment.Settings.Arms)
            for (int seed = 1; seed <= 2; seed++) WriteRun(experiment, arm, seed, loss: arm.Name == "joint" ? 1 : 2 + seed);

        // A run that has not been measured does not count.
        File.WriteAllText(Path.Combine(_folder, "sequential-seed2", "metrics.jsonl"), """{"step":8,"loss":3}""" + "\n");
        IReadOnlyList<Experiment.Result> results = experiment.Results(_folder);
        Assert.Equal(7, results.Count);

        string document = Path.Combine(_folder, "experiments.md");
        File.WriteAllText(document, "before\n<!-- omni-vs-bimodal: begin, written by `emova-train experiment`, do not edit -->\nold\n<!-- omni-vs-bimodal: end -->\nafter\n");
        ExperimentReport.Write(experiment, results, document);
        string text = File.ReadAllText(document);
        Assert.StartsWith("before\n", text);
        Assert.EndsWith("after\n", text);
        Assert.DoesNotContain("old", text);
        Assert.Contains("| image-text only | 2 | 25.6k | 0 | 3.500 ± 6.353 |", text);
        Assert.Contains("| speech-text only | 2 | 0 | 25.6k |", text);
        Assert.Contains("| jointly | 2 | 12.8k | 12.8k | 1.000 ± 0.000 |", text);
        Assert.Contains("| sequentially | 1 | 12.8k | 12.8k | 3.000 |", text);
        Assert.Contains("| jointly | -2.500 ± 6.353 | 0.000 ± 0.000 | 0.000 ± 0.000 |", text);
        ExperimentReport.Write(experiment, results, document);
        Assert.Equal(text, File.ReadAllText(document));

        XDocument plot = XDocument.Load(Path.Combine(_folder, "images", "experiment-omni-vs-bimodal.svg"));
        string[] words = [.. plot.Descendants().Where(e => e.Name.LocalName == "text").Select(e => e.Value)];
        Assert.All(experiment.Settings.Arms, arm => Assert.Contains(arm.Label, words));
        Assert.Contains(experiment.Settings.Title, words);
    }

    [Fact]
    public void The_pitch_digit_leaves_the_semantic_unit_readable()
    {
        float[] pitches = UnitKinds.PitchPerUnit([0, 100, 100, 100, 0, 0, 100, 100, 240, 240, 240], 4);
        Assert.Equal([100, 0, 240, 0], pitches);
        float[] limits = UnitKinds.Fifths([0, .. Enumerable.Range(1, 100).Select(i => (float)i)]);
        Assert.Equal([21, 41, 61, 81], limits);
        int[] units = UnitKinds.WithPitch([7, 7, 9, 4095], [0, 20, 41, 300], limits);
        Assert.Equal([7, 7 + 4096, 9 + (3 * 4096), 4095 + (5 * 4096)], units);
        Assert.All(units, unit => Assert.InRange(unit / UnitKinds.SemanticUnits, 0, UnitKinds.PitchClasses - 1));
    }

    private void WriteRun(Experiment experiment, ExperimentArm arm, int seed, double loss)
    {
        string folder = Path.Combine(_folder, $"{arm.Name}-seed{seed}");
        Directory.CreateDirectory(Path.Combine(folder, "checkpoint"));
        LanguageSettings stage = StageConfig.Load<LanguageSettings>(Path.Combine(Configs, arm.Name + ".yaml"), [$"total_steps={experiment.Settings.Steps}"]);
        File.WriteAllText(Path.Combine(folder, "config.yaml"), StageConfig.ToYaml(stage));
        File.WriteAllText(Path.Combine(folder, "checkpoint", "state.json"), $$"""{"Step":64,"Seed":{{seed}},"TotalSteps":64,"Seconds":60}""");
        File.WriteAllLines(Path.Combine(folder, "metrics.jsonl"),
        [
            """{"step":8,"loss":3}""",
            $$"""{"step":64,"nll_Picture":{{loss}},"picture_exact":0.5,"nll_Transcribe":1,"transcribe_wer":0.5,"nll_Speak":1,"speak_per":0.5}""",
        ]);
    }
}

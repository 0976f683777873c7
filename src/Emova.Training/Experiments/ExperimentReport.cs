using System.Globalization;
using System.Text;
using Emova.Evaluation.Reports;
using Emova.Training.Stages.Language;

namespace Emova.Training.Experiments;

/// <summary>Writes what the runs of an experiment measured into a document: a table and a plot.</summary>
public static class ExperimentReport
{
    private static readonly LanguageTask[] PictureTasks = [LanguageTask.Picture, LanguageTask.Caption, LanguageTask.SpokenPicture];
    private static readonly LanguageTask[] SpeechTasks = [LanguageTask.Speak, LanguageTask.Transcribe, LanguageTask.SpokenReply];

    /// <summary>Replaces the experiment's part of <paramref name="document"/> and the plot in the folder images beside it.</summary>
    /// <exception cref="EmovaException">No run is complete, or the document has no place for the table.</exception>
    public static string Write(Experiment experiment, IReadOnlyList<Experiment.Result> results, string document)
    {
        if (results.Count == 0) throw new EmovaException($"{experiment.Name}: no run is complete");
        string table = Table(experiment, results), image = $"experiment-{experiment.Name}.svg";
        string text = ReportWriter.Insert(
            File.ReadAllText(document), document, $"{table}\n![{experiment.Settings.Title}](images/{image})\n",
            $"<!-- {experiment.Name}: begin, written by `emova-train experiment`, do not edit -->", $"<!-- {experiment.Name}: end -->");
        string images = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(document))!, "images");
        Directory.CreateDirectory(images);
        File.WriteAllText(Path.Combine(images, image), ExperimentPlot.Draw(experiment, results));
        File.WriteAllText(document, text);
        return table;
    }

    /// <summary>The table as Markdown, and one line on budget and time.</summary>
    public static string Table(Experiment experiment, IReadOnlyList<Experiment.Result> results)
    {
        ExperimentSettings settings = experiment.Settings;
        StringBuilder text = new();
        text.Append("| trained on | seeds | picture tokens | speech tokens | ").AppendJoin(" | ", settings.Scores.Select(score => score.Label)).Append(" |\n|---|---:|---:|---:|");
        text.Insert(text.Length, "---:|", settings.Scores.Count).Append('\n');
        foreach (ExperimentArm arm in settings.Arms)
        {
            Experiment.Result[] runs = [.. results.Where(result => result.Arm == arm)];
            if (runs.Length == 0) continue;
            text.Append(CultureInfo.InvariantCulture, $"| {arm.Label} | {runs.Length} | {Tokens(runs[0].Stage, PictureTasks)} | {Tokens(runs[0].Stage, SpeechTasks)} | ");
            text.AppendJoin(" | ", settings.Scores.Select(score => Interval(runs, score).ToString(score.Percent))).Append(" |\n");
        }
        AppendDifferences(text, settings, results);
        LanguageSettings stage = results[0].Stage;
        text.Append(CultureInfo.InvariantCulture,
            $"\nMean over seeds ± half of the 95 % confidence interval (Student's t). Every run: {settings.Steps} updates of about {stage.TokensPerStep} tokens, {Thousands(settings.Steps * (double)stage.TokensPerStep)} in all, ");
        text.Append(CultureInfo.InvariantCulture,
            $"measured on {stage.ValidationSamples} validation samples per task; {results.Count} runs, {results.Sum(result => result.State.Seconds) / 60:F0} minutes of training together.\n");
        return text.ToString();
    }

    /// <summary>Runs of one seed share their validation samples, so their differences say more than the two intervals.</summary>
    private static void AppendDifferences(StringBuilder text, ExperimentSettings settings, IReadOnlyList<Experiment.Result> results)
    {
        ExperimentScore[] compared = [.. settings.Scores.Where(score => score.Against is not null)];
        if (compared.Length == 0) return;
        text.Append("\nDifferences seed by seed (below 0: less than the arm it is compared with):\n\n| trained on | ");
        text.AppendJoin(" | ", compared.Select(score => $"{score.Label}, against {settings.Arms.First(arm => arm.Name == score.Against).Label}")).Append(" |\n|---|");
        text.Insert(text.Length, "---:|", compared.Length).Append('\n');
        foreach (ExperimentArm arm in settings.Arms)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {arm.Label} | ").AppendJoin(" | ", compared.Select(score => arm.Name == score.Against ? "" : Difference(score))).Append(" |\n");

            string Difference(ExperimentScore score) => SeedInterval.Of(
            [
                .. from own in results where own.Arm == arm
                   from other in results where other.Arm.Name == score.Against && other.Seed == own.Seed
                   select own.Measured[score.Metric] - other.Measured[score.Metric],
            ]).ToString(score.Percent);
        }
    }

    /// <summary>What one measure came to in an arm.</summary>
    public static SeedInterval Interval(IEnumerable<Experiment.Result> runs, ExperimentScore score) =>
        SeedInterval.Of([.. runs.Select(run => run.Measured[score.Metric])]);

    /// <summary>Tokens of some tasks in a run: what its mixture sets aside for them.</summary>
    private static string Tokens(LanguageSettings stage, LanguageTask[] tasks)
    {
        double tokens = 0, from = 0;
        foreach (MixturePhase phase in stage.Mixture)
        {
            double share = phase.Tasks.Where(task => tasks.Any(t => string.Equals($"{t}", task.Key.Replace("_", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase))).Sum(task => task.Value);
            tokens += (phase.Until - from) * share / phase.Tasks.Values.Sum() * stage.TotalSteps * stage.TokensPerStep;
            from = phase.Until;
        }
        return Thousands(tokens);
    }

    private static string Thousands(double tokens) => tokens == 0 ? "0" : string.Create(CultureInfo.InvariantCulture, $"{tokens / 1000:0.#}k");
}

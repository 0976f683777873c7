using System.CommandLine;
using Emova.Training.Experiments;

namespace Emova.Training.Commands;

/// <summary>`emova-train experiment`: trains the same small model in several ways, with several seeds, and reports the comparison.</summary>
internal static class ExperimentCommand
{
    public static Command Create()
    {
        Argument<string> name = new("name") { Description = "omni-vs-bimodal or semantic-units, or another file of --configs." };
        Option<string> configs = new("--configs") { Description = "Folder of the experiments.", DefaultValueFactory = _ => Path.Combine("configs", "training", "experiments") };
        Option<string> data = new("--data") { Description = "Folder of the corpus.", DefaultValueFactory = _ => "data/tiny" };
        Option<string> runs = new("--runs") { Description = "Folder of the runs that the arms start from.", DefaultValueFactory = _ => "runs/tiny" };
        Option<string?> output = new("--out") { Description = "Folder of the runs of the experiment; default: runs/NAME." };
        Option<int?> steps = new("--steps") { Description = "Updates of every run, a multiple of 64." };
        Option<int?> seeds = new("--seeds") { Description = "Runs per arm, 2 to 20." };
        Option<int> threads = new("--threads") { Description = "Threads for the tensor library, 1 to 64.", DefaultValueFactory = _ => 1 };
        Option<string[]> set = new("--set") { Description = "Override a setting of every run: key=value.", DefaultValueFactory = _ => [] };
        Option<string?> report = new("--report") { Description = "Document to write table and plot into, e.g. docs/experiments.md." };
        Option<bool> only = new("--report-only") { Description = "Train nothing; report the runs that are complete." };
        Command command = new("experiment", "Compare ways of training, each with several seeds. Example: experiment omni-vs-bimodal --seeds 3 --report docs/experiments.md")
        {
            name, configs, data, runs, output, steps, seeds, threads, set, report, only,
        };
        command.SetAction(parsed =>
        {
            string[] overrides = [.. new[] { ("steps", parsed.GetValue(steps)), ("seeds", parsed.GetValue(seeds)) }.Where(pair => pair.Item2 is not null).Select(pair => $"{pair.Item1}={pair.Item2}")];
            Experiment experiment = Experiment.Load(parsed.GetValue(configs)!, parsed.GetValue(name)!, overrides);
            string folder = parsed.GetValue(output) ?? Path.Combine("runs", experiment.Name);
            if (!parsed.GetValue(only))
            {
                int code = experiment.Run(
                    parsed.GetValue(data)!, parsed.GetValue(runs)!, folder, parsed.GetValue(set) ?? [],
                    arguments => OwnProgram.With([.. arguments, "--threads", $"{parsed.GetValue(threads)}"]), Console.Out);
                if (code != 0) return code;
            }

            IReadOnlyList<Experiment.Result> results = experiment.Results(folder);
            if (results.Count == 0) throw new EmovaException($"{folder}: no run of {experiment.Name} is complete");
            Console.WriteLine(parsed.GetValue(report) is string document ? ExperimentReport.Write(experiment, results, document) : ExperimentReport.Table(experiment, results));
            return 0;
        });
        return command;
    }
}

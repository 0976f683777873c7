using System.CommandLine;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Spectre.Console;

namespace Emova.Training.Commands;

/// <summary><c>emova-train data</c>: builds the corpus from Debian's flite voices and our templates.</summary>
public static class DataCommand
{
    public static Command Create()
    {
        Option<string?> config = new("--config") { Description = "YAML file with the amounts.", DefaultValueFactory = _ => "configs/training/data.yaml" };
        Option<string> output = new("--out") { Description = "Folder to write the corpus to.", DefaultValueFactory = _ => "data/tiny" };
        Option<int> seed = new("--seed") { Description = "Seed of everything random.", DefaultValueFactory = _ => 1 };
        Option<int> processes = new("--processes") { Description = "Rendering processes, 1 to 64.", DefaultValueFactory = _ => Math.Min(2, Environment.ProcessorCount) };
        Option<bool> textOnly = new("--text-only") { Description = "Write sentences and dialogues, render no speech." };
        Option<string[]> set = new("--set") { Description = "Override a setting: key=value.", DefaultValueFactory = _ => [] };
        Option<string?> worker = new("--worker") { Description = "Internal: render every n-th shard of the plan (i/n).", Hidden = true };
        Command command = new("data", "Builds the corpus: pictures, dialogues, and speech in 24 styles.") { config, output, seed, processes, textOnly, set, worker };
        command.SetAction(parsed =>
        {
            string folder = parsed.GetValue(output)!;
            if (parsed.GetValue(worker) is { } share)
            {
                string[] parts = share.Split('/');
                SpeechRenderer.RunWorker(folder, int.Parse(parts[0]), int.Parse(parts[1]));
                return 0;
            }
            int count = parsed.GetValue(processes);
            if (count is < 1 or > 64)
                throw new EmovaException($"--processes {count}: expected 1 to 64");
            Run(StageConfig.Load<DataConfig>(parsed.GetValue(config), parsed.GetValue(set)), folder, parsed.GetValue(seed), count, parsed.GetValue(textOnly));
            return 0;
        });
        return command;
    }

    private static void Run(DataConfig config, string folder, int seed, int processes, bool textOnly)
    {
        if (!textOnly)
        {
            FliteSynthesizer.RequireLibrary();
            if (config.StrangerUtterances > 0)
                StrangerSynthesizer.Require();
        }
        var corpus = new CorpusBuilder(config, seed);
        corpus.Write(folder);
        foreach (var group in corpus.Jobs.GroupBy(j => (j.Kind, j.Split)))
            Console.WriteLine($"{group.Key.Kind,-10} {group.Key.Split,-11} {group.Count(),6}");
        Console.WriteLine($"{corpus.Jobs.Count} utterances, {corpus.Vocabulary.Length} words, {corpus.Concepts.Count} concepts");
        if (!textOnly)
        {
            Render(folder, corpus.Jobs, processes);
            corpus.WriteSummary(folder);
            Console.WriteLine($"{folder}: complete");
        }
    }

    private static void Render(string folder, List<RenderJob> jobs, int processes)
    {
        if (AnsiConsole.Profile.Capabilities.Interactive)
        {
            AnsiConsole.Progress().Start(context =>
            {
                ProgressTask task = context.AddTask("rendering speech", maxValue: jobs.Count);
                SpeechRenderer.RenderAll(folder, jobs, processes, (done, _) => task.Value = done);
            });
            return;
        }
        int reported = -1;
        SpeechRenderer.RenderAll(folder, jobs, processes, (done, all) =>
        {
            int percent = (int)(100L * done / all);
            if (percent / 5 != reported / 5 || reported < 0)
                Console.WriteLine($"{DateTime.Now:HH:mm:ss} rendered {done} of {all} ({percent} %)");
            reported = percent;
        });
    }
}

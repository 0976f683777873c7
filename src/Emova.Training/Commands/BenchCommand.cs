using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Emova.Training.Infrastructure;
using Emova.Training.Planning;
using Emova.Training.Runtime;
using Emova.Training.Stages;
using Emova.Training.Stages.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Commands;

/// <summary><c>emova-train bench</c>: training speed of the language stage beside a step written plainly with TorchSharp, in one run.</summary>
internal static class BenchCommand
{
    public static Command Create()
    {
        Option<string> config = new("--config") { Description = "YAML file of the stage.", DefaultValueFactory = _ => "configs/training/2-align.yaml" };
        Option<string[]> set = new("--set") { Description = "Override a setting: key=value.", DefaultValueFactory = _ => [] };
        Option<int> rounds = new("--rounds") { Description = "Steps of each kind, taken in turn, 3 to 1000.", DefaultValueFactory = _ => 9 };
        Option<int> columns = new("--length") { Description = "Positions of a sample, 8 to 8192.", DefaultValueFactory = _ => 150 };
        Option<int> vocabulary = new("--vocabulary") { Description = "Tokens of the model.", DefaultValueFactory = _ => 1777 };
        Option<int> threads = new("--threads") { Description = "Threads for the tensor library, 1 to 64.", DefaultValueFactory = _ => 1 };
        Command command = new("bench", "Compare the training speed of the language model with a plain TorchSharp step. Example: emova-train bench --rounds 9") { config, set, rounds, columns, vocabulary, threads };
        command.SetAction(parsed =>
        {
            int count = parsed.GetValue(rounds), length = parsed.GetValue(columns), cores = parsed.GetValue(threads);
            if (count is < 3 or > 1000) throw new EmovaException($"--rounds {count}: expected 3 to 1000");
            if (length is < 8 or > 8192) throw new EmovaException($"--length {length}: expected 8 to 8192");
            if (cores is < 1 or > 64) throw new EmovaException($"--threads {cores}: expected 1 to 64");
            // Text alone: the plain step has no pictures.
            LanguageSettings settings = StageConfig.Load<LanguageSettings>(parsed.GetValue(config), parsed.GetValue(set)) with { TrainProjector = false, TuneVisionFromLayer = null };
            LibTorchLoader.EnsureLoadable();
            set_num_threads(cores);
            Run(settings, parsed.GetValue(vocabulary), length, count);
            return 0;
        });
        return command;
    }

    private static void Run(LanguageSettings settings, int vocabulary, int length, int rounds)
    {
        using SyntheticStep ours = new(settings, vocabulary, length);
        TinyModelConfig config = TinyModelConfig.Load(settings.Model);
        using PlainStep plain32 = new(config.Text with { VocabSize = vocabulary }, length, bfloat16: false, settings.Dropout);
        using PlainStep plain16 = new(config.Text with { VocabSize = vocabulary }, length, bfloat16: true, settings.Dropout);
        using Tensor ids = randint(0, vocabulary, [ours.Rows, length], ScalarType.Int64);
        (string Name, Action Step)[] kinds =
        [
            ("this trainer", () => ours.Run()), ("plain TorchSharp, float32", () => plain32.Run(ids)), ("plain TorchSharp, bfloat16 products", () => plain16.Run(ids)),
        ];
        double[][] seconds = [.. kinds.Select(_ => new double[rounds])];
        foreach ((_, Action step) in kinds) step();
        for (int round = 0; round < rounds; round++)
        {
            for (int kind = 0; kind < kinds.Length; kind++)
            {
                Stopwatch watch = Stopwatch.StartNew();
                kinds[kind].Step();
                seconds[kind][round] = watch.Elapsed.TotalSeconds;
            }
        }
        double[] medians = [.. seconds.Select(times => times.Order().ElementAt(rounds / 2))];
        long tokens = (long)ours.Rows * length;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{ours.Rows} x {length} tokens a step, {rounds} steps of each kind in turn, median"));
        for (int kind = 0; kind < kinds.Length; kind++)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kinds[kind].Name,-36} {1000 * medians[kind],8:F1} ms {tokens / medians[kind],8:F0} tokens/s"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"this trainer is {Math.Min(medians[1], medians[2]) / medians[0]:F2} times as fast as the faster plain step"));
    }
}

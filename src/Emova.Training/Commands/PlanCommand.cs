using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Emova.Training.Infrastructure;
using Emova.Training.Planning;
using Emova.Training.Runtime;
using Emova.Training.Stages.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Commands;

/// <summary><c>emova-train plan</c>: memory and time of a language stage before it is started.</summary>
internal static class PlanCommand
{
    public static Command Create()
    {
        Option<string> config = new("--config") { Description = "YAML file of the stage.", DefaultValueFactory = _ => "configs/training/2-align.yaml" };
        Option<string[]> set = new("--set") { Description = "Override a setting: key=value.", DefaultValueFactory = _ => [] };
        Option<int> ranks = new("--ranks") { Description = "Processes that train together, 1 to 4096.", DefaultValueFactory = _ => 1 };
        Option<int> vocabulary = new("--vocabulary") { Description = "Tokens of a model whose description leaves them to the tokenizer.", DefaultValueFactory = _ => 1777 };
        Option<double?> gflops = new("--gflops") { Description = "Speed of a process in 10^9 operations a second. Default: measured on this machine." };
        Option<int> threads = new("--threads") { Description = "Threads for the tensor library, 1 to 64.", DefaultValueFactory = _ => 1 };
        Option<bool> measure = new("--measure") { Description = "Run three steps on random data and compare." };
        Command command = new("plan", "Estimate memory and time of a language stage. Example: emova-train plan --config configs/training/official/3b-1-align.yaml --ranks 8 --gflops 100000")
        { config, set, ranks, vocabulary, gflops, threads, measure };
        command.SetAction(parsed =>
        {
            int count = parsed.GetValue(ranks), cores = parsed.GetValue(threads);
            if (count is < 1 or > 4096) throw new EmovaException($"--ranks {count}: expected 1 to 4096");
            if (cores is < 1 or > 64) throw new EmovaException($"--threads {cores}: expected 1 to 64");
            if (parsed.GetValue(gflops) is <= 0) throw new EmovaException($"--gflops {parsed.GetValue(gflops)}: expected more than 0");
            LanguageSettings settings = StageConfig.Load<LanguageSettings>(parsed.GetValue(config), parsed.GetValue(set));
            settings.Validate();
            settings.Lora.Validate();
            TrainingPlan plan = TrainingPlan.Of(settings, parsed.GetValue(vocabulary), count);
            double speed = parsed.GetValue(gflops) ?? Speed(settings.BFloat16, cores);
            foreach (string line in Lines(plan, settings, count, speed)) Console.WriteLine(line);
            if (parsed.GetValue(measure)) Measure(plan, settings, parsed.GetValue(vocabulary), cores);
            return 0;
        });
        return command;
    }

    private static IEnumerable<string> Lines(TrainingPlan plan, LanguageSettings settings, int ranks, double speed)
    {
        foreach (PlannedPart part in plan.Parts)
            yield return Text($"{part.Name,-12} {part.Values / 1e6,10:F2} M values, {part.Learning / 1e6,10:F2} M learn");
        yield return Text($"batch        {plan.Tokens} positions, {settings.Accumulate} batches an update, {settings.TotalSteps} updates");
        foreach ((string name, long bytes) in new[]
        {
            ("program", TrainingPlan.ProgramBytes), ("weights", plan.Weights), ("bf16 copies", plan.Casts), ("gradients", plan.Gradients),
            ("optimizer", plan.Optimizer), ("activations", plan.Activations), ("scores", plan.Scores), ("in all", plan.Total),
        })
        {
            yield return Text($"{name,-12} {bytes / (double)(1 << 20),10:F0} MiB{(name == "in all" ? $" per process, {ranks} of them" : "")}");
        }
        double seconds = plan.FlopsPerBatch * settings.Accumulate / ranks / (speed * 1e9);
        yield return Text($"time         {seconds:G3} s an update at {speed:F0} GFLOP/s per process, {TimeSpan.FromSeconds(seconds * (settings.StopAt ?? settings.TotalSteps)).TotalHours:F1} h for the stage (matrix products alone)");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Operations a second of products of the size of a small model's layers.</summary>
    private static double Speed(bool bfloat16, int threads)
    {
        LibTorchLoader.EnsureLoadable();
        set_num_threads(threads);
        const int rows = 1024, width = 768, repeats = 8;
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Tensor a = randn(rows, width).to(bfloat16 ? ScalarType.BFloat16 : ScalarType.Float32), b = randn(width, width).to(a.dtype);
        matmul(a, b).Dispose();
        Stopwatch watch = Stopwatch.StartNew();
        for (int i = 0; i < repeats; i++) matmul(a, b).Dispose();
        return 2.0 * rows * width * width * repeats / watch.Elapsed.TotalSeconds / 1e9;
    }

    private static void Measure(TrainingPlan plan, LanguageSettings settings, int vocabulary, int threads)
    {
        LibTorchLoader.EnsureLoadable();
        set_num_threads(threads);
        using SyntheticStep step = new(settings, vocabulary, rowLength: 150);
        step.Run();
        Stopwatch watch = Stopwatch.StartNew();
        step.Run();
        step.Run();
        long peak = SyntheticStep.PeakBytes;
        Console.WriteLine(Text($"measured     {peak / (double)(1 << 20),10:F0} MiB peak, {(double)peak / plan.Total:F2} of the plan; {watch.Elapsed.TotalSeconds / 2:G3} s a batch on random data"));
    }
}

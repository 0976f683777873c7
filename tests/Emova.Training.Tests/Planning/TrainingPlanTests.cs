using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Emova.Training.Planning;
using Emova.Training.Stages.Language;
using Xunit;

namespace Emova.Training.Tests.Planning;

/// <summary>The memory that is planned is the memory that steps take.</summary>
public sealed partial class TrainingPlanTests
{
    /// <summary>Largest difference of the peak of a process from its plan.</summary>
    private const double Tolerance = 0.25;

    [Theory]
    [InlineData("tokens_per_step=1800", "b_float16=true")]
    [InlineData("tokens_per_step=1800", "gradient_checkpointing=true")]
    public void The_peak_of_a_process_is_near_its_plan(params string[] settings)
    {
        string output = Run(["plan", "--config", "configs/training/language.yaml", "--gflops", "10", "--measure", .. settings.SelectMany(s => new[] { "--set", s })]);
        Match ratio = Ratio().Match(output);
        Assert.True(ratio.Success, output);
        double value = double.Parse(ratio.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        Assert.True(Math.Abs(value - 1) <= Tolerance, output);
    }

    [Fact]
    public void Adapters_checkpointing_and_ranks_take_less()
    {
        TrainingPlan whole = Plan(new()), adapter = Plan(new() { Lora = new() { Rank = 8 } });
        TrainingPlan recomputed = Plan(new() { GradientCheckpointing = true });
        Assert.Equal(whole.Optimizer / 4, TrainingPlan.Of(Settings(new()), 1777, ranks: 4).Optimizer);
        Assert.Equal(whole.Parts.Sum(p => p.Values), adapter.Parts.Sum(p => p.Values));
        Assert.InRange(adapter.Learning, 200_000, 260_000);
        Assert.True(adapter.Gradients < whole.Gradients / 10);
        Assert.True(recomputed.Activations < whole.Activations / 3);
        Assert.True(recomputed.FlopsPerBatch > whole.FlopsPerBatch);
    }

    [GeneratedRegex(@"measured\s+\d+ MiB peak, ([0-9.]+) of the plan")]
    private static partial Regex Ratio();

    private static TrainingPlan Plan(LanguageSettings settings) => TrainingPlan.Of(Settings(settings), 1777, ranks: 1);

    private static LanguageSettings Settings(LanguageSettings settings) => settings with { Model = Path.Combine(Repository.Root, settings.Model) };

    private static string Run(string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "emova-train.dll"), .. arguments])
        {
            WorkingDirectory = Repository.Root, RedirectStandardOutput = true,
        })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, output);
        return output;
    }
}

using Emova.Training.Planning;
using Emova.Training.Stages.Language;
using Xunit;

namespace Emova.Training.Tests.Planning;

/// <summary>What a plan says follows the settings.</summary>
public sealed class TrainingPlanTests
{
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

    private static TrainingPlan Plan(LanguageSettings settings) => TrainingPlan.Of(Settings(settings), 1777, ranks: 1);

    private static LanguageSettings Settings(LanguageSettings settings) => settings with { Model = Path.Combine(Repository.Root, settings.Model) };
}

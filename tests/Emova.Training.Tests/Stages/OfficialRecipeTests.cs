using Emova.Training.Infrastructure;
using Emova.Training.Planning;
using Emova.Training.Stages.Language;
using Xunit;

namespace Emova.Training.Tests.Stages;

/// <summary>
/// The recipes of the official sizes: their hyper-parameters are those of the reference (table 7.2 of its training code), what learns is
/// counted on the shapes of the full-size model.
/// </summary>
public sealed class OfficialRecipeTests
{
    [Theory]
    [InlineData("3b-0-pretrain", 256, 1e-3, 8192, "plain", null)]
    [InlineData("3b-1-align", 256, 2e-5, 8192, "qwen2", 2e-5)]
    [InlineData("3b-2-finetune", 128, 2e-5, 8192, "qwen2", 2e-6)]
    [InlineData("7b-0-pretrain", 256, 1e-3, 8192, "plain", null)]
    [InlineData("7b-1-align", 256, 2e-5, 8192, "qwen2", 2e-5)]
    [InlineData("7b-2-finetune", 128, 2e-5, 8192, "qwen2", 2e-6)]
    [InlineData("8b-0-pretrain", 256, 1e-3, 4096, "plain", null)]
    [InlineData("8b-1-align", 256, 2e-5, 4096, "llama3", 2e-5)]
    [InlineData("8b-2-finetune", 128, 2e-5, 6144, "llama3", 2e-6)]
    public void The_hyper_parameters_are_those_of_the_reference(string name, int samples, double rate, int length, string template, double? visionRate)
    {
        LanguageSettings settings = Load(name);
        settings.Validate();
        settings.Loading.Check();
        Assert.Equal((samples, rate, length, template), (settings.Loading.BatchSize * settings.Accumulate, settings.LearningRate, settings.Loading.MaxLength, settings.Loading.Template));
        if (visionRate is { } expected) Assert.Equal(expected, settings.LearningRate * settings.VisionRateFactor, 1e-12);
        Assert.Equal((0.9, 0.999, 1e-8), (settings.Optimizer.Beta1, settings.Optimizer.Beta2, settings.Optimizer.Epsilon));
        Assert.Equal((1.0, 0.0, 0.0, 42), (settings.ClipNorm, settings.WeightDecay, settings.Dropout, settings.Seed));
        Assert.True(settings.BFloat16 && settings.GradientCheckpointing);
        Assert.Equal(!name.EndsWith("pretrain", StringComparison.Ordinal), settings.Loading.Group && settings.TrainLanguage);
        LearningRateSchedule schedule = settings.Schedule;
        Assert.Equal((long)Math.Ceiling(0.03 * settings.TotalSteps), schedule.WarmupSteps);
        Assert.Equal(rate, schedule.At(schedule.WarmupSteps), 1e-9);
        Assert.Equal(0, schedule.At(settings.TotalSteps - 1), 1e-12);
    }

    /// <summary>Millions of values of the vision tower and the projector, and how many of them learn in each stage.</summary>
    [Theory]
    [InlineData("3b", 675.76, 11.54, 359.42)]
    [InlineData("7b", 675.76, 25.70, 359.42)]
    public void What_learns_is_counted_on_the_shapes_of_the_full_model(string size, double vision, double projector, double upper)
    {
        PlannedPart[] pretrain = Parts($"{size}-0-pretrain"), align = Parts($"{size}-1-align"), finetune = Parts($"{size}-2-finetune");
        Assert.Equal(vision, pretrain[0].Values / 1e6, 0.01);
        Assert.Equal(projector, pretrain[1].Values / 1e6, 0.01);
        Assert.Equal([0, pretrain[1].Values, 0], pretrain.Select(p => p.Learning));
        Assert.Equal(upper, align[0].Learning / 1e6, 0.01); // blocks 16 to 31 and the merger
        Assert.Equal([align[1].Values, align[2].Values], align.Skip(1).Select(p => p.Learning));
        Assert.All(finetune, part => Assert.Equal(part.Values, part.Learning));
    }

    [Fact]
    public void The_llama_recipe_unfreezes_the_upper_blocks_of_its_tower()
    {
        PlannedPart[] pretrain = Parts("8b-0-pretrain"), align = Parts("8b-1-align"), finetune = Parts("8b-2-finetune");
        Assert.Equal([0, pretrain[1].Values, 0], pretrain.Select(p => p.Learning));
        Assert.InRange(pretrain[0].Values, 5_400_000_000, 6_000_000_000);
        Assert.InRange(align[0].Learning / (double)align[0].Values, 21 / 45.0 - 0.01, 21 / 45.0 + 0.01);
        Assert.All(finetune, part => Assert.Equal(part.Values, part.Learning));
    }

    private static LanguageSettings Load(string name) => StageConfig.Load<LanguageSettings>(Path.Combine(Repository.Root, "configs", "training", "official", name + ".yaml"));

    private static PlannedPart[] Parts(string name)
    {
        LanguageSettings settings = Load(name);
        settings.Model = Path.Combine(Repository.Root, settings.Model);
        return [.. TrainingPlan.Of(settings, vocabulary: 0, ranks: 8).Parts];
    }
}

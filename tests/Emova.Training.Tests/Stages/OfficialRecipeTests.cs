using Emova.Training.Infrastructure;
using Emova.Training.Modules;
using Emova.Training.Planning;
using Emova.Training.Stages;
using Emova.Training.Stages.Language;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests.Stages;

/// <summary>
/// The recipes of the official sizes: their hyper-parameters are those of the reference (table 7.2 of its training code), what learns is
/// counted on the shapes of the full-size model, and the Qwen models are built and trained for a step with all their blocks, but narrow.
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

    [Theory]
    [InlineData("3b-0-pretrain")]
    [InlineData("3b-1-align")]
    [InlineData("3b-2-finetune")]
    [InlineData("7b-0-pretrain")]
    [InlineData("7b-1-align")]
    [InlineData("7b-2-finetune")]
    public void A_step_changes_exactly_what_the_stage_trains(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        LanguageSettings settings = Load(name);
        TinyModelConfig full = TinyModelConfig.Load(Path.Combine(Repository.Root, settings.Model));
        TinyModelConfig narrow = full with
        {
            Vision = full.Vision with { EmbedDim = 16, NumHeads = 1, HiddenSize = 24, MlpRatio = 2 },
            Text = full.Text with { VocabSize = 50, HiddenSize = 32, IntermediateSize = 48, NumHiddenLayers = 3, NumAttentionHeads = 4, NumKeyValueHeads = 2, HeadDim = 8, MaxPositionEmbeddings = 64 },
        };
        random.manual_seed(4);
        using OmniModel model = new(narrow, new TwinOptions(settings.BFloat16, settings.Dropout, settings.GradientCheckpointing));
        Assert.Equal(full.Text.TieWordEmbeddings, model.Store.Parameters.All(p => p.Key != "lm_head.weight"));
        model.SetTrainable(settings.TrainLanguage, settings.TrainProjector, settings.TuneVisionFromLayer);
        AdamW optimizer = new(model.Store, weightDecay: settings.WeightDecay);
        optimizer.Apply(settings.Optimizer);
        Dictionary<string, float[]> before = model.Store.Parameters.ToDictionary(p => p.Key, p => ParameterStore.Values(p.Value).ToArray());

        Tensor features = model.Projector.Forward(model.Vision.Forward(randn(16, narrow.Vision.PatchDim), [(4, 4)]));
        Tensor ids = randint(0, 50, [1, 12], ScalarType.Int64);
        Tensor embeddings = cat([features.unsqueeze(0), model.Language.Embed(ids)], 1); // (1, 4 + 12, D)
        model.Language.Loss(model.Language.Hidden(embeddings), arange(4, 15, ScalarType.Int64), ids.flatten().narrow(0, 1, 11)).backward();
        optimizer.Step(1e-3, settings.ClipNorm);
        foreach ((string parameter, Tensor value) in model.Store.Parameters)
        {
            bool changed = !ParameterStore.Values(value).SequenceEqual(before[parameter]);
            Assert.True(changed == Learns(name, parameter), $"{parameter} {(changed ? "changed" : "did not change")}");
        }
    }

    private static bool Learns(string name, string parameter)
    {
        const string tower = "model.vision_tower.vision_tower.";
        if (parameter.Contains("mm_projector", StringComparison.Ordinal)) return true;
        if (name.EndsWith("pretrain", StringComparison.Ordinal)) return false;
        if (!parameter.StartsWith(tower, StringComparison.Ordinal) || name.EndsWith("finetune", StringComparison.Ordinal)) return true;
        string[] parts = parameter[tower.Length..].Split('.');
        return parts[0] == "merger" || (parts[0] == "blocks" && int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture) >= 16);
    }

    private static LanguageSettings Load(string name) => StageConfig.Load<LanguageSettings>(Path.Combine(Repository.Root, "configs", "training", "official", name + ".yaml"));

    private static PlannedPart[] Parts(string name)
    {
        LanguageSettings settings = Load(name);
        settings.Model = Path.Combine(Repository.Root, settings.Model);
        return [.. TrainingPlan.Of(settings, vocabulary: 0, ranks: 8).Parts];
    }
}

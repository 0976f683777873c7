using Emova.Text;
using Emova.Training.Data;
using Emova.Training.Distributed;
using Emova.Training.Infrastructure;
using Emova.Training.Modules;
using Emova.Training.Stages.Vision;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Stages.Language;

/// <summary>
/// One of the stages that run the language model: `language` (text only, from random weights), then the paper's `pretrain` (projector on
/// captions), `align` (pictures, speech to text, text to speech) and `finetune` (spoken dialogue). They differ in their settings alone.
/// </summary>
public static class LanguageStage
{
    private const string ConfigFile = "config.yaml";

    /// <summary>Trains or goes on training; true when the run is complete.</summary>
    /// <param name="name">name of the stage and, unless the settings give another, of its run folder</param>
    /// <param name="settings">its settings</param>
    /// <param name="data">corpus folder</param>
    /// <param name="runs">folder of all runs</param>
    /// <param name="output">progress</param>
    public static bool Run(string name, LanguageSettings settings, string data, string runs, TextWriter output)
    {
        if (settings.Mixture.Count == 0)
        {
            throw new EmovaException("mixture: at least one phase with tasks is needed");
        }

        using TinyCorpus corpus = TinyCorpus.Open(data);
        RunFolder folder = settings.OpenRun(runs, name);
        File.WriteAllText(Path.Combine(folder.Path, ConfigFile), StageConfig.ToYaml(settings));
        SpeechUnitsTable? units = settings.Speech ? SpeechUnitsTable.Open(data) : null;
        HuggingFaceTokenizer tokenizer = ProcessGroup.World.FirstThenOthers(() => OpenTokenizer(settings, corpus, units, folder, runs));
        TinyModelConfig config = TinyModelConfig.Load(settings.Model);
        config = config with { Text = config.Text with { VocabSize = tokenizer.VocabularySize } };
        output.WriteLine($"{tokenizer.VocabularySize} tokens{(units is null ? "" : $", {new SpeechVocabulary(tokenizer).Units.Count} of them speech units")}");

        random.manual_seed(settings.Seed);
        using OmniModel model = new(config, new TwinOptions(settings.BFloat16, settings.Dropout));
        settings.LoadStart(runs, model.Store);
        model.LoadVision(RunFolder.WeightsOf(runs, settings.VisionFrom));
        if (settings.ProjectorFrom is not null)
        {
            model.LoadProjector(RunFolder.WeightsOf(runs, settings.ProjectorFrom));
        }

        if (settings.LanguageFrom is not null)
        {
            model.LoadLanguage(RunFolder.WeightsOf(runs, settings.LanguageFrom));
        }

        model.SetTrainable(settings.TrainLanguage, settings.TrainProjector, settings.TuneVisionFromLayer);
        AdamW optimizer = new(model.Store, weightDecay: settings.WeightDecay)
        {
            RateFactor = parameter => parameter.StartsWith(VisionStage.WeightPrefix, StringComparison.Ordinal) ? settings.VisionRateFactor : 1,
        };

        PictureFeatures features = new(model, new ScenePictures(SceneRenderer.Open(settings.GlyphFolders), config.Vision.CreateImageProcessor()), settings.Seed, frozen: settings.TuneVisionFromLayer is null);
        LanguageStep step = new(model, features, new PictureNames(tokenizer));
        LanguageTask[] tasks = [.. Enum.GetValues<LanguageTask>().Where(t => settings.Speech || t <= LanguageTask.Picture)];
        SampleFactory trainFactory = new(corpus, units, tokenizer, "train", settings.PictureVariants);
        SampleMixture mixture = new(
            SamplePools.Create(tasks, corpus, units, trainFactory, "train", settings.MaxSamples, settings.CrowdedCaptions), settings.Mixture, settings.TokensPerStep, settings.TotalBatches, settings.Seed);
        Prefetcher<LanguageBatch> batches = new(s => LanguageBatch.Create(mixture.Batch(s)), ahead: 2, settings.TotalBatches);

        LanguageTask[] measured = [.. mixture.Shares(0).Keys.Union(mixture.Shares(settings.TotalBatches - 1).Keys).Where(t => t != LanguageTask.Sentence)];
        string validation = settings.MaxSamples > 0 ? "train" : "validation";
        SampleFactory validationFactory = new(corpus, units, tokenizer, validation);
        LanguageEvaluator evaluator = new(
            model, step, tokenizer, SamplePools.Create(measured, corpus, units, validationFactory, validation, settings.MaxSamples), corpus,
            settings.Speech ? UnitPhoneReader.Open(runs, settings.SpeechEncoder, settings.Model) : null, settings.ValidationSamples, settings.Seed);

        model.Language.train();
        return new TrainingLoop(folder, model.Store, optimizer, settings) { Unit = "tokens", Output = output }.Run(
            s => TrainStep(step, batches.Get(s), settings.NamingWeight),
            s => evaluator.Measure(withAnswers: s == settings.TotalSteps || s / settings.EvaluateEvery % settings.AnswersEvery == 0));
    }

    private static StepResult TrainStep(LanguageStep step, LanguageBatch batch, double namingWeight)
    {
        (Tensor losses, Tensor? naming) = namingWeight > 0 ? step.LossesAndNaming(batch) : (step.Losses(batch), null);
        using IDisposable noGrad = no_grad();
        List<KeyValuePair<string, Tensor>> metrics = [];
        foreach (LanguageTask task in batch.TargetTasks.Distinct())
        {
            long[] rows = [.. batch.TargetTasks.Index().Where(t => t.Item == task).Select(t => (long)t.Index)];
            metrics.Add(new(task.ToString(), losses.index_select(0, tensor(rows)).mean()));
        }

        if (naming is not null)
        {
            metrics.Add(new("naming", naming));
        }

        return new StepResult(Sum(losses, naming, namingWeight), metrics, batch.Tokens);
    }

    private static Tensor Sum(Tensor losses, Tensor? naming, double namingWeight)
    {
        using IDisposable grad = enable_grad();
        Tensor mean = losses.mean();
        return naming is null ? mean : mean.Plus(naming.Times(namingWeight));
    }

    /// <summary>The corpus tokenizer; with speech, the one the first stage with speech extended by the units in use.</summary>
    private static HuggingFaceTokenizer OpenTokenizer(LanguageSettings settings, TinyCorpus corpus, SpeechUnitsTable? units, RunFolder folder, string runs)
    {
        if (units is null)
        {
            return HuggingFaceTokenizer.Load(Path.Combine(corpus.Folder, "tokenizer.json"));
        }

        string path = Path.Combine(folder.Path, UnitTokenizer.FileName);
        if (!File.Exists(path))
        {
            string? inherited = settings.LanguageFrom is null ? null : Path.Combine(runs, settings.LanguageFrom, UnitTokenizer.FileName);
            if (inherited is not null && File.Exists(inherited))
            {
                File.Copy(inherited, path);
            }
            else
            {
                UnitTokenizer.Write(corpus, units, settings.MinUnitOccurrences, path);
            }
        }

        return HuggingFaceTokenizer.Load(path);
    }
}

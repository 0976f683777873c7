using System.Diagnostics;
using System.Globalization;
using Emova.Media;
using Emova.Text;
using Emova.Training.Data;
using Emova.Training.DataSets;
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
        if (settings.Mixture.Count == 0 && settings.Datasets.Count == 0)
        {
            throw new EmovaException("mixture: at least one phase with tasks is needed, or a list of datasets");
        }

        using TinyCorpus? corpus = settings.Mixture.Count > 0 ? TinyCorpus.Open(data) : null;
        RunFolder folder = settings.OpenRun(runs, name);
        File.WriteAllText(Path.Combine(folder.Path, ConfigFile), StageConfig.ToYaml(settings));
        SpeechUnitsTable? units = settings.Speech && corpus is not null ? SpeechUnitsTable.Open(data) : null;
        HuggingFaceTokenizer tokenizer = ProcessGroup.World.FirstThenOthers(() => OpenTokenizer(settings, corpus, units, folder, runs));
        TinyModelConfig config = TinyModelConfig.Load(settings.Model);
        config = config with { Text = config.Text with { VocabSize = tokenizer.VocabularySize } };
        output.WriteLine($"{tokenizer.VocabularySize} tokens{(units is null ? "" : $", {new SpeechVocabulary(tokenizer, [.. settings.UnitLevels]).Units.Count} of them speech units")}");

        random.manual_seed(settings.Seed);
        using OmniModel model = new(config, new TwinOptions(settings.BFloat16, settings.Dropout, settings.GradientCheckpointing));
        settings.LoadStart(runs, model.Store);
        model.LoadVision(RunFolder.WeightsOf(runs, settings.VisionFrom));
        if (settings.ProjectorFrom is not null)
        {
            model.LoadProjector(RunFolder.WeightsOf(runs, settings.ProjectorFrom));
        }

        if (settings.LanguageFrom is not null)
        {
            int known = settings.FreshUnits && corpus is not null ? HuggingFaceTokenizer.Load(TextTokenizer(corpus)).VocabularySize : int.MaxValue;
            model.LoadLanguage(RunFolder.WeightsOf(runs, settings.LanguageFrom), known);
        }

        settings.Lora.Validate();
        bool adapts = settings.Lora.Rank > 0;
        model.SetTrainable(settings.TrainLanguage && !adapts, settings.TrainProjector && !adapts, adapts ? null : settings.TuneVisionFromLayer);
        LanguageAdapter? adapter = adapts ? LanguageAdapter.Attach(model.Language, settings.Lora) : null;
        ParameterStore learning = adapter?.Store ?? model.Store;
        AdamW optimizer = new(learning, weightDecay: settings.WeightDecay)
        {
            RateFactor = parameter => parameter.StartsWith(VisionStage.WeightPrefix, StringComparison.Ordinal) ? settings.VisionRateFactor : 1,
        };

        Qwen2ImageProcessor processor = config.Vision.CreateImageProcessor();
        PictureFeatures features = new(
            model, corpus is null ? null : new ScenePictures(SceneRenderer.Open(settings.GlyphFolders), processor), settings.Seed, frozen: adapts || settings.TuneVisionFromLayer is null);
        LanguageStep step = new(model, features, corpus is null ? null : new PictureNames(tokenizer));
        List<Func<bool, List<KeyValuePair<string, double>>>> measures = [];
        SampleMixture? mixture = null;
        if (corpus is not null)
        {
            LanguageTask[] tasks = [.. Enum.GetValues<LanguageTask>().Where(t => settings.Speech || t <= LanguageTask.Picture)];
            SampleFactory trainFactory = new(corpus, units, tokenizer, "train", settings.PictureVariants, settings.UnitLevels);
            mixture = new SampleMixture(
                SamplePools.Create(tasks, corpus, units, trainFactory, "train", settings.MaxSamples, settings.CrowdedCaptions), settings.Mixture, settings.TokensPerStep, settings.TotalBatches, settings.Seed);
            LanguageTask[] measured = settings.Measure.Count > 0 ? [.. settings.Measure.Select(mixture.Named)] : [.. mixture.Shares(0).Keys.Union(mixture.Shares(settings.TotalBatches - 1).Keys).Where(t => t != LanguageTask.Sentence)];
            string validation = settings.MaxSamples > 0 ? "train" : "validation";
            SampleFactory validationFactory = new(corpus, units, tokenizer, validation, unitLevels: settings.UnitLevels);
            measures.Add(new LanguageEvaluator(
                model, step, tokenizer, SamplePools.Create(measured, corpus, units, validationFactory, validation, settings.MaxSamples), corpus,
                settings.Speech ? UnitPhoneReader.Open(runs, settings.SpeechEncoder, settings.Model) : null, settings.ValidationSamples, settings.Seed).Measure);
        }

        ConversationTemplate template = ConversationTemplate.Get(settings.Loading.Template);
        using DataSetMixture? dataSets = settings.Datasets.Count == 0 ? null : ProcessGroup.World.FirstThenOthers(() => new DataSetMixture(
            settings.Datasets, settings.Loading, new ExampleEncoder(tokenizer, template, processor, settings.Loading.MaxLength),
            folder.Path, settings.TokensPerStep, settings.Accumulate, settings.Seed, output));
        if (dataSets?.ValidationPools() is { Count: > 0 } pools)
        {
            LanguageEvaluator evaluator = new(model, step, tokenizer, pools, null, null, settings.ValidationSamples, settings.Seed, template.Key == "plain" ? null : template);
            measures.Add(withAnswers => [.. evaluator.Measure(withAnswers).Select(m => new KeyValuePair<string, double>(corpus is null ? m.Key : $"datasets_{m.Key}", m.Value))]);
        }

        BatchSchedule schedule = new(dataSets is null ? 0 : mixture is null ? 1 : settings.Loading.Share);
        Prefetcher<LanguageBatch> batches = new(Plan, dataSets is null ? 2 : settings.Loading.Ahead, settings.TotalBatches);
        model.Language.train();
        long began = Stopwatch.GetTimestamp();
        bool complete = new TrainingLoop(folder, learning, optimizer, settings)
        {
            Unit = "tokens", Output = output, SaveBatch = (s, path) => SaveBatch(Plan(s).Item2(), tokenizer, path),
        }.Run(
            s => TrainStep(step, batches.Get(s), settings.NamingWeight),
            measures.Count == 0 ? null : s => measures.SelectMany(measure => measure(s == settings.TotalSteps || s / settings.EvaluateEvery % settings.AnswersEvery == 0)));
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"waited {batches.Waited.TotalSeconds:F1} s for data in {Stopwatch.GetElapsedTime(began).TotalSeconds:F0} s of training"));
        if (dataSets?.Defects.Dropped > 0)
        {
            output.WriteLine($"{dataSets.Defects.Dropped} examples could not be used ({dataSets.Defects.Summary()}): {dataSets.DefectsPath}");
        }

        if (complete && adapter is not null)
        {
            string path = Path.Combine(folder.Path, LanguageAdapter.FolderName);
            adapter.Export(RunFolder.WeightsOf(runs, Path.GetFileName(folder.Path)), path, settings.LanguageFrom ?? "");
            output.WriteLine($"adapter written to {path}; use it with: emova chat --adapter {path}");
        }

        return complete;

        // The corpus makes its batches in order, the data sets on as many threads as wanted.
        (int, Func<LanguageBatch>) Plan(long batch)
        {
            (bool fromDataSets, long number) = schedule.At(batch);
            if (!fromDataSets)
            {
                return (0, () => LanguageBatch.Create(mixture!.Batch(number)));
            }

            int[] plan = dataSets!.Plan(number);
            return (1 + (int)(number % settings.Loading.Threads), () => dataSets.Make(number, plan));
        }
    }

    /// <summary>Writes a batch, one JSON object a row: its text, its token ids, and which tokens are predicted after which column.</summary>
    private static string SaveBatch(LanguageBatch batch, HuggingFaceTokenizer tokenizer, string path)
    {
        path += ".jsonl";
        CorpusJson.WriteLines(path, Enumerable.Range(0, batch.Rows).Select(row =>
        {
            int[] ids = [.. batch.Ids.Skip(row * batch.Columns).Take(batch.Columns).Select(id => (int)id)];
            var targets = batch.TargetRows.Zip(batch.Targets).Where(t => t.First / batch.Columns == row).Select(t => new { Column = t.First % batch.Columns, Token = t.Second });
            return new { Text = tokenizer.Decode(ids), Ids = ids, Targets = targets.ToArray() };
        }));
        return path;
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

    private static string TextTokenizer(TinyCorpus corpus) => Path.Combine(corpus.Folder, UnitTokenizer.FileName);

    /// <summary>The corpus tokenizer; with speech, the one the first stage with speech extended by the units in use.</summary>
    private static HuggingFaceTokenizer OpenTokenizer(LanguageSettings settings, TinyCorpus? corpus, SpeechUnitsTable? units, RunFolder folder, string runs)
    {
        if (settings.Loading.Tokenizer is { } given)
        {
            string source = Directory.Exists(given) ? Path.Combine(given, UnitTokenizer.FileName) : given, copy = Path.Combine(folder.Path, UnitTokenizer.FileName);
            HuggingFaceTokenizer chosen = HuggingFaceTokenizer.Load(source);
            File.Copy(source, copy, overwrite: true); // stages that go on from this one look for it here
            return chosen;
        }

        if (units is null && corpus is not null)
        {
            return HuggingFaceTokenizer.Load(TextTokenizer(corpus));
        }

        string path = Path.Combine(folder.Path, UnitTokenizer.FileName);
        if (!File.Exists(path))
        {
            string? inherited = settings.LanguageFrom is null || settings.FreshUnits ? null : RunFolder.FileOf(runs, settings.LanguageFrom, UnitTokenizer.FileName);
            if (inherited is not null && File.Exists(inherited))
            {
                File.Copy(inherited, path + ".tmp", overwrite: true);
                File.Move(path + ".tmp", path);
            }
            else
            {
                if (corpus is null || units is null)
                {
                    throw new EmovaException("loading.tokenizer: needed, because neither the corpus nor the run that this one starts from has one");
                }

                UnitTokenizer.Write(corpus, units, settings.MinUnitOccurrences, path);
            }
        }

        return HuggingFaceTokenizer.Load(path);
    }
}

using System.Globalization;
using Emova.Models.Language;
using Emova.Training.Infrastructure;
using Emova.Training.Modules;
using Emova.Training.Stages;
using Emova.Training.Stages.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Planning;

/// <summary>Training steps of a language stage on random tokens and pictures: as much memory and work as real ones, without a corpus.</summary>
internal sealed class SyntheticStep : IDisposable
{
    private readonly LanguageSettings _settings;
    private readonly TinyModelConfig _config;
    private readonly OmniModel _model;
    private readonly AdamW _optimizer;
    private long _steps;

    /// <param name="settings">the stage</param>
    /// <param name="vocabulary">tokens</param>
    /// <param name="rowLength">positions of a sample</param>
    public SyntheticStep(LanguageSettings settings, int vocabulary, int rowLength)
    {
        _settings = settings;
        TinyModelConfig config = TinyModelConfig.Load(settings.Model);
        _config = config with { Text = config.Text with { VocabSize = vocabulary } };
        Columns = rowLength;
        Rows = (int)Math.Max(1, settings.BatchTokens / rowLength);
        random.manual_seed(settings.Seed);
        _model = new OmniModel(_config, new TwinOptions(settings.BFloat16, settings.Dropout, settings.GradientCheckpointing));
        bool adapts = settings.Lora.Rank > 0;
        _model.SetTrainable(settings.TrainLanguage && !adapts, settings.TrainProjector && !adapts, adapts ? null : settings.TuneVisionFromLayer);
        _optimizer = new AdamW(adapts ? LanguageAdapter.Attach(_model.Language, settings.Lora).Store : _model.Store, weightDecay: settings.WeightDecay);
        _model.Language.train();
    }

    /// <summary>Samples of a batch.</summary>
    public int Rows { get; }

    /// <summary>Positions of a sample.</summary>
    public int Columns { get; }

    /// <summary>The most memory this process has taken so far.</summary>
    public static long PeakBytes => File.ReadLines("/proc/self/status").Where(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
        .Select(line => 1024 * long.Parse(line.AsSpan(6).Trim("\t kB"), NumberStyles.Integer, CultureInfo.InvariantCulture)).FirstOrDefault();

    /// <summary>One step: forward, backward, update. Returns the loss.</summary>
    public double Run()
    {
        using QuietHeap quiet = QuietHeap.Enter();
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(TrainingLoop.StepSeed(_settings.Seed, _steps++));
        long positions = (long)Rows * Columns;
        _optimizer.ZeroGradients();
        Tensor ids = randint(0, _config.Text.VocabSize, [Rows, Columns], ScalarType.Int64);
        Tensor embeddings = _model.Language.Embed(ids);
        if (_settings.TrainProjector || _settings.TuneVisionFromLayer is not null) embeddings = WithPictures(embeddings, positions / 2);
        Tensor targets = arange(positions / 2, positions, ScalarType.Int64); // answers are the second half of what is read
        Tensor loss = _model.Language.Loss(_model.Language.Hidden(embeddings), targets, ids.flatten().index_select(0, targets));
        loss.backward();
        _optimizer.Step(_settings.LearningRate, _settings.ClipNorm);
        return loss.item<float>();
    }

    /// <summary>Pictures of 5 x 5 cells in the place of about so many of the first positions.</summary>
    private Tensor WithPictures(Tensor embeddings, long cells)
    {
        const int side = 10, patches = side * side, cellsOfPicture = patches / 4;
        int pictures = (int)Math.Max(1, cells / cellsOfPicture);
        Tensor pixels = randn((long)pictures * patches, _config.Vision.PatchDim);
        (int, int)[] grids = [.. Enumerable.Repeat((side, side), pictures)];
        Tensor features = _settings.TuneVisionFromLayer is null || _settings.Lora.Rank > 0 ? Frozen(pixels, grids) : _model.Vision.Forward(pixels, grids);
        long width = embeddings.shape[2], count = Math.Min((long)pictures * cellsOfPicture, embeddings.numel() / width);
        Tensor projected = _model.Projector.Forward(features).narrow(0, 0, count);
        return embeddings.reshape(-1, width).index_copy(0, arange(count, ScalarType.Int64), projected).view(embeddings.shape);
    }

    private Tensor Frozen(Tensor pixels, (int, int)[] grids)
    {
        using IDisposable noGrad = no_grad();
        return _model.Vision.Forward(pixels, grids);
    }

    public void Dispose() => _model.Dispose();
}

using Emova.Training.DataSets;
using Emova.Training.Infrastructure;

namespace Emova.Training.Stages.Language;

/// <summary>Settings of the stages that run the language model: `language`, `pretrain`, `align` and `finetune`.</summary>
public sealed record LanguageSettings : LoopSettings
{
    /// <summary>Model description.</summary>
    public string Model { get; set; } = "configs/models/emova-tiny.json";

    /// <summary>Stage, or model folder, whose vision encoder is taken.</summary>
    public string VisionFrom { get; set; } = "vision";

    /// <summary>Stage, or model folder, whose projector is taken; null = random weights.</summary>
    public string? ProjectorFrom { get; set; }

    /// <summary>Stage, or model folder, whose language model and tokenizer are taken; null = random weights.</summary>
    public string? LanguageFrom { get; set; }

    /// <summary>Whether the language model learns.</summary>
    public bool TrainLanguage { get; set; } = true;

    /// <summary>Whether the projector learns.</summary>
    public bool TrainProjector { get; set; } = true;

    /// <summary>Train an adapter instead of the weights.</summary>
    public LoraSettings Lora { get; set; } = new();

    /// <summary>Blocks of the vision encoder from this one on learn too, with its merger; null = frozen.</summary>
    public int? TuneVisionFromLayer { get; set; }

    /// <summary>Learning rate of the vision encoder relative to the rest.</summary>
    public double VisionRateFactor { get; set; } = 0.1;

    /// <summary>Run of the speech encoder whose phone head reads written units when speech is measured.</summary>
    public string SpeechEncoder { get; set; } = "speech-encoder";

    /// <summary>Whether speech units are part of the vocabulary.</summary>
    public bool Speech { get; set; }

    /// <summary>Units that training utterances other than targets use less often share the token of a neighbor.</summary>
    public int MinUnitOccurrences { get; set; } = 20;

    /// <summary>Shares of the tasks over time.</summary>
    public List<MixturePhase> Mixture { get; set; } = [];

    /// <summary>Data sets to learn from instead of the corpus or, where there is a mixture too, beside it.</summary>
    public List<DataSetSettings> Datasets { get; set; } = [];

    /// <summary>How data sets become batches.</summary>
    public LoadingSettings Loading { get; set; } = new();

    /// <summary>Positions per batch, about.</summary>
    public int TokensPerStep { get; set; } = 2600;

    /// <summary>Keep only the input of each layer for the backward pass and compute the rest again: less memory, a third more time.</summary>
    public bool GradientCheckpointing { get; set; }

    /// <summary>Most positions of a batch.</summary>
    [YamlDotNet.Serialization.YamlIgnore]
    public long BatchTokens => Datasets.Count > 0 && Loading.BatchSize > 0 ? (long)Loading.BatchSize * Loading.MaxLength : TokensPerStep;

    public double Dropout { get; set; } = 0.1;

    public double WeightDecay { get; set; } = 0.05;

    /// <summary>Multiply in bfloat16.</summary>
    public bool BFloat16 { get; set; } = true;

    /// <summary>Drawings of each picture; all but the first are in changed colors.</summary>
    public int PictureVariants { get; set; } = 2;

    /// <summary>Folders of further drawing styles, see `emova-train glyphs`; the variants after the first take turns in them.</summary>
    public List<string> GlyphFolders { get; set; } = [];

    /// <summary>
    /// Part of the captions that list everything on a crowded picture composed anew, as the stage `language` tells pictures in words: up
    /// to eight names per picture instead of one or two.
    /// </summary>
    public double CrowdedCaptions { get; set; }

    /// <summary>Weight of the loss that puts what a cell of a picture shows near its words, see <see cref="PictureNames"/>; 0 = off.</summary>
    public double NamingWeight { get; set; }

    /// <summary>Validation samples per task.</summary>
    public int ValidationSamples { get; set; } = 64;

    /// <summary>Tasks to measure, by name; none = those of the mixture at the start and at the end.</summary>
    public List<string> Measure { get; set; } = [];

    /// <summary>Makes a tokenizer for the units of this corpus and begins with random embeddings for them, instead of those of <see cref="LanguageFrom"/>.</summary>
    public bool FreshUnits { get; set; }

    /// <summary>Levels per digit of the units in the corpus, 4096 units by default; further digits add units.</summary>
    public List<int> UnitLevels { get; set; } = [8, 8, 8, 8];

    /// <summary>Answers are measured at every n-th evaluation and at the end; likelihoods always.</summary>
    public int AnswersEvery { get; set; } = 2;

    /// <summary>Use only so many samples per task, for a quick check that a stage can learn them by heart; 0 = all.</summary>
    public int MaxSamples { get; set; }
}

namespace Emova.Training.DataSets;

/// <summary>A data set in the settings of a stage: an element of the list <c>datasets</c>.</summary>
public sealed record DataSetSettings
{
    /// <summary>File or folder.</summary>
    public string Path { get; set; } = "";

    /// <summary>A name of <see cref="DataSetFormat"/>; auto = what the files look like.</summary>
    public string Format { get; set; } = DataSetFormat.Auto;

    /// <summary>Folder of the pictures; null = the usual one of the format.</summary>
    public string? Images { get; set; }

    /// <summary>How often each example is seen per epoch: 2 = twice, 0.5 = a random half.</summary>
    public double Weight { get; set; } = 1;

    /// <summary>For recordings: folder of their units, converted at the start where they are missing; null = below the run folder.</summary>
    public string? Units { get; set; }

    /// <summary>For recordings and units: both, transcribe or speak.</summary>
    public SpeechTasks Tasks { get; set; } = SpeechTasks.Both;
}

/// <summary>How data sets become batches: the section <c>loading</c>.</summary>
public sealed record LoadingSettings
{
    /// <summary>Part of the batches that comes from the data sets where a mixture of the corpus is given too (0 to 1).</summary>
    public double Share { get; set; } = 0.5;

    /// <summary>Conversation template: qwen2, llama3, deepseek, plain (captions only), …</summary>
    public string Template { get; set; } = "qwen2";

    /// <summary>Folder or file of the tokenizer; null = that of the run or of the corpus.</summary>
    public string? Tokenizer { get; set; }

    /// <summary>Longest sequence, pictures included; what is longer is cut on the right as the reference does, and left out where nothing to learn remains.</summary>
    public int MaxLength { get; set; } = 2048;

    /// <summary>Examples per batch, sorted into batches as the reference does; 0 = by <c>tokens_per_step</c>.</summary>
    public int BatchSize { get; set; }

    /// <summary>Put several examples in one row, each seeing only itself.</summary>
    public bool Packing { get; set; }

    /// <summary>Keep batches to one modality and examples of similar length.</summary>
    public bool Group { get; set; } = true;

    /// <summary>Threads that read and tokenize.</summary>
    public int Threads { get; set; } = 2;

    /// <summary>Batches that are prepared in advance.</summary>
    public int Ahead { get; set; } = 4;

    /// <summary>Part of the examples that is kept for measuring (0 to 0.5).</summary>
    public double Validation { get; set; } = 0.01;

    /// <summary>Model folder whose encoder turns recordings into units.</summary>
    public string SpeechModel { get; set; } = "models/emova-tiny";

    /// <exception cref="EmovaException">A value is out of range.</exception>
    public void Check()
    {
        Require(Share is > 0 and <= 1, nameof(Share), Share, "more than 0, at most 1");
        Require(MaxLength is >= 16 and <= 1 << 20, nameof(MaxLength), MaxLength, "16 to 1048576");
        Require(BatchSize is >= 0 and <= 65536, nameof(BatchSize), BatchSize, "0 to 65536");
        Require(Threads is >= 1 and <= 64, nameof(Threads), Threads, "1 to 64");
        Require(Ahead is >= 1 and <= 64, nameof(Ahead), Ahead, "1 to 64");
        Require(Validation is >= 0 and <= 0.5, nameof(Validation), Validation, "0 to 0.5");

        static void Require(bool holds, string name, object value, string range)
        {
            if (!holds)
            {
                throw new EmovaException(FormattableString.Invariant($"loading.{System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(name)} {value}: expected {range}"));
            }
        }
    }
}

namespace Emova.Training.DataSets;

/// <summary>The formats of data sets by name, and how to tell them apart.</summary>
public static class DataSetFormat
{
    public const string Auto = "auto";
    public const string Llava = "llava";
    public const string Parquet = "parquet";
    public const string Vqa = "vqa";
    public const string Units = "units";
    public const string LibriSpeech = "librispeech";
    public const string CommonVoice = "common-voice";
    public const string SpeechFolder = "speech-folder";

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> All { get; } = [Auto, Llava, Parquet, Vqa, Units, LibriSpeech, CommonVoice, SpeechFolder];

    /// <summary>The format of a data set: the one that is named, or what its files look like.</summary>
    /// <exception cref="EmovaException">There is nothing there, the name is unknown, or the files tell nothing.</exception>
    public static string Resolve(string path, string format)
    {
        if (!All.Contains(format))
        {
            throw new EmovaException($"format '{format}' is unknown; known: {string.Join(", ", All)}");
        }

        if (!Directory.Exists(path) && !File.Exists(path))
        {
            throw new EmovaException($"{path}: there is no such data set");
        }

        return format == Auto ? Detect(path) : format;
    }

    /// <summary>Whether a data set holds recordings, which become units before a model can learn from them.</summary>
    public static bool HoldsRecordings(string path, string format) =>
        format is LibriSpeech or CommonVoice or SpeechFolder || (format == Parquet && ParquetRecords.HoldsSpeech(ParquetRecords.Files(path)[0]));

    /// <summary>Opens a data set of conversations.</summary>
    /// <param name="path">where it is</param>
    /// <param name="format">a name other than auto</param>
    /// <param name="pictures">folder of the pictures, or null for the usual one</param>
    /// <param name="cache">folder for what is kept between runs</param>
    /// <param name="tasks">what to ask of speech units</param>
    /// <exception cref="EmovaException">It is not of the format.</exception>
    public static IExampleSource Open(string path, string format, string? pictures, string cache, SpeechTasks tasks = SpeechTasks.Both) => format switch
    {
        Llava => new LlavaDataSet(path, pictures),
        Parquet => new ParquetPack(path, cache),
        Vqa => new QuestionDataSet(path, pictures),
        Units => new UnitsDataSet(path, tasks),
        _ => throw new EmovaException($"{path}: recordings ({format}) have to become units first: emova-train units --in {path} --out FOLDER"),
    };

    private static string Detect(string path)
    {
        if (File.Exists(path))
        {
            return Path.GetExtension(path).ToLowerInvariant() switch
            {
                ".json" when Path.GetFileName(path).Contains("questions", StringComparison.Ordinal) => Vqa,
                ".json" or ".jsonl" => Llava,
                ".parquet" => Parquet,
                ".tsv" => CommonVoice,
                _ => throw new EmovaException($"{path}: its name tells no format; give one of {string.Join(", ", All)}"),
            };
        }

        bool Has(string pattern, SearchOption depth = SearchOption.TopDirectoryOnly) => Directory.EnumerateFiles(path, pattern, depth).Any();
        return File.Exists(Path.Combine(path, UnitShards.InfoFile)) ? Units
            : Has("*.parquet", SearchOption.AllDirectories) ? Parquet
            : Has("*.trans.txt", SearchOption.AllDirectories) ? LibriSpeech
            : Has("validated.tsv") ? CommonVoice
            : Has("*questions*.json") && Has("*annotations*.json") ? Vqa
            : Has("metadata.csv") || Has("metadata.jsonl") ? SpeechFolder
            : Has("*.json") || Has("*.jsonl") ? Llava
            : ((string[])["*.wav", "*.flac", "*.mp3"]).Any(p => Has(p, SearchOption.AllDirectories)) ? SpeechFolder
            : throw new EmovaException($"{path}: its files tell no format; give one of {string.Join(", ", All)}");
    }
}

using System.Text.Json;
using System.Text.Json.Serialization;

namespace Emova.Evaluation.Reports;

/// <summary>Everything one evaluation run found out.</summary>
/// <param name="Suite">Name of the suite.</param>
/// <param name="Command">The command that repeats the run.</param>
/// <param name="Seed">Seed of sampling and intervals.</param>
/// <param name="Machine">Processor count, operating system, runtime.</param>
/// <param name="Figures">The measurements.</param>
/// <param name="Skipped">Part to reason: what could not be measured here.</param>
/// <param name="Seconds">Part to wall-clock seconds.</param>
public sealed record Report(
    string Suite,
    string Command,
    int Seed,
    string Machine,
    IReadOnlyList<Figure> Figures,
    IReadOnlyDictionary<string, string> Skipped,
    IReadOnlyDictionary<string, double> Seconds)
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
    };

    private static readonly JsonSerializerOptions OnOneLine = new(Options) { WriteIndented = false };

    /// <summary>What was answered wrong. Not part of the report's JSON: <see cref="ReportFiles.Write"/> puts it into a file of its own.</summary>
    [JsonIgnore]
    public IReadOnlyList<Mistake> Mistakes { get; init; } = [];

    /// <summary>The mistakes, a JSON object per line.</summary>
    public string MistakesToJsonLines() =>
        string.Concat(Mistakes.Select(mistake => JsonSerializer.Serialize(mistake, OnOneLine) + "\n"));

    public string ToJson() => JsonSerializer.Serialize(this, Options).ReplaceLineEndings("\n") + "\n";

    /// <exception cref="EmovaException">The file is missing or is not a report.</exception>
    public static Report Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<Report>(File.ReadAllText(path), Options) ?? throw new EmovaException($"{path}: empty report");
        }
        catch (Exception e) when (e is IOException or JsonException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{path}: not a readable evaluation report ({e.Message.Split('\n')[0]})", e);
        }
    }
}

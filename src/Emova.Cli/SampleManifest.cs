using System.Text.Json;

namespace Emova.Cli;

/// <summary>One picture with a spoken question, as listed in <c>samples/samples.json</c>.</summary>
/// <param name="Name">Short name.</param>
/// <param name="Picture">File name of the picture.</param>
/// <param name="Question">File name of the recording.</param>
/// <param name="Transcript">What is said in the recording.</param>
internal sealed record Sample(string Name, string Picture, string Question, string Transcript);

/// <summary>The shipped samples: <c>{"samples": [{"name", "picture", "question", "transcript"}, …]}</c>.</summary>
internal sealed record SampleManifest(IReadOnlyList<Sample> Samples)
{
    private const string FileName = "samples.json";

    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>Folder the files are in.</summary>
    public string Folder { get; private init; } = "";

    /// <summary>Reads the manifest of the given folder, or of the samples folder found upwards from here.</summary>
    public static SampleManifest Load(string? folder)
    {
        string found = folder ?? ModelLocator.FindUpwards("samples", candidate => File.Exists(Path.Combine(candidate, FileName)))
            ?? throw new EmovaException($"no samples: samples/{FileName} was not found from here upwards; use --samples DIR");
        string path = Path.Combine(found, FileName);
        try
        {
            SampleManifest? manifest = JsonSerializer.Deserialize<SampleManifest>(File.ReadAllText(path), Format);
            return manifest is { Samples.Count: > 0 } ? manifest with { Folder = found } : throw new EmovaException($"{path}: lists no samples");
        }
        catch (JsonException exception)
        {
            throw new EmovaException($"{path}: is no list of samples: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{path}: cannot be read: {exception.Message}", exception);
        }
    }

    public Sample Find(string? name) => name is null ? Samples[0] : Samples.FirstOrDefault(sample => sample.Name == name)
        ?? throw new EmovaException($"--sample {name}: is unknown; there are {string.Join(", ", Samples.Select(sample => sample.Name))}");

    public string PathOf(string file) => Path.Combine(Folder, file);
}

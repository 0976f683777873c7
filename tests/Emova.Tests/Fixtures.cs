using System.Text.Json;
using Emova.Checkpoints;
using Xunit;

namespace Emova.Tests;

/// <summary>
/// Golden cases: inputs, weights and outputs recorded from the reference implementation (tests/data/fixtures/README.md).
/// The variable EMOVA_FIXTURES names another one of the same layout,
/// whose cases are found by the beginning of their names. A case another folder lacks is skipped; the default folder lacks none.
/// </summary>
internal static class Fixtures
{
    /// <summary>What the names of all cases begin with; a test class runs every case of its kinds. Longer beginnings win.</summary>
    private static readonly string[] Kinds =
    [
        "anyres_preprocess", "clip_tower", "conversation", "emova_e2e", "fsq", "internvit", "llm", "projectors", "qwen2vit", "release_shapes",
        "reply_parsing", "s2u", "siglip_tower", "smart_resize", "splice", "splice_anyres", "text_normalizers", "u2s_discriminator_full",
        "u2s_discriminator_losses", "u2s_modules", "u2s_synth",
    ];

    private static readonly string DefaultFolder = Path.Combine(Repository.Root, "tests", "data", "fixtures");
    private static readonly Lazy<string> RootFolder = new(FindRoot);

    public static string Root => RootFolder.Value;

    /// <summary>Whether the cases are those of the repository.</summary>
    public static bool IsDefault => Root == DefaultFolder;

    /// <summary>Names of all cases.</summary>
    public static IEnumerable<string> AllCases => Directory.EnumerateDirectories(Root).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal);

    /// <summary>The cases of some kinds; for theories with <c>SkipTestWithoutData</c>.</summary>
    public static TheoryData<string> Cases(params string[] kinds)
    {
        TheoryData<string> cases = [.. AllCases.Where(name => kinds.Contains(KindOf(name)))];
        return cases.Count > 0 || !IsDefault ? cases : throw new DirectoryNotFoundException($"{Root} has no case of {string.Join(", ", kinds)}");
    }

    /// <summary>The kind a case belongs to, or null when no test reads cases of that name.</summary>
    public static string? KindOf(string name) =>
        Kinds.Where(kind => name.StartsWith(kind, StringComparison.Ordinal)).MaxBy(kind => kind.Length);

    public static FixtureCase Open(string name) => new(Existing(name));

    /// <summary>Path of a file inside a case.</summary>
    public static string File(string name, string file)
    {
        string folder = Existing(name);
        GoldenErrors.Visit(name);
        return Path.Combine(folder, file);
    }

    private static string Existing(string name)
    {
        string folder = Path.Combine(Root, name);
        if (!Directory.Exists(folder) && !IsDefault)
            Assert.Skip($"{Root} has no case {name}");
        return folder;
    }

    private static string FindRoot()
    {
        if (Environment.GetEnvironmentVariable("EMOVA_FIXTURES") is not { Length: > 0 } configured)
            return DefaultFolder;
        foreach (string candidate in (string[])[configured, Path.Combine(Repository.Root, configured)])
        {
            if (Directory.Exists(candidate))
                return Path.GetFullPath(candidate);
        }

        throw new DirectoryNotFoundException($"EMOVA_FIXTURES={configured}: no such folder");
    }
}

/// <summary>One golden case: a folder with config.json, inputs, outputs and weights.</summary>
internal sealed class FixtureCase : IDisposable
{
    private readonly Dictionary<string, SafetensorsFile> files = [];
    private readonly JsonDocument? config;

    public FixtureCase(string folder)
    {
        Folder = folder;
        string configPath = Path.Combine(folder, "config.json");
        config = File.Exists(configPath) ? JsonDocument.Parse(File.ReadAllText(configPath)) : null;
        GoldenErrors.Visit(Name);
    }

    public string Folder { get; }

    public string Name => Path.GetFileName(Folder);

    public JsonElement Config => config?.RootElement ?? throw new FileNotFoundException($"{Folder} has no config.json");

    public SafetensorsFile Inputs => Load("inputs.safetensors");

    public SafetensorsFile Outputs => Load("outputs.safetensors");

    /// <summary>The weights, which may be those of another case: <c>"weights": "../u2s_synth/weights.safetensors"</c> in config.json.</summary>
    public SafetensorsFile Weights => Load(
        config is not null && Config.TryGetProperty("weights", out JsonElement path) && path.ValueKind == JsonValueKind.String ? path.GetString()! : "weights.safetensors");

    public string PathOf(string file) => Path.Combine(Folder, file);

    /// <summary>Dimensions of an expected output.</summary>
    public int[] ShapeOf(string output) => [.. Outputs.Tensors[output].Shape.Select(size => checked((int)size))];

    /// <summary>Asserts that values equal a recorded output; reports the worst element. Returns the largest absolute error.</summary>
    public double AssertClose(string output, ReadOnlySpan<float> actual, double absolute, double relative = 0) =>
        AssertClose(output, Outputs.ReadFloat32(output), actual, absolute, relative);

    /// <summary>Asserts that values equal a part of a recorded output.</summary>
    public double AssertClose(string output, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double absolute, double relative = 0)
    {
        double error = Closeness.Assert($"{Name}/{output}", expected, actual, absolute, relative, out double share);
        GoldenErrors.Record(Name, output, error, share);
        return error;
    }

    public void Dispose()
    {
        config?.Dispose();
        foreach (SafetensorsFile file in files.Values)
            file.Dispose();
    }

    private SafetensorsFile Load(string name)
    {
        if (!files.TryGetValue(name, out SafetensorsFile? file))
            files[name] = file = SafetensorsFile.Open(PathOf(name));
        return file;
    }
}

/// <summary>Comparison of float arrays with absolute and relative tolerance.</summary>
internal static class Closeness
{
    /// <summary>
    /// Requires |actual - expected| &lt;= absolute + relative * |expected| everywhere (two infinities of one sign are equal, NaN never is).
    /// Fails with the element that exceeds its tolerance most. Returns the largest absolute error.
    /// </summary>
    public static double Assert(
        string what, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double absolute, double relative = 0) =>
        Assert(what, expected, actual, absolute, relative, out _);

    /// <summary>As above; <paramref name="share"/> is the largest part of its tolerance that an element uses, 1 at the limit.</summary>
    public static double Assert(
        string what, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double absolute, double relative, out double share)
    {
        Xunit.Assert.True(expected.Length == actual.Length, $"{what}: expected {expected.Length} values, got {actual.Length}");
        int worst = -1;
        double worstExcess = 0, largest = 0;
        share = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i] == actual[i])
                continue;
            double error = Math.Abs((double)actual[i] - expected[i]), tolerance = absolute + relative * Math.Abs(expected[i]);
            double excess = double.IsNaN(error) ? double.PositiveInfinity : error - tolerance;
            largest = Math.Max(largest, double.IsNaN(error) ? double.PositiveInfinity : error);
            share = Math.Max(share, double.IsNaN(error) ? double.PositiveInfinity : error / tolerance);
            if (excess > worstExcess)
                (worst, worstExcess) = (i, excess);
        }

        if (worst >= 0)
        {
            Xunit.Assert.Fail(
                $"{what}: element {worst} of {expected.Length} is {actual[worst]:g9}, expected {expected[worst]:g9}; " +
                $"tolerance {absolute:g3} absolute + {relative:g3} relative, largest error {largest:g3}");
        }

        return largest;
    }
}

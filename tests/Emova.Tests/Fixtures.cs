using System.Text.Json;
using Emova.Checkpoints;

namespace Emova.Tests;

/// <summary>
/// Golden cases: inputs, weights and outputs recorded from the reference implementation (tests/data/fixtures/README.md).
/// The folder is found by walking up from the test program; the variable EMOVA_FIXTURES overrides it.
/// </summary>
internal static class Fixtures
{
    private static readonly Lazy<string> RootFolder = new(FindRoot);

    public static string Root => RootFolder.Value;

    public static FixtureCase Open(string name) => new(Path.Combine(Root, name));

    /// <summary>Path of a file directly below the fixtures or inside a case.</summary>
    public static string File(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string FindRoot()
    {
        if (Environment.GetEnvironmentVariable("EMOVA_FIXTURES") is { Length: > 0 } configured)
            return configured;
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = Path.Combine(folder.FullName, "tests", "data", "fixtures");
            if (Directory.Exists(candidate))
                return candidate;
        }

        throw new DirectoryNotFoundException($"no tests/data/fixtures above {AppContext.BaseDirectory}; set EMOVA_FIXTURES");
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
    }

    public string Folder { get; }

    public JsonElement Config => config?.RootElement ?? throw new FileNotFoundException($"{Folder} has no config.json");

    public SafetensorsFile Inputs => Load("inputs.safetensors");

    public SafetensorsFile Outputs => Load("outputs.safetensors");

    public SafetensorsFile Weights => Load("weights.safetensors");

    public string PathOf(string file) => Path.Combine(Folder, file);

    /// <summary>Dimensions of an expected output.</summary>
    public int[] ShapeOf(string output) => [.. Outputs.Tensors[output].Shape.Select(size => checked((int)size))];

    /// <summary>Asserts that values equal a recorded output; reports the worst element. Returns the largest absolute error.</summary>
    public double AssertClose(string output, ReadOnlySpan<float> actual, double absolute, double relative = 0) =>
        Closeness.Assert($"{Path.GetFileName(Folder)}/{output}", Outputs.ReadFloat32(output), actual, absolute, relative);

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
        string what, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double absolute, double relative = 0)
    {
        Xunit.Assert.True(expected.Length == actual.Length, $"{what}: expected {expected.Length} values, got {actual.Length}");
        int worst = -1;
        double worstExcess = 0, largest = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i] == actual[i])
                continue;
            double error = Math.Abs((double)actual[i] - expected[i]);
            double excess = double.IsNaN(error) ? double.PositiveInfinity : error - (absolute + relative * Math.Abs(expected[i]));
            largest = Math.Max(largest, double.IsNaN(error) ? double.PositiveInfinity : error);
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

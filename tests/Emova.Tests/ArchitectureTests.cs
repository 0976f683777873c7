using System.Xml.Linq;
using ArchUnitNET.Domain;
using ArchUnitNET.Loader;
using ArchUnitNET.xUnitV3;
using Emova.Evaluation.Metrics;
using Xunit;
using static ArchUnitNET.Fluent.ArchRuleDefinition;

namespace Emova.Tests;

/// <summary>
/// The layers of the runtime: Numerics, then Media, Text and Checkpoints side by side, then Models, Generation, and the assistant
/// on top. Lower layers do not know higher ones. The hub's client stands aside. <see cref="EmovaException"/> belongs to all of them.
/// </summary>
public sealed class ArchitectureTests
{
    private static readonly Architecture Loaded = new ArchLoader().LoadAssemblies(typeof(EmovaException).Assembly, typeof(EditDistance).Assembly).Build();

    [Theory]
    [InlineData("Numerics", "Media|Text|Checkpoints|Models|Generation")]
    [InlineData("Media", "Text|Checkpoints|Models|Generation")]
    [InlineData("Text", "Media|Checkpoints|Models|Generation")]
    [InlineData("Checkpoints", "Media|Text|Models|Generation")]
    [InlineData("Models", "Generation")]
    [InlineData("Hub", "Numerics|Media|Text|Checkpoints|Models|Generation")]
    [InlineData("(Numerics|Media|Text|Checkpoints|Models|Generation)", "Hub")]
    public void Lower_layers_do_not_know_higher_ones(string layer, string forbidden) =>
        Types().That().ResideInNamespaceMatching($@"^Emova\.{layer}(\.|$)")
            .Should().NotDependOnAny(Types().That().ResideInNamespaceMatching($@"^Emova\.({forbidden})(\.|$)"))
            .Check(Loaded);

    [Theory]
    [InlineData("Numerics")]
    [InlineData("Media")]
    [InlineData("Text")]
    [InlineData("Checkpoints")]
    [InlineData("Models")]
    [InlineData("Generation")]
    public void Nothing_below_knows_the_assistant(string layer) =>
        Types().That().ResideInNamespaceMatching($@"^Emova\.{layer}(\.|$)")
            .Should().NotDependOnAny(Types().That().ResideInNamespaceMatching("^Emova$").And().AreNot(typeof(EmovaException)))
            .Check(Loaded);

    [Fact]
    public void The_runtime_does_not_know_the_evaluation() =>
        Types().That().ResideInAssembly(typeof(EmovaException).Assembly)
            .Should().NotDependOnAny(Types().That().ResideInAssembly(typeof(EditDistance).Assembly))
            .Check(Loaded);

    [Theory]
    [InlineData("Emova", "")]
    [InlineData("Emova.Evaluation", "Emova")]
    [InlineData("Emova.Server", "Emova")]
    [InlineData("Emova.Extensions.AI", "Emova Emova.Server")]
    [InlineData("Emova.Cli", "Emova Emova.Evaluation Emova.Server")]
    [InlineData("Emova.Training", "Emova Emova.Evaluation")]
    public void Projects_point_downwards_only(string project, string references)
    {
        string[] found = [.. Items(project, "ProjectReference").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];
        Assert.Equal(references.Split(' ', StringSplitOptions.RemoveEmptyEntries), found);
    }

    [Fact]
    public void Only_the_training_brings_libtorch()
    {
        foreach (string project in (string[])["Emova", "Emova.Evaluation", "Emova.Server", "Emova.Cli"])
            Assert.DoesNotContain(Items(project, "PackageReference"), package => package.Contains("TorchSharp", StringComparison.OrdinalIgnoreCase));
        Assert.Contains("TorchSharp-cpu", Items("Emova.Training", "PackageReference"));
    }

    [Fact]
    public void The_runtime_calls_no_native_library_but_libc()
    {
        string[] imports = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "src", "Emova"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(File.ReadLines).Where(line => line.Contains("LibraryImport(", StringComparison.Ordinal) || line.Contains("DllImport(", StringComparison.Ordinal))];
        Assert.All(imports, line => Assert.Contains("\"libc\"", line, StringComparison.Ordinal));
    }

    [Fact]
    public void Source_files_stay_readable_in_one_sitting()
    {
        foreach (string folder in (string[])["src", "tests", "benchmarks"])
            foreach (string path in Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories))
                Assert.True(File.ReadLines(path).Count() <= 700, $"{Path.GetRelativePath(Repository.Root, path)} has more than 700 lines: split it by responsibility");
    }

    private static string[] Items(string project, string item) =>
        [.. XDocument.Load(Path.Combine(Repository.Root, "src", project, project + ".csproj")).Descendants(item).Select(element => (string)element.Attribute("Include")!)];
}

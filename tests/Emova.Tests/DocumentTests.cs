using System.Text.RegularExpressions;
using Emova.Evaluation.Reports;
using Xunit;

namespace Emova.Tests;

/// <summary>Documents must not rot: what they link to and the files they name exist.</summary>
public sealed partial class DocumentTests
{
    public static TheoryData<string> Documents =>
        [.. Directory.EnumerateFiles(Repository.Root, "*.md").Concat(Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(Repository.Root, path)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Links_lead_somewhere(string document)
    {
        string path = Path.Combine(Repository.Root, document);
        foreach (Match link in Link().Matches(File.ReadAllText(path)))
        {
            string target = link.Groups[1].Value.Split('#')[0];
            if (target.Length == 0 || target.Contains("://", StringComparison.Ordinal)) continue;
            string full = Path.Combine(Path.GetDirectoryName(path)!, target);
            Assert.True(File.Exists(full) || Directory.Exists(full), $"{document} links to {target}, which does not exist");
        }
    }

    [Fact]
    public void The_code_map_names_files_that_exist()
    {
        string[] sources = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(Path.Combine(Repository.Root, "tests"), "*.cs", SearchOption.AllDirectories)).Select(path => path.Replace('\\', '/'))];
        MatchCollection names = SourceName().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", "architecture.md")));
        Assert.True(names.Count > 20);
        foreach (Match name in names)
            Assert.True(sources.Any(source => source.EndsWith("/" + name.Groups[1].Value, StringComparison.Ordinal)), $"docs/architecture.md names {name.Groups[1].Value}, which does not exist");
    }

    [Fact]
    public void The_training_guide_names_every_configuration()
    {
        string guide = File.ReadAllText(Path.Combine(Repository.Root, "docs", "training.md"));
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Repository.Root, "configs", "training"), "*.yaml"))
            Assert.Contains($"`{Path.GetFileName(path)}`", guide, StringComparison.Ordinal);
    }

    [Fact]
    public void The_readme_shows_the_shipped_evaluation_and_nothing_typed_by_hand()
    {
        Report report = Report.Read(Path.Combine(Repository.Root, "models", "emova-tiny", "evaluation.json"));
        string readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        Assert.Equal(ReportWriter.Insert(readme, "README.md", ReportWriter.ToMarkdown(report)), readme);
    }

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`([A-Za-z/.]+\.cs)`")]
    private static partial Regex SourceName();
}

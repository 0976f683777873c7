using System.Text.RegularExpressions;
using Xunit;

namespace Emova.Tests;

/// <summary>No recorded case may be forgotten, and the document that shows the errors may not be out of date.</summary>
[Trait("Category", "Golden")]
public sealed partial class GoldenTests
{
    [Fact]
    public void EveryCaseIsOfAKindThatATestReads()
    {
        Assert.All(Fixtures.AllCases, name => Assert.True(Fixtures.KindOf(name) is not null, $"no test reads cases called {name}"));
        string[] sources = [.. Sources("*.cs").Select(File.ReadAllText)];
        foreach (string kind in Fixtures.AllCases.Select(name => Fixtures.KindOf(name)!).Distinct())
            Assert.True(sources.Any(source => CasesCall().Matches(source).Any(call => call.Value.Contains($"\"{kind}\"", StringComparison.Ordinal))), $"no test runs all cases of kind {kind}");
    }

    [Fact]
    public void ClassesWithGoldenCasesAreFoundByTheFilter()
    {
        foreach (string path in Sources("*Tests.cs"))
        {
            string source = File.ReadAllText(path);
            Assert.True(
                !source.Contains("=> Fixtures.Cases(", StringComparison.Ordinal) || source.Contains("[Trait(\"Category\", \"Golden\")]", StringComparison.Ordinal),
                $"{Path.GetFileName(path)} runs golden cases and needs [Trait(\"Category\", \"Golden\")]");
        }
    }

    [Fact]
    public void TheDocumentListsEveryCaseWithinItsTolerance()
    {
        if (!Fixtures.IsDefault)
            Assert.Skip("the document shows the cases of this repository");
        string document = File.ReadAllText(GoldenErrors.Document);
        int start = document.IndexOf(GoldenErrors.TableStart, StringComparison.Ordinal), end = document.IndexOf(GoldenErrors.TableEnd, StringComparison.Ordinal);
        Assert.True(start >= 0 && end > start, "docs/checkpoints.md has lost the marks of its table");
        (string Name, int Share)[] rows = [.. TableRow().Matches(document[start..end]).Select(row =>
            (row.Groups[1].Value, row.Groups[2].Success ? int.Parse(row.Groups[2].Value) : 0))];
        const string hint = "run: EMOVA_UPDATE_DOCS=1 dotnet test --project tests/Emova.Tests -c Release --filter-trait Category=Golden, then with tests/Emova.Training.Tests";
        Assert.True(Fixtures.AllCases.SequenceEqual(rows.Select(row => row.Name)), $"docs/checkpoints.md does not list the cases there are; {hint}");
        Assert.All(rows, row => Assert.True(row.Share <= 100, $"{row.Name}: {row.Share}%"));
    }

    // Cases that only training needs run where its libraries are.
    private static IEnumerable<string> Sources(string pattern) => ((string[])["Emova.Tests", "Emova.Training.Tests"]).SelectMany(
        project => Directory.EnumerateFiles(Path.Combine(Repository.Root, "tests", project), pattern, SearchOption.AllDirectories));

    [GeneratedRegex(@"Fixtures\.Cases\([^)]*\)")]
    private static partial Regex CasesCall();

    [GeneratedRegex(@"^\| ([a-z0-9_]+) \|[^|]*\|[^|]*\| (?:(\d+)%)? ?\|", RegexOptions.Multiline)]
    private static partial Regex TableRow();
}

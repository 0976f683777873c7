using Emova.Evaluation.Metrics;
using Emova.Evaluation.Reports;
using Xunit;

namespace Emova.Tests.Evaluation;

public sealed class ReportTests
{
    private static readonly Report Sample = new("tiny", "emova eval tiny", 1, "2 processors",
        [
            Figure.Percent("voice", "word errors", new Estimate(0.0512, 0.04, 0.06, 240), Target.Max(8), "judged by pocketsphinx"),
            Figure.Percent("pictures", "exact answers", new Estimate(0.9, 0.85, 0.95, 300), Target.Min(95)),
            new Figure("time", "first audio", 132.4, null, null, 20, "ms"),
        ],
        new Dictionary<string, string> { ["human"] = "install x" }, new Dictionary<string, double> { ["voice"] = 60 });

    [Fact]
    public void The_markdown_table_shows_value_interval_goal_and_whether_it_is_met()
    {
        string markdown = ReportWriter.ToMarkdown(Sample);
        Assert.Contains("| voice | word errors | 5.1 % | 4.0 to 6.0 | 240 | <= 8 % | yes |", markdown, StringComparison.Ordinal);
        Assert.Contains("| pictures | exact answers | 90.0 % | 85.0 to 95.0 | 300 | >= 95 % | no |", markdown, StringComparison.Ordinal);
        Assert.Contains("| time | first audio | 132 ms |  | 20 |  |  |", markdown, StringComparison.Ordinal);
        Assert.Contains("judged by pocketsphinx", markdown, StringComparison.Ordinal);
        Assert.Contains("not measured: human: install x", markdown, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_round_trips()
    {
        using var folder = new TemporaryFolder();
        string path = folder["report.json"];
        File.WriteAllText(path, Sample.ToJson());
        Report read = Report.Read(path);
        Assert.Equal(Sample.Figures, read.Figures);
        Assert.Equal(Sample.Skipped, read.Skipped);
        File.WriteAllText(path, "{ broken");
        Assert.Contains(path, Assert.Throws<EmovaException>(() => Report.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reports_are_written_into_a_folder_and_a_document()
    {
        using var folder = new TemporaryFolder();
        ReportFiles.Write(Sample, folder["new/eval"]);
        Assert.Equal(Sample.ToJson(), File.ReadAllText(folder["new/eval/evaluation.json"]));
        File.WriteAllText(folder["doc.md"], $"a\n{ReportWriter.BeginMarker}\n{ReportWriter.EndMarker}\nb\n");
        ReportFiles.RequireMarkers(folder["doc.md"]);
        ReportFiles.InsertTable(Sample, folder["doc.md"]);
        Assert.Contains("| voice | word errors | 5.1 % |", File.ReadAllText(folder["doc.md"]), StringComparison.Ordinal);
        Assert.Throws<EmovaException>(() => ReportFiles.RequireMarkers(folder["none.md"]));
    }

    [Fact]
    public void Plain_text_columns_line_up()
    {
        string[] lines = ReportWriter.ToPlainText(Sample).Split('\n');
        int value = lines[0].IndexOf("value", StringComparison.Ordinal) + "value".Length;
        Assert.Equal("5.1 %".Length, lines[1][..value].Length - lines[1][..value].LastIndexOf("5.1", StringComparison.Ordinal));
    }

    [Fact]
    public void Text_between_the_markers_is_replaced_and_the_rest_kept()
    {
        string document = $"before\n{ReportWriter.BeginMarker}\nold\n{ReportWriter.EndMarker}\nafter\n";
        string once = ReportWriter.Insert(document, "README.md", "new\n");
        Assert.Equal($"before\n{ReportWriter.BeginMarker}\nnew\n{ReportWriter.EndMarker}\nafter\n", once);
        Assert.Equal(once, ReportWriter.Insert(once, "README.md", "new\n"));
        Assert.Contains("README.md", Assert.Throws<EmovaException>(() => ReportWriter.Insert("none", "README.md", "x")).Message, StringComparison.Ordinal);
    }
}

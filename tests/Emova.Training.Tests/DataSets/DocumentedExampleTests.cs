using Emova.Training.DataSets;
using Emova.Training.Infrastructure;
using Emova.Training.Stages.Language;
using Xunit;

namespace Emova.Training.Tests.DataSets;

/// <summary>The examples of docs/datasets.md are what the readers read.</summary>
public sealed class DocumentedExampleTests : IDisposable
{
    private static readonly string Document = File.ReadAllText(Path.Combine(Repository.Root, "docs", "datasets.md"));

    private readonly DataSetFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_settings_are_settings()
    {
        LanguageSettings settings = StageConfig.Load<LanguageSettings>(_folder.Text(Block("yaml"), "mine.yaml"));
        Assert.Equal(3, settings.Datasets.Count);
        Assert.Equal(0.5, settings.Datasets[1].Weight);
        settings.Loading.Check();
    }

    [Fact]
    public void The_records_are_records()
    {
        _folder.Picture("cat.png");
        using LlavaDataSet data = new(_folder.Text(Block("json"), "train.json"));
        DefectList defects = new();
        DataSetExample[] examples = [.. data.Scan(defects).Select(e => e.Example)];
        Assert.Empty(defects.Listed);
        Assert.Equal([LanguageTask.Picture, LanguageTask.Transcribe], examples.Select(ExampleEncoder.TaskOf));
    }

    [Fact]
    public void Every_format_and_every_kind_of_defect_is_described()
    {
        Assert.All(DataSetFormat.All.Where(f => f != DataSetFormat.Auto), format => Assert.Contains($"| `{format}` |", Document, StringComparison.Ordinal));
        Assert.All(Enum.GetNames<DefectKind>(), kind => Assert.Contains($"| `{kind}` |", Document, StringComparison.Ordinal));
    }

    private static string Block(string language)
    {
        int start = Document.IndexOf($"```{language}\n", StringComparison.Ordinal) + language.Length + 4;
        return Document[start..Document.IndexOf("```", start, StringComparison.Ordinal)];
    }
}

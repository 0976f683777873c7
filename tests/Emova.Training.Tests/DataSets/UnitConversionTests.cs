using Emova.Media;
using Emova.Models.Speech;
using Emova.Text;
using Emova.Training.DataSets;
using Xunit;
using static Emova.Training.Tests.DataSets.DataSetFolder;

namespace Emova.Training.Tests.DataSets;

public sealed class UnitConversionTests : IDisposable
{
    private static readonly string Model = Path.Combine(Repository.Root, "models", "emova-tiny");

    private readonly DataSetFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_stopped_conversion_goes_on_and_gives_the_files_of_one_that_was_not()
    {
        string corpus = _folder.LibriSpeech("dev", [.. Enumerable.Range(0, 5).Select(i => ($"84-121123-000{i}", i == 3 ? "" : $"WORD NUMBER {i}"))], seconds: 0.4);
        string whole = _folder.File("whole", "x")[..^2], parts = _folder.File("parts", "x")[..^2];
        Assert.True(new UnitConversion(Model) { PerShard = 2, Threads = 2 }.Run(corpus, DataSetFormat.LibriSpeech, whole));

        using CancellationTokenSource stop = new();
        Assert.False(new UnitConversion(Model) { PerShard = 2, Progress = (done, _, _, _) => { if (done == 3) stop.Cancel(); } }.Run(corpus, DataSetFormat.LibriSpeech, parts, stop.Token));
        Assert.Contains("not finished", Assert.Throws<EmovaException>(() => new UnitsDataSet(parts, SpeechTasks.Both)).Message, StringComparison.Ordinal);
        Assert.True(new UnitConversion(Model) { PerShard = 2 }.Run(corpus, DataSetFormat.LibriSpeech, parts));
        foreach (string name in (string[])["units-00000.jsonl", "units-00001.jsonl", "units-00002.jsonl", "defects.jsonl"])
        {
            Assert.Equal(File.ReadAllText(Path.Combine(whole, name)), File.ReadAllText(Path.Combine(parts, name)));
        }

        // Another encoder's units, or another corpus, would not belong together.
        Assert.Contains("another", Assert.Throws<EmovaException>(() => new UnitConversion(Model) { PerShard = 3 }.Run(corpus, DataSetFormat.LibriSpeech, parts)).Message, StringComparison.Ordinal);

        using UnitsDataSet data = new(whole, SpeechTasks.Both);
        DefectList defects = new();
        DataSetExample[] examples = [.. data.Scan(defects).Select(e => e.Example)];
        Assert.Equal(8, examples.Length);
        Assert.Equal(DefectKind.EmptyText.ToString(), Assert.Single(defects.Listed).Kind);
        using Emova.Checkpoints.ModelFolder folder = Emova.Checkpoints.ModelFolder.Open(Model);
        AudioClip clip = SilenceTrimmer.Trim(AudioFile.Read(Path.Combine(corpus, "84", "121123", "84-121123-0000.flac")), 120);
        string units = SpeechVocabulary.ToText(SpeechUnits.Collapse(SpeechTokenizer.Load(folder).Encode(clip)).Units);
        Assert.Equal([SpeechPrompts.Transcribe + units, "word number 0"], examples[0].Messages.Select(m => m.Text));
        Assert.Equal([SpeechPrompts.Speak + "word number 0", units], examples[1].Messages.Select(m => m.Text));
    }
}

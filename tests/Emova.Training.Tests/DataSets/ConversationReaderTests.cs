using System.Text;
using System.Text.Json;
using Emova.Tests;
using Emova.Text;
using Emova.Training.DataSets;
using Xunit;

namespace Emova.Training.Tests.DataSets;

/// <summary>LLaVA-style JSON and the question data sets: what is read, and what is listed as broken.</summary>
public sealed class ConversationReaderTests : IDisposable
{
    private readonly DataSetFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("array")]
    [InlineData("lines")]
    public void Records_of_an_array_and_of_lines_are_the_same(string form)
    {
        _folder.Picture("images", "a.png");
        object[] records =
        [
            DataSetFolder.Conversation("1", "a.png", "<image>\nWhat is this?", "A square.", "Which color?", "Gray."),
            DataSetFolder.Conversation("2", null, "Say hello in Chinese.", "你好 – with \"quotes\" and \\ too"),
            new { id = 3, messages = new[] { new { role = "system", content = "be brief" }, new { role = "user", content = "hi" }, new { role = "assistant", content = "hello" } } },
        ];
        string text = form == "array" ? "\uFEFF [\n" + string.Join(" ,\n", records.Select(r => JsonSerializer.Serialize(r))) + "\n]\n" : string.Join("\r\n", records.Select(r => JsonSerializer.Serialize(r)));
        using LlavaDataSet data = new(_folder.Text(text, form == "array" ? "a.json" : "a.jsonl"), _folder.File("images"));
        DefectList defects = new();
        (long Key, DataSetExample Example)[] read = [.. data.Scan(defects)];
        Assert.Empty(defects.Listed);
        Assert.Equal(["1", "2", "3"], read.Select(r => r.Example.Id));
        Assert.Equal(["<image>\nWhat is this?", "A square.", "Which color?", "Gray."], read[0].Example.Messages.Select(m => m.Text));
        Assert.Equal((56, 84), read[0].Example.Picture!.Size());
        Assert.Equal("你好 – with \"quotes\" and \\ too", read[1].Example.Messages[1].Text);
        Assert.Equal(["hi", "hello"], read[2].Example.Messages.Select(m => m.Text));
        Assert.Equal(read[2].Example.Messages, data.Read(read[2].Key).Messages);
    }

    [Fact]
    public void Records_longer_than_a_block_and_a_broken_end_are_found_in_large_arrays()
    {
        Random random = new(3);
        string[] answers = [.. Enumerable.Range(0, 40).Select(i => new string((char)('a' + (i % 26)), random.Next(i % 7 == 0 ? 700_000 : 3000)) + "é")];
        StringBuilder text = new("[");
        text.AppendJoin(',', answers.Select((a, i) => JsonSerializer.Serialize(DataSetFolder.Conversation($"{i}", null, "q", a))));
        using LlavaDataSet data = new(_folder.Text(text.ToString() + ", {\"id\": 7, ", "big.json"));
        DefectList defects = new();
        (long Key, DataSetExample Example)[] read = [.. data.Scan(defects)];
        Assert.Equal(answers, read.Select(r => r.Example.Messages[1].Text));
        Assert.Equal(answers, read.Select(r => data.Read(r.Key).Messages[1].Text));
        Assert.Contains("rest of the file", Assert.Single(defects.Listed).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Broken_records_are_listed_with_their_reason_and_the_others_are_read()
    {
        object[] records =
        [
            DataSetFolder.Conversation("good", null, "q", "a"),
            DataSetFolder.Conversation("outside", "../../etc/passwd", "<image>\nq", "a"),
            DataSetFolder.Conversation("empty", null, "q", "  "),
            DataSetFolder.Conversation("placeholder", null, "<image>\nq", "a"),
            DataSetFolder.Conversation("twice", "x.png", "<image>\nq", "a", "<image>\nr", "b"),
            DataSetFolder.Conversation("drawn", "x.png", "q", "<image>"),
            DataSetFolder.Conversation("alone", null, "only a question"),
            new { id = "speakers", conversations = new[] { new { from = "human", value = "a" }, new { from = "human", value = "b" } } },
            new { id = "nothing" },
            new { id = "several", image = new[] { "a.png", "b.png" }, conversations = Array.Empty<int>() },
            42,
        ];
        using LlavaDataSet data = new(_folder.Json(records, "bad.json"));
        DefectList defects = new();
        Assert.Equal("good", Assert.Single(data.Scan(defects).ToArray()).Example.Id);
        Assert.Equal(10, defects.Dropped);
        Assert.Equal(2, defects.Counts[DefectKind.EmptyText]);
        Assert.Equal(8, defects.Counts[DefectKind.BadRecord]);
        Assert.All(defects.Listed, d => Assert.Contains("byte", d.Item, StringComparison.Ordinal));
    }

    [Fact]
    public void Escapes_of_re_encoded_answers_are_decoded_without_spoiling_other_letters() =>
        Assert.Equal("a\n\"é\" \u4F60 \\q \U0001F600\\", ConversationRecord.Unescape("a\\n\\\"é\\\" \\u4f60 \\\\q \\U0001F600\\"));

    /// <summary>Turns of the golden label cases and the golden placeholder cases come out of the reader as the reference would tokenize them.</summary>
    [Fact]
    public void Turns_become_what_the_reference_tokenizes()
    {
        using JsonDocument labels = JsonDocument.Parse(File.ReadAllText(Fixtures.File("conversation", "labels.json")));
        int read = 0;
        foreach (JsonProperty source in labels.RootElement.GetProperty("sources").EnumerateObject())
        {
            (string?, string?, bool)[] turns = [.. source.Value.GetProperty("conversations").EnumerateArray().Select(t => (t.GetProperty("from").GetString(), t.GetProperty("value").GetString(), false))];
            (string?, string? Text, bool)[] answered = turns.Length % 2 == 1 && turns[0].Item1 == "human" ? turns[..^1] : turns;
            bool pictured = turns.Any(t => t.Item2!.Contains("<image>", StringComparison.Ordinal));
            DataSetExample example;
            try
            {
                example = ConversationRecord.Create(source.Name, turns, pictured ? new PictureReference("p", "p.png") : null, null);
            }
            catch (DefectException)
            {
                continue;
            }

            Assert.Equal(answered.SkipWhile(t => t.Item1 != "human").Select(t => ImagePlaceholder.MoveToFront(t.Text!)), example.Messages.Select(m => m.Text));
            read++;
        }

        Assert.True(read >= 3, $"only {read} of the golden conversations could be read");
    }

    [Fact]
    public void Questions_take_the_answer_of_most_people_and_their_picture_by_number()
    {
        _folder.Json(new
        {
            data_subtype = "val2014",
            questions = new[] { Question(10, 42, "What color?"), Question(11, 7, "How many?"), Question(11, 7, "again"), Question(12, 7, "Unanswered?") },
        }, "v2_OpenEnded_mscoco_val2014_questions.json");
        _folder.Json(new
        {
            annotations = new object[]
            {
                new { question_id = 10, image_id = 42, multiple_choice_answer = "red", answers = Array.Empty<object>() },
                new { question_id = 11, image_id = 7, answers = ((string[])["two", "2", "2", "two", "2"]).Select(answer => new { answer }) },
            },
        }, "v2_mscoco_val2014_annotations.json");
        _folder.Picture("val2014", "COCO_val2014_000000000042.jpg");
        using IExampleSource data = DataSetFormat.Open(_folder.Path, DataSetFormat.Resolve(_folder.Path, "auto"), null, "");
        DefectList defects = new();
        DataSetExample[] read = [.. data.Scan(defects).Select(r => r.Example)];
        Assert.Equal(["10", "11"], read.Select(e => e.Id));
        Assert.Equal("<image>\nWhat color?\nAnswer the question using a single word or phrase.", read[0].Messages[0].Text);
        Assert.Equal(["red", "2"], read.Select(e => e.Messages[1].Text));
        Assert.Equal((56, 84), read[0].Picture!.Size());
        Assert.Equal(DefectKind.MissingFile, Assert.Throws<DefectException>(() => read[1].Picture!.Size()).Kind);
        Assert.Equal(1, defects.Counts[DefectKind.DuplicateId]);
        Assert.Equal(1, defects.Counts[DefectKind.EmptyText]);

        static object Question(int question_id, int image_id, string question) => new { question_id, image_id, question };
    }

    [Fact]
    public void Damaged_json_never_ends_a_scan()
    {
        byte[] good = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(Enumerable.Range(0, 3).Select(i => DataSetFolder.Conversation($"{i}", null, "what is this", "it is é"))));
        Random random = new(5);
        string path = _folder.File("fuzz.json");
        int usable = 0;
        for (int i = 0; i < 400; i++)
        {
            byte[] bad = [.. good];
            for (int k = random.Next(1, 4); k > 0; k--)
            {
                bad[random.Next(bad.Length)] = (byte)(random.Next(3) == 0 ? random.Next(256) : "[]{}\",:\\"[random.Next(8)]);
            }

            File.WriteAllBytes(path, bad[..(i % 3 == 0 ? random.Next(bad.Length) : bad.Length)]);
            using LlavaDataSet data = new(path);
            usable += data.Scan(new DefectList()).Count();
        }

        Assert.InRange(usable, 100, 1100);
    }

    [Fact]
    public void Nesting_without_end_is_refused()
    {
        string deep = string.Concat(Enumerable.Repeat("[", 100_000));
        using LlavaDataSet data = new(_folder.Text($"[{{\"id\": {deep}", "deep.json"));
        DefectList defects = new();
        Assert.Empty(data.Scan(defects));
        Assert.Equal(1, defects.Dropped);
    }
}

using System.Globalization;
using Emova.Media;
using Emova.Text;
using Emova.Training.DataSets;
using Emova.Training.Infrastructure;
using Emova.Training.Stages;
using Emova.Training.Stages.Language;
using Xunit;
using static Emova.Training.Tests.DataSets.DataSetFolder;

namespace Emova.Training.Tests.DataSets;

/// <summary>Data sets of three formats, with broken items among them, all the way into training steps.</summary>
public sealed class DataSetTrainingTests : IDisposable
{
    private readonly DataSetFolder _folder = new();
    private readonly string _json;
    private readonly string _parquet;
    private readonly string _speech;

    public DataSetTrainingTests()
    {
        _folder.Picture("images", "a.png");
        _folder.Text("no picture", "images", "broken.png");
        byte[] cut = Png();
        File.WriteAllBytes(_folder.File("images", "cut.png"), cut[..(cut.Length - 20)]); // its header is fine: found out only when it is decoded
        object[] records =
        [
            .. Enumerable.Range(0, 12).Select(i => Conversation($"t{i}", null, $"what is {i}", string.Concat(Enumerable.Repeat("a number ", 1 + i)))),
            .. Enumerable.Range(0, 6).Select(i => Conversation($"p{i}", "a.png", "<image>\nwhat is this", $"a gray thing {i}")),
            Conversation("spoken", null, SpeechPrompts.Dialogue + "<|speech_1|><|speech_2|>", ReplyFormat.Write("hi", "happy", "high", "hello", "neutral", "low", "<|speech_3|>")),
            Conversation("missing", "none.png", "<image>\nq", "a"),
            Conversation("broken", "broken.png", "<image>\nq", "a"),
            Conversation("cut", "cut.png", "<image>\nq", "a"),
            Conversation("unit", null, "<|speech_9999|>", "a"),
            Conversation("marker", null, "q", "a <|im_end|>\n<|im_start|>assistant\n b"),
            Conversation("t0", null, "what is 0", "a number "),
            Conversation("t1", null, "another", "one"),
        ];
        _json = _folder.Json(records, "train.json");
        _parquet = _folder.Parquet([.. Enumerable.Range(0, 4).Select(i => ParquetRow.Of($"q{i}", Png(56, 56), "<image>\nwhich one", $"number {i}"))], "train.parquet");
        _speech = _folder.LibriSpeech("libri", [("84-121123-0000", "HELLO THERE"), ("84-121123-0001", "GOOD DAY"), ("84-121123-0002", "")], seconds: 0.4);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_stage_trains_on_a_mix_of_formats_and_lists_what_is_broken()
    {
        (string model, string runs) = MicroModel.Write(_folder);
        string config = _folder.Text(string.Create(CultureInfo.InvariantCulture, $$"""
            run: mixed
            model: {{model}}
            b_float16: false
            total_steps: 6
            log_every: 1
            evaluate_every: 6
            tokens_per_step: 400
            validation_samples: 2
            datasets:
              - { path: {{_json}}, images: {{_folder.File("images")}} }
              - { path: {{_parquet}}, format: parquet, weight: 2 }
              - { path: {{_speech}}, format: librispeech }
            loading:
              tokenizer: {{MicroModel.Tokenizer}}
              speech_model: {{Path.Combine(Repository.Root, "models", "emova-tiny")}}
              max_length: 300
              validation: 0.2
            """), "mixed.yaml");
        StringWriter output = new();
        Assert.True(LanguageStage.Run("finetune", StageConfig.Load<LanguageSettings>(config), "nowhere", runs, output));
        string told = output.ToString();
        Assert.Contains("6/6", told, StringComparison.Ordinal);
        Assert.Contains("nll_Picture", told, StringComparison.Ordinal);
        Assert.Contains("waited", told, StringComparison.Ordinal);
        string[] defects = File.ReadAllLines(Path.Combine(runs, "mixed", "defects.jsonl"));
        foreach (string item in (string[])["missing", "broken", "t0", "84-121123-0002"])
        {
            Assert.Contains(defects, line => line.Contains(item, StringComparison.Ordinal));
        }

        Assert.Contains(defects, line => line.Contains("MissingFile", StringComparison.Ordinal));
        Assert.Contains(defects, line => line.Contains("\"used\":true", StringComparison.Ordinal)); // t1 again, with other words
    }

    [Fact]
    public void Packing_and_batches_by_size_train_too()
    {
        (string model, string runs) = MicroModel.Write(_folder);
        foreach (string mode in (string[])["packing: true", "batch_size: 3"])
        {
            string config = _folder.Text($"""
                run: {mode.Split(':')[0]}
                model: {model}
                b_float16: false
                total_steps: 2
                accumulate: 2
                tokens_per_step: 300
                datasets:
                  - path: {_json}
                    images: {_folder.File("images")}
                loading:
                  tokenizer: {MicroModel.Tokenizer}
                  max_length: 200
                  validation: 0
                  {mode}
                """, "mode.yaml");
            StringWriter output = new();
            Assert.True(LanguageStage.Run("finetune", StageConfig.Load<LanguageSettings>(config), "nowhere", runs, output), output.ToString());
        }
    }

    [Fact]
    public void Batches_follow_from_their_number_and_broken_examples_are_replaced()
    {
        DataSetSettings[] sets = [new() { Path = _json, Images = _folder.File("images") }, new() { Path = _parquet }];
        LoadingSettings loading = new() { Validation = 0, Threads = 2 };
        List<LanguageBatch[]> runs = [];
        for (int run = 0; run < 2; run++)
        {
            using DataSetMixture mixture = new(sets, loading, Encoder(), _folder.File("run", "x")[..^2], 300, 1, 7, TextWriter.Null);
            int[][] plans = [.. Enumerable.Range(0, 12).Select(i => mixture.Plan(i))];
            runs.Add([.. (run == 0 ? Enumerable.Range(0, 12) : Enumerable.Range(0, 12).Reverse()).Select(i => (i, Batch: mixture.Make(i, plans[i]))).OrderBy(b => b.i).Select(b => b.Batch)]);
            foreach (DefectKind kind in (DefectKind[])[DefectKind.MissingFile, DefectKind.BrokenPicture, DefectKind.BadUnits, DefectKind.BadRecord, DefectKind.DuplicateId])
            {
                Assert.True(mixture.Defects.Counts.ContainsKey(kind), $"no {kind}: {mixture.Defects.Summary()}");
            }
        }

        for (int i = 0; i < 12; i++)
        {
            Assert.Equal(runs[0][i].Ids, runs[1][i].Ids);
            Assert.Equal(runs[0][i].Targets, runs[1][i].Targets);
        }
    }

    [Fact]
    public void An_example_becomes_what_the_template_and_the_picture_processing_of_the_runtime_give()
    {
        HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Load(MicroModel.Tokenizer);
        PictureReference picture = new("a", _folder.File("images", "a.png"));
        DataSetExample example = ConversationRecord.Create(
            "x", [("human", "what is this <image>", false), ("gpt", "a gray thing", false), ("human", "say it", false), ("gpt", "<|speech_5|><|speech_77|>", false)], picture, null);
        TrainingSample sample = Encoder().Encode(example);
        SpeechVocabulary speech = new(tokenizer);
        string units = speech.ToLegalText([5, 77]);
        ConversationLabels expected = ConversationLabels.Build(
            ConversationTemplate.Qwen2,
            [new(ConversationRole.User, "<image>\nwhat is this"), new(ConversationRole.Assistant, "a gray thing"), new(ConversationRole.User, "say it"), new(ConversationRole.Assistant, units)], tokenizer);
        Assert.Equal(expected.Ids, sample.Ids);
        Assert.Equal(expected.Labels, sample.Labels);
        Assert.Equal(LanguageTask.SpokenPicture, sample.Task);
        ImagePatches patches = new Qwen2ImageProcessor().Process(picture.Load());
        Assert.Equal(patches.Rows, Assert.IsType<ReadPicture>(sample.Picture).Patches.Rows);
        Assert.Equal(patches.Count / 4, sample.PictureTokens);
        int estimate = Encoder().EstimateLength(example);
        Assert.InRange(estimate, 0.3 * sample.Length, 1.5 * sample.Length);

        // Cut on the right, where the answers are: left out once nothing to learn remains.
        Assert.Equal(60, Encoder(60).Encode(ConversationRecord.Create("l", [("human", "q", false), ("gpt", new string('x', 400), false)], null, null)).Length);
        Assert.Equal(DefectKind.TooLong, Assert.Throws<DefectException>(() => Encoder(20).Encode(example)).Kind);
    }

    [Fact]
    public void A_report_tells_lengths_languages_styles_and_what_is_broken()
    {
        DataSetReport report = DataSetReport.Create(_json, "auto", _folder.File("images"), Encoder());
        Assert.Equal("llava", report.Format);
        Assert.Equal(6, report.Kinds["picture"]);
        Assert.Equal(1, report.Kinds["spoken-reply"]);
        Assert.Equal(1, report.Styles["low pitch"]);
        Assert.Equal(3, report.Totals["unit tokens"]);
        Assert.Equal(1, report.Defects["missing-file"]);
        Assert.Equal(2, report.Defects["broken-picture"]);
        Assert.Equal(2, report.Defects["duplicate-id"]);
        Assert.True(report.Usable >= 20 && report.Dropped >= 5);
        string table = report.ToTable();
        foreach (string line in (string[])["picture tokens", "none.png", "Latin script", "duplicate-id 2"])
        {
            Assert.Contains(line, table, StringComparison.Ordinal);
        }

        DataSetReport recordings = DataSetReport.Create(_speech, "auto", null, Encoder());
        Assert.Equal((2, 1), (recordings.Usable, recordings.Dropped));
        Assert.Equal((2, 2), (recordings.Languages["en"], recordings.Styles["female"]));
        Assert.Equal(0.8, recordings.Totals["seconds"], 1e-3);
    }

    [Fact]
    public void Settings_and_paths_that_cannot_be_used_are_named()
    {
        string Fails(DataSetSettings set, LoadingSettings? loading = null) =>
            Assert.Throws<EmovaException>(() => new DataSetMixture([set], loading ?? new(), Encoder(), _folder.File("run", "x")[..^2], 300, 1, 1, TextWriter.Null).Dispose()).Message;
        Assert.Contains("no such data set", Fails(new() { Path = "nowhere" }), StringComparison.Ordinal);
        Assert.Contains("librispeech", Fails(new() { Path = _json, Format = "libri" }), StringComparison.Ordinal);
        Assert.Contains("weight", Fails(new() { Path = _json, Weight = -1 }), StringComparison.Ordinal);
        Assert.Contains("loading.max_length", Fails(new() { Path = _json }, new() { MaxLength = 3 }), StringComparison.Ordinal);
        Assert.Contains("not one usable", Fails(new() { Path = _folder.Text("[]", "empty.json") }), StringComparison.Ordinal);
        Assert.Contains("unknown", Assert.ThrowsAny<EmovaException>(() => StageConfig.Load<LanguageSettings>(_folder.Text("loading: { shares: 1 }", "bad.yaml"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lanes_make_their_data_beside_each_other_and_none_is_mixed_up()
    {
        using SemaphoreSlim both = new(0);
        Prefetcher<long> prefetcher = new(step => ((int)(step % 2), () =>
        {
            // Step 0 can only finish when step 1, on the other lane, has begun.
            if (step == 1) both.Release();
            if (step == 0) both.Wait(TestContext.Current.CancellationToken);
            return 10 * step;
        }), ahead: 3, lastStep: 9);
        Assert.Equal([0, 10, 20, 30, 40, 50, 60, 70, 80], Enumerable.Range(0, 9).Select(step => prefetcher.Get(step)));
    }

    private static ExampleEncoder Encoder(int maxLength = 2048) =>
        new(HuggingFaceTokenizer.Load(MicroModel.Tokenizer), ConversationTemplate.Qwen2, new Qwen2ImageProcessor(), maxLength);
}

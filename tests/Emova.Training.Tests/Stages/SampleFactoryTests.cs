using Emova.Text;
using Emova.Training.Data;
using Emova.Training.Stages.Language;
using Xunit;
using CorpusTokenizer = Emova.Training.Data.TokenizerFile;

namespace Emova.Training.Tests.Stages;

/// <summary>Samples of a corpus of one spoken dialogue: what the model sees must be what the runtime will show it.</summary>
public sealed class SampleFactoryTests : IDisposable
{
    private const string Chat = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n";
    private const string Answer = "<|im_end|>\n<|im_start|>assistant\n";

    private static readonly Dialogue Talk = new(
        "d", "followup",
        new Scene(140, 140, new SceneBackground([255, 255, 255], "plain", 1), [new SceneObject("emoji", "cat", null, [0, 56, 56, 112])]),
        [
            new DialogueTurn(new Remark("what is this", "neutral", "normal"), new Remark("this is a cat", "happy", "high")),
            new DialogueTurn(new Remark("and where is it", "sad", "normal"), new Remark("it is on the left", "neutral", "low")),
        ]);

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"emova-samples-{Guid.NewGuid():N}");
    private readonly TinyCorpus _corpus;
    private readonly SpeechUnitsTable _units;
    private readonly HuggingFaceTokenizer _tokenizer;
    private readonly SampleFactory _factory;

    public SampleFactoryTests()
    {
        Directory.CreateDirectory(_folder);
        string[] texts = [.. Talk.Turns.SelectMany(t => new[] { t.User.Text, t.Reply.Text })];
        CorpusJson.WriteLines(Path.Combine(_folder, "speech", "index.jsonl"), texts.Select((text, i) => new Utterance(
            $"u{i}", text, "slt", "female-neutral-normal", i % 2 == 0 ? "question" : "canonical", "train", "speech/000.pcm", 0, 1, ["ax"])));
        SpeechUnitsTable.Save(_folder, texts.Select((_, i) => new UnitsRecord($"u{i}", [i, i, 4000 + i, 7])));
        CorpusTokenizer.Train(texts.Select(t => (t, 1L)), 330).Save(Path.Combine(_folder, "tokenizer.json"));
        _corpus = TinyCorpus.Open(_folder);
        _units = SpeechUnitsTable.Open(_folder);
        string path = Path.Combine(_folder, "with-units.json");
        UnitTokenizer.Write(_corpus, _units, minOccurrences: 1, path);
        _tokenizer = HuggingFaceTokenizer.Load(path);
        _factory = new SampleFactory(_corpus, _units, _tokenizer, "train");
    }

    public void Dispose()
    {
        _corpus.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_spoken_conversation_shows_the_picture_once_and_predicts_whole_replies()
    {
        TrainingSample sample = _factory.Spoken(Talk, new Random(1));
        string first = ReplyFormat.Write("what is this", "neutral", "normal", "this is a cat", "happy", "high", "<|speech_1|><|speech_4001|><|speech_7|>");
        string second = ReplyFormat.Write("and where is it", "sad", "normal", "it is on the left", "neutral", "low", "<|speech_3|><|speech_4003|><|speech_7|>");
        string prompt = $"{Chat}<image>\n{SpeechPrompts.Dialogue}<|speech_0|><|speech_4000|><|speech_7|>{Answer}{first}<|im_end|>\n" +
            $"<|im_start|>user\n{SpeechPrompts.Dialogue}<|speech_2|><|speech_4002|><|speech_7|>{Answer}{second}<|im_end|>\n";
        Assert.Equal(ImagePlaceholder.Encode(prompt, _tokenizer), sample.Ids);
        Assert.Equal($"{first}<|im_end|>\n{second}<|im_end|>\n", Predicted(sample));
        Assert.Equal(LanguageTask.SpokenPicture, sample.Task);
        Assert.Equal(25, sample.PictureTokens);
        Assert.Equal(sample.Ids.Length + 24, sample.Length);
    }

    [Fact]
    public void A_cell_is_named_by_the_words_that_describe_the_object_at_its_center()
    {
        PictureNames names = new(_tokenizer);
        Scene scene = Talk.Scene! with { Objects = [.. Talk.Scene!.Objects, new SceneObject("shape", "star", "red", [84, 100, 140, 140])] };
        int[][] cells = names.Of(scene);
        Assert.Equal(25, cells.Length);
        Assert.Equal(_tokenizer.Encode(" cat middle left four"), cells[(3 * 5) + 1]); // center 28, 84: on the border, so the cell after it
        Assert.Equal(_tokenizer.Encode(" red star bottom right three"), cells[(4 * 5) + 4]);
        Assert.Equal(23, cells.Count(cell => ReferenceEquals(cell, names.Blank)));
        Assert.Equal("\n", _tokenizer.Decode(names.Blank));
    }

    [Fact]
    public void Speech_tasks_use_the_fixed_prompts_and_collapsed_units()
    {
        TrainingSample speak = _factory.Speak(_factory.Canonical("this is a cat"));
        Assert.Equal($"{Chat}{SpeechPrompts.Speak}this is a cat{Answer}<|speech_1|><|speech_4001|><|speech_7|><|im_end|>\n", _tokenizer.Decode(speak.Ids));
        Assert.Equal("<|speech_1|><|speech_4001|><|speech_7|><|im_end|>\n", Predicted(speak));
        TrainingSample transcribe = _factory.Transcribe(_corpus.Find("u0"), new Random(1));
        Assert.Equal($"{Chat}{SpeechPrompts.Transcribe}<|speech_0|><|speech_4000|><|speech_7|>{Answer}what is this<|im_end|>\n", _tokenizer.Decode(transcribe.Ids));
        Assert.Equal("what is this<|im_end|>\n", Predicted(transcribe));
    }

    [Fact]
    public void Captions_have_no_instruction_and_text_conversations_tell_the_picture_in_words()
    {
        TrainingSample caption = _factory.Caption(Talk, new Random(1));
        Assert.Equal(ImagePlaceholder.Id, caption.Ids[0]);
        Assert.Equal("this is a cat\n", _tokenizer.Decode(caption.Ids.Skip(1)));
        Assert.Equal("this is a cat\n", Predicted(caption));
        TrainingSample text = _factory.Conversation(Talk);
        Assert.Null(text.Picture);
        Assert.StartsWith($"{Chat}cat middle left four\nwhat is this{Answer}this is a cat", _tokenizer.Decode(text.Ids), StringComparison.Ordinal);
    }

    [Fact]
    public void Only_dialogues_whose_texts_were_rendered_and_encoded_are_spoken()
    {
        Assert.True(_factory.IsSpoken(Talk));
        Assert.False(_factory.IsSpoken(Talk with { Turns = [new DialogueTurn(new Remark("hello", "happy", "normal"), Talk.Turns[0].Reply)] }));
        Assert.False(new SampleFactory(_corpus, _units, _tokenizer, "validation").IsSpoken(Talk));
    }

    private string Predicted(TrainingSample sample) => _tokenizer.Decode(sample.Labels.Where(l => l != ConversationLabels.Ignore));
}

using System.Text.Json;
using Emova.Evaluation.Reports;
using Emova.Evaluation.Speech;
using Emova.Evaluation.Tiny;
using Emova.Media;
using Emova.Text;
using Xunit;

namespace Emova.Tests.Evaluation;

/// <summary>The suite on a tiny corpus, with a model that is always right and one that is always wrong.</summary>
public sealed class TinySuiteTests : IDisposable
{
    private static readonly string[] Styles = ["female-neutral-normal", "female-happy-high", "male-sad-low", "male-angry-normal"];

    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<int, (string Text, string Style, string[] Phones)> _bySamples = [];

    public TinySuiteTests() => WriteCorpus();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_perfect_model_reaches_every_goal()
    {
        Report report = await RunAsync(new Oracle(this, right: true));
        Assert.Equal(0, Value(report, "phone errors, training voices"));
        Assert.Equal(0, Value(report, "phone errors, unseen voices"));
        Assert.Equal(0, Value(report, "word errors, training voices"));
        Assert.Equal(100, Value(report, "streamed audio equals batch audio sample for sample"));
        Assert.Equal(100, Value(report, "24 styles recognized"));
        Assert.Equal(100, Value(report, "emotion found in mel bands by the same probe"));
        Assert.Equal(100, Value(report, "exact answers, typed"));
        Assert.Equal(100, Value(report, "exact answers about pictures, spoken"));
        Assert.Equal(100, Value(report, "emotion and pitch of the reply as labelled"));
        Assert.Equal(100, Value(report, "replies at temperature 1 that parse, with legal units only"));
        Assert.Equal(40, Value(report, "end of question to first audio, median"));
        Assert.Contains("pictures, another drawing style", report.Skipped.Keys);
        Assert.Equal(TinySuite.PartNames, report.Seconds.Keys);
    }

    [Fact]
    public async Task A_model_that_is_always_wrong_reaches_none()
    {
        Report report = await RunAsync(new Oracle(this, right: false), "speech-encoder", "transcribe", "pictures", "spoken", "sampled");
        Assert.Equal(100, Value(report, "phone errors, training voices"));
        Assert.Equal(100, Value(report, "word errors, training voices"));
        Assert.Equal(0, Value(report, "exact answers, typed"));
        Assert.Equal(0, Value(report, "exact answers about pictures, spoken"));
        Assert.Equal(0, Value(report, "emotion and pitch of the reply as labelled"));
        Assert.Equal(0, Value(report, "replies at temperature 1 that parse, with legal units only"));
        Assert.DoesNotContain(report.Figures, figure => figure.Part == "voice");
    }

    [Fact]
    public async Task Wrong_options_and_folders_are_one_line_errors()
    {
        var model = new Oracle(this, right: true);
        Assert.Contains("--only", (await Assert.ThrowsAsync<EmovaException>(() => RunAsync(model, "nonsense"))).Message, StringComparison.Ordinal);
        Assert.Contains("--limit", (await Assert.ThrowsAsync<EmovaException>(() => TinySuite.RunAsync(model, new TinyOptions { Limit = 0 }))).Message, StringComparison.Ordinal);
        string missing = _folder["nowhere"];
        EmovaException error = await Assert.ThrowsAsync<EmovaException>(() => TinySuite.RunAsync(model, new TinyOptions { Data = missing }));
        Assert.Contains(missing, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("<|speech_12|><|speech_4095|>", true)]
    [InlineData("<|speech_4096|>", false)]
    [InlineData("hello", false)]
    [InlineData("", false)]
    public void Only_legal_units_count_as_speech(string speech, bool legal) =>
        Assert.Equal(legal, SampledPart.IsLegal(Json("hi", "hello", "happy", "normal", speech)));

    [Theory]
    [InlineData("{}")]
    [InlineData("not json")]
    [InlineData("{\"user question text\": \"a\"}")]
    public void Other_texts_are_no_replies(string raw) => Assert.False(SampledPart.IsLegal(raw));

    [Fact]
    public void The_likelihood_of_a_phone_sequence_sums_over_its_alignments()
    {
        // Two frames, one phone and the blank, equal probabilities: "a" has the alignments aa, a-, -a; "" has --; "aa" has none.
        float[] logits = [0, 0, 0, 0];
        Assert.Equal(Math.Log(0.75), PhoneDecoder.LogLikelihood(logits, 2, [[0]]), 9);
        Assert.Equal(Math.Log(0.25), PhoneDecoder.LogLikelihood(logits, 2, []), 9);
        Assert.Equal(double.NegativeInfinity, PhoneDecoder.LogLikelihood(logits, 2, [[0], [0]]));
        Assert.Equal([0], PhoneDecoder.Greedy([5, 0, 5, 0, 0, 5], 2));
        Assert.Equal([0, 0], PhoneDecoder.Greedy([5, 0, 0, 5, 5, 0], 2));
    }

    private Task<Report> RunAsync(IEvaluatedModel model, params string[] only) =>
        TinySuite.RunAsync(model, new TinyOptions { Data = _folder.Folder, Only = only.Length == 0 ? null : only, SampledReplies = 5, PackageRoot = _folder["none"] });

    private static double Value(Report report, string name) => report.Figures.Single(figure => figure.Name == name).Value;

    private void WriteCorpus()
    {
        Directory.CreateDirectory(_folder["speech"]);
        Directory.CreateDirectory(_folder["dialogue"]);
        Directory.CreateDirectory(_folder["pictures/test"]);
        var index = new List<string>();
        using FileStream pcm = File.Create(_folder["speech/000.pcm"]);
        foreach (string split in (string[])["train", "test"])
            foreach (string text in (string[])["one red cat", "two blue dogs"])
            {
                foreach (string style in Styles)
                    for (int copy = 0; copy < (split == "train" ? 3 : 1); copy++)
                        Write(text, style, "styled", split);
                Write(text, Styles[0], "canonical", split);
                Write(text, Styles[0], "question", split);
                if (split == "test") Write(text, Styles[2], "unseen", split);
            }
        File.WriteAllLines(_folder["speech/index.jsonl"], index);
        string remark(string text) => $$"""{"text":"{{text}}","emotion":"neutral","pitch":"normal"}""";
        File.WriteAllLines(_folder["dialogue/test.jsonl"], ((string[])["one red cat", "two blue dogs"]).Select((text, i) =>
            $$"""{"id":"d{{i}}","task":"vqa","scene":{"width":1,"objects":[]},"turns":[{"user":{{remark(text)}},"reply":{{remark("a " + text)}}}]}"""));
        for (int i = 0; i < 2; i++)
            File.WriteAllBytes(_folder[$"pictures/test/d{i}.png"], Fuzz.Targets.ImageTarget.Seeds()[0]);

        void Write(string text, string style, string kind, string split)
        {
            // Every recording has its own length, by which the oracle knows it again.
            int samples = 12000 + 16 * index.Count;
            string[] phones = [.. text.Where(char.IsLetter).Select(c => c.ToString())];
            _bySamples[samples] = (text, style, phones);
            index.Add(JsonSerializer.Serialize(new { id = $"u{index.Count}", text, voice = "slt", style, kind, split, shard = "speech/000.pcm", offset = pcm.Position, samples, phones }));
            foreach (float value in Tone(style, samples)) pcm.Write(BitConverter.GetBytes((short)(value * 32767)));
        }
    }

    private static IEnumerable<float> Tone(string style, int samples)
    {
        int kind = Array.IndexOf(Styles, style);
        double hertz = 100 + 60 * kind, level = 0.05 + 0.05 * kind;
        for (int i = 0; i < samples; i++)
            yield return (float)(level * (Math.Sin(2 * Math.PI * hertz * i / 16000) + (0.2 + 0.2 * kind) * Math.Sin(2 * Math.PI * 20 * hertz * i / 16000)));
    }

    private static string Json(string heard, string text, string emotion, string pitch, string speech) => JsonSerializer.Serialize(new Dictionary<string, string>
    {
        [ReplyFormat.UserText] = heard, [ReplyFormat.UserEmotion] = "neutral", [ReplyFormat.UserPitch] = "normal",
        [ReplyFormat.ResponseText] = text, [ReplyFormat.ResponseEmotion] = emotion, [ReplyFormat.ResponsePitch] = pitch, [ReplyFormat.ResponseSpeech] = speech,
    });

    private sealed class Oracle(TinySuiteTests corpus, bool right) : IEvaluatedModel
    {
        private static readonly string[] Labels = [.. "one red cat two blue dogs".Where(char.IsLetter).Distinct().Order().Select(c => c.ToString())];

        public int[] Encode(float[] samples) => [.. corpus._bySamples[samples.Length].Text.Select(c => right ? c : 'x')];

        public float[] PhoneLogits(int[] units)
        {
            int classes = Labels.Length + 1;
            var logits = new float[2 * units.Length * classes];
            for (int i = 0; i < units.Length; i++)
            {
                int label = Array.IndexOf(Labels, ((char)units[i]).ToString());
                logits[2 * i * classes + (label >= 0 ? label : classes - 1)] = 9;
                logits[(2 * i + 1) * classes + classes - 1] = 9;
            }
            return logits;
        }

        public float[] Speak(int[] units, string style) => [.. Tone(right ? style : Styles[0], 12000)];

        public float[] SpeakStreamed(int[] units, string style) => Speak(units, style);

        public string Transcribe(float[] samples) => right ? corpus._bySamples[samples.Length].Text + "." : "";

        public IReadOnlyList<Reply> Converse(RgbImage? picture, IReadOnlyList<SpokenOrTyped> turns, float temperature, int seed)
        {
            Assert.NotNull(picture);
            string said = turns[0].Text ?? corpus._bySamples[turns[0].Speech!.Length].Text;
            string answer = right ? "a " + said : "no";
            return
            [
                new Reply
                {
                    Heard = turns[0].Speech is null ? null : said, Text = answer, Emotion = right ? "neutral" : "sad", Pitch = "normal",
                    Raw = right ? Json(said, answer, "neutral", "normal", "<|speech_1|>") : "broken",
                    Audio = new AudioClip([.. Tone(Styles[0], 12000)], 16000),
                    Timings = new ReplyTimings { FirstAudio = TimeSpan.FromMilliseconds(40), Total = TimeSpan.FromMilliseconds(100), AudioDuration = TimeSpan.FromSeconds(1) },
                },
            ];
        }
    }
}

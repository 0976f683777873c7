using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Text;
using Emova.Text;
using Xunit;

namespace Emova.Tests.Text;

[Trait("Category", "Golden")]
public sealed class ReplyFormatTests
{
    public static TheoryData<string> Cases => Fixtures.Cases("reply_parsing");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Parse_EveryGoldenReply_EqualsTheReference(string name)
    {
        int count = 0;
        foreach (JsonElement expected in Read(name).GetProperty("replies").EnumerateArray())
        {
            string reply = expected.GetProperty("reply").GetString()!;
            Compare(expected.GetProperty("serve_no_speaker"), ReplyFormat.Parse(reply));
            Compare(expected.GetProperty("serve_male"), ReplyFormat.Parse(reply, "Male"));
            Assert.Equal(expected.GetProperty("strict_json_with_all_keys").GetString() == "accepted", ReplyFormat.IsComplete(reply));
            Assert.Equal(expected.GetProperty("tts_units").GetString(), ReplyFormat.ToUnitText(reply));
            count++;
        }

        Assert.True(count >= (Fixtures.IsDefault ? 15 : 1));
    }

    /// <summary>The evaluation takes complete replies only: its share, what it hands to the judges, and the error of the recognized question.</summary>
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void EvaluationExtraction_EveryReply_EqualsTheReference(string name)
    {
        foreach (string subset in new[] { "extract_en", "extract_zh" })
        {
            JsonElement expected = Read(name).GetProperty(subset);
            JsonElement[] lines = [.. expected.GetProperty("input_lines").EnumerateArray()], annotations = [.. expected.GetProperty("annotations").EnumerateArray()];
            List<object> score = [], speech = [], classes = [];
            ErrorRate recognition = new(0, 0);
            for (int i = 0; i < lines.Length; i++)
            {
                string id = Text(lines[i], "id", "question_id"), reply = Text(lines[i], "pred", "text");
                if (!ReplyFormat.IsComplete(reply))
                    continue;
                ParsedReply parsed = ReplyFormat.Parse(reply);
                JsonElement annotation = annotations[i];
                string heard = Text(annotation, ReplyFormat.UserText), answer = Text(annotation, ReplyFormat.ResponseText);
                score.Add(new { id, gt_input = heard, gt_output = answer, pred_input = parsed.UserText, pred_output = parsed.ResponseText });
                speech.Add(new { id, input = parsed.ResponseText, output = SpeechVocabulary.ToText(parsed.Units) });
                classes.Add(new
                {
                    id, pred_input = parsed.UserText, pred_output = parsed.ResponseText, pred_output_emotion = ReplyFormat.ToVoicedEmotion(parsed.Emotion),
                    pred_output_pitch = parsed.Pitch, gt_output_emotion = ReplyFormat.ToVoicedEmotion(Text(annotation, ReplyFormat.ResponseEmotion)),
                    gt_output_pitch = Text(annotation, ReplyFormat.ResponsePitch),
                });
                recognition += subset == "extract_zh"
                    ? ErrorRate.OfChinese(heard, parsed.UserText!)
                    : ErrorRate.OfWords(TextCleaning.LowerWithoutPunctuation(heard), TextCleaning.LowerWithoutPunctuation(parsed.UserText!));
            }

            Same(expected.GetProperty("gpt_score"), score);
            Same(expected.GetProperty("tts_only"), speech);
            Same(expected.GetProperty("gpt_score_cls"), classes);
            double[] printed = [.. expected.GetProperty("printed").EnumerateArray().Select(line => double.Parse(line.GetString()!.Split(':')[^1], CultureInfo.InvariantCulture))];
            Assert.Equal(printed[0], (double)score.Count / lines.Length, 1e-12);
            Assert.Equal(printed[1], recognition.Rate, 1e-12);
        }

        static string Text(JsonElement element, params string[] keys) => keys.Select(key => element.TryGetProperty(key, out JsonElement value) ? value.GetString() : null).First(value => value is not null)!;
        static void Same(JsonElement expected, List<object> actual) => Assert.True(
            JsonElement.DeepEquals(expected, JsonSerializer.SerializeToElement(actual)), $"expected {expected}, got {JsonSerializer.Serialize(actual)}");
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Prompts_AreByteIdenticalToTheReference(string name)
    {
        JsonElement prompts = Read(name).GetProperty("prompts");
        Assert.Equal(SpeechPrompts.Transcribe, prompts.GetProperty("asr_format").GetString());
        Assert.Equal(SpeechPrompts.Speak, prompts.GetProperty("tts_format").GetString());
        Assert.Equal(SpeechPrompts.Dialogue, prompts.GetProperty("chat_format").GetString());
        Assert.Equal(628, SpeechPrompts.Dialogue.Length);
        Assert.Equal(
            "2d78a94edf4231877f53d64b21c7d8eb9d6a97768c3a8f6f3358deb5ba49a53b",
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(SpeechPrompts.Dialogue))));
    }

    [Fact]
    public void Write_ThenParse_GivesTheFieldsBack()
    {
        string reply = ReplyFormat.Write("say \"hi\"", "sad", "low", "你好, it's fine", "happy", "high", "<|speech_5|><|speech_4095|>");
        Assert.StartsWith("{\"user question text\": \"say \\\"hi\\\"\", \"user question emotion\": \"sad\"", reply, StringComparison.Ordinal);
        Assert.Contains("你好, it's fine", reply, StringComparison.Ordinal);
        Assert.True(ReplyFormat.IsComplete(reply));
        ParsedReply parsed = ReplyFormat.Parse(reply);
        Assert.Equal("say \"hi\"", parsed.UserText);
        Assert.Equal("你好, it's fine", parsed.ResponseText);
        Assert.Equal([5, 4095], parsed.Units);
    }

    private static void Compare(JsonElement expected, ParsedReply actual)
    {
        Assert.Equal(expected.GetProperty("content_unit").GetString(), actual.UnitText);
        Assert.Equal(expected.GetProperty("emotion").GetString(), actual.Emotion);
        Assert.Equal(expected.GetProperty("speed").GetString(), actual.Speed);
        Assert.Equal(expected.GetProperty("pitch").GetString(), actual.Pitch);
        Assert.Equal(expected.GetProperty("gender").GetString(), actual.Gender);
        Assert.Equal(expected.GetProperty("condition").GetString(), actual.Condition);
        Assert.Equal(expected.GetProperty("output").GetString(), actual.Output);
    }

    private static JsonElement Read(string name) => JsonDocument.Parse(File.ReadAllText(Fixtures.File(name, "cases.json"))).RootElement;
}

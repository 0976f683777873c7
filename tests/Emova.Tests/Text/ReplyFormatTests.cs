using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Emova.Text;
using Xunit;

namespace Emova.Tests.Text;

public sealed class ReplyFormatTests
{
    [Fact]
    public void Parse_EveryGoldenReply_EqualsTheReference()
    {
        int count = 0;
        foreach (JsonElement expected in Cases().GetProperty("replies").EnumerateArray())
        {
            string reply = expected.GetProperty("reply").GetString()!;
            Compare(expected.GetProperty("serve_no_speaker"), ReplyFormat.Parse(reply));
            Compare(expected.GetProperty("serve_male"), ReplyFormat.Parse(reply, "Male"));
            Assert.Equal(expected.GetProperty("strict_json_with_all_keys").GetString() == "accepted", ReplyFormat.IsComplete(reply));
            Assert.Equal(expected.GetProperty("tts_units").GetString(), ReplyFormat.ToUnitText(reply));
            count++;
        }

        Assert.Equal(15, count);
    }

    [Fact]
    public void Prompts_AreByteIdenticalToTheReference()
    {
        JsonElement prompts = Cases().GetProperty("prompts");
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

    private static JsonElement Cases() => JsonDocument.Parse(File.ReadAllText(Fixtures.File("reply_parsing", "cases.json"))).RootElement;
}

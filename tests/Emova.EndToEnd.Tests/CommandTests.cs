using System.Text.Json;
using Emova.Media;
using Xunit;

namespace Emova.EndToEnd.Tests;

/// <summary>Every command does its job as a process, on a model found in models/emova-tiny below the working folder.</summary>
public sealed class CommandTests(ModelFixture work) : IClassFixture<ModelFixture>
{
    [Fact]
    public void Demo_SampleFolder_AnswersAloudAndWritesReplyWav()
    {
        Directory.CreateDirectory(work["samples"]);
        File.Copy(work["picture.bmp"], Path.Combine(work["samples"], "one.bmp"), overwrite: true);
        File.Copy(work["question.wav"], Path.Combine(work["samples"], "one.wav"), overwrite: true);
        File.WriteAllText(
            Path.Combine(work["samples"], "samples.json"),
            """{"samples": [{"name": "one", "picture": "one.bmp", "question": "one.wav", "transcript": "what do you see"}]}""");

        EmovaResult result = EmovaProcess.Run(work.Folder, "demo", "--runs", "1");
        Assert.True(result.ExitCode == 0, result.Error);
        foreach (string part in (string[])["what do you see", "heard:", "answer:", "user sounds:", "answer sounds:", "first audio after:", "real-time factor:", "reply.wav"])
            Assert.Contains(part, result.Output, StringComparison.Ordinal);
        Assert.NotEmpty(WavFile.Read(work["reply.wav"]).Samples);

        EmovaResult unknown = EmovaProcess.Run(work.Folder, "demo", "--sample", "two");
        Assert.Equal(2, unknown.ExitCode);
        Assert.Contains("--sample two", unknown.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Chat_PictureAndSpeech_WritesJsonAndAudio()
    {
        EmovaResult result = EmovaProcess.Run(
            work.Folder, "chat", "--image", "picture.bmp", "--audio", "question.wav", "--out", "answer.wav", "--json", "--max-units", "40", "--voice", "male");
        Assert.True(result.ExitCode == 0, result.Error);
        JsonElement reply = JsonDocument.Parse(result.Output).RootElement;
        Assert.Equal("answer.wav", reply.GetProperty("audio").GetString());
        Assert.StartsWith("male-", reply.GetProperty("style").GetString(), StringComparison.Ordinal);
        Assert.InRange(reply.GetProperty("units").GetArrayLength(), 1, 40);
        AudioClip audio = WavFile.Read(work["answer.wav"]);
        Assert.Equal(reply.GetProperty("timings").GetProperty("audioMs").GetDouble(), audio.Duration.TotalMilliseconds, 0.01);
    }

    [Fact]
    public void Chat_Stream_WritesEventsThatAddUp()
    {
        EmovaResult result = EmovaProcess.Run(work.Folder, "chat", "--audio", "question.wav", "--json", "--stream", "--out", "streamed.wav", "--max-units", "30");
        Assert.True(result.ExitCode == 0, result.Error);
        JsonElement[] events = [.. result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
        JsonElement reply = events[^1];
        Assert.Equal("reply", reply.GetProperty("type").GetString());
        string text = string.Concat(events.Where(e => e.GetProperty("type").GetString() == "text").Select(e => e.GetProperty("text").GetString()));
        Assert.Equal(reply.GetProperty("text").GetString(), text);
        int samples = events.Where(e => e.GetProperty("type").GetString() == "audio").Sum(e => e.GetProperty("samples").GetInt32());
        Assert.Equal(WavFile.Read(work["streamed.wav"]).Samples.Length, samples);
    }

    [Fact]
    public void Chat_LinesFromStandardInput_AreTurnsOfOneConversation()
    {
        EmovaResult result = EmovaProcess.RunWithInput(
            work.Folder, "/audio question.wav\nwhat is this\n\n/reset\n/speak on\nwhat\n/quit\n",
            "chat", "--image", "picture.bmp", "--json", "--out", "turn.wav", "--max-units", "20");
        Assert.True(result.ExitCode == 0, result.Error);
        JsonElement[] replies = [.. result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal(3, replies.Length);
        Assert.Equal(["turn.wav", null, "turn-3.wav"], replies.Select(reply => reply.GetProperty("audio").GetString()));
        Assert.True(File.Exists(work["turn.wav"]) && File.Exists(work["turn-3.wav"]) && !File.Exists(work["turn-2.wav"]));
    }

    [Fact]
    public void Speak_Transcribe_Describe_Work()
    {
        EmovaResult spoken = EmovaProcess.Run(
            work.Folder, "speak", "the cat", "--style", "female-happy-high-slow", "--emotion-strength", "1.5", "--pitch-shift", "-2", "--speed", "1.1",
            "--out", "spoken.wav", "--max-units", "20", "--threads", "1");
        Assert.True(spoken.ExitCode == 0, spoken.Error);
        Assert.Contains("female-happy-high-slow", spoken.Output, StringComparison.Ordinal);
        Assert.NotEmpty(WavFile.Read(work["spoken.wav"]).Samples);

        EmovaResult heard = EmovaProcess.Run(work.Folder, "transcribe", "question.wav", "--json");
        Assert.True(heard.ExitCode == 0, heard.Error);
        Assert.NotEmpty(JsonDocument.Parse(heard.Output).RootElement.GetProperty("text").GetString()!);

        EmovaResult seen = EmovaProcess.Run(work.Folder, "describe", "picture.bmp", "picture.bmp", "--question", "what is this");
        Assert.True(seen.ExitCode == 0, seen.Error);
        Assert.StartsWith("picture.bmp\t", seen.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Encode_PipedIntoDecode_GivesSpeechBack()
    {
        EmovaResult encoded = EmovaProcess.Run(work.Folder, "encode", "question.wav");
        Assert.True(encoded.ExitCode == 0, encoded.Error);
        Assert.Equal(25, encoded.Output.Split(' ').Length);
        EmovaResult decoded = EmovaProcess.RunWithInput(work.Folder, encoded.Output, "decode", "-", "--out", "copy.wav", "--style", "male-sad-low");
        Assert.True(decoded.ExitCode == 0, decoded.Error);
        Assert.NotEmpty(WavFile.Read(work["copy.wav"]).Samples);

        EmovaResult tokens = EmovaProcess.Run(work.Folder, "encode", "question.wav", "--collapse", "--tokens");
        Assert.StartsWith("<|speech_", tokens.Output, StringComparison.Ordinal);
        Assert.Equal(0, EmovaProcess.RunWithInput(work.Folder, tokens.Output, "decode", "-", "--out", "copy2.wav").ExitCode);
    }

    [Fact]
    public void Inspect_And_Doctor_ReportTheModel()
    {
        EmovaResult inspected = EmovaProcess.Run(work.Folder, "inspect", "--tensors", "--json");
        Assert.True(inspected.ExitCode == 0, inspected.Error);
        JsonElement found = JsonDocument.Parse(inspected.Output).RootElement;
        Assert.True(found.GetProperty("parameters").GetInt64() > 10_000);
        Assert.Contains(found.GetProperty("tensors").EnumerateArray(), tensor => tensor.GetProperty("name").GetString() == "model.norm.weight");

        EmovaResult healthy = EmovaProcess.Run(work.Folder, "doctor", "--json");
        Assert.True(healthy.ExitCode == 0, healthy.Output + healthy.Error);
        Assert.True(JsonDocument.Parse(healthy.Output).RootElement.GetProperty("ok").GetBoolean());
        EmovaResult ill = EmovaProcess.Run(work.Folder, "doctor", "--model", "nowhere");
        Assert.Equal(1, ill.ExitCode);
        Assert.Contains("FAIL\tmodel", ill.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void SameSeed_GivesTheSameAnswer()
    {
        string Answer(string seed) => JsonDocument.Parse(EmovaProcess.Run(
            work.Folder, "chat", "--text", "what", "--temperature", "1", "--seed", seed, "--json").Output).RootElement.GetProperty("text").GetString()!;
        Assert.Equal(Answer("3"), Answer("3"));
        Assert.NotEqual(Answer("3"), Answer("4"));
    }

    [Theory]
    [InlineData("demo")]
    [InlineData("chat")]
    [InlineData("transcribe")]
    [InlineData("speak")]
    [InlineData("describe")]
    [InlineData("encode")]
    [InlineData("decode")]
    [InlineData("pull")]
    [InlineData("inspect")]
    [InlineData("doctor")]
    [InlineData("eval")]
    public void Help_EveryCommand_HasExamples(string command)
    {
        EmovaResult result = EmovaProcess.Run(work.Folder, command, "--help");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains($"  emova {command}", result.Output[result.Output.IndexOf("Examples:", StringComparison.Ordinal)..], StringComparison.Ordinal);
    }
}

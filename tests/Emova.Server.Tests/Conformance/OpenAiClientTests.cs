using System.ClientModel;
using System.Text;
using System.Text.Json;
using Emova.Media;
using OpenAI;
using OpenAI.Audio;
using OpenAI.Chat;
using OpenAI.Models;
using Xunit;

namespace Emova.Server.Tests.Conformance;

/// <summary>OpenAI's own .NET client for chat, speech and transcription against a running server: nothing but the address is changed.</summary>
public sealed class OpenAiClientTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    private const string Model = "emova-test";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private OpenAIClient Client => new(new ApiKeyCredential("unused"), new OpenAIClientOptions { Endpoint = new Uri(server.Client.BaseAddress!, "v1") });

    private ChatClient Talk => Client.GetChatClient(Model);

    private AudioClient Sound => Client.GetAudioClient(Model);

    [Fact]
    public async Task Models_are_listed()
    {
        OpenAIModelCollection models = (await Client.GetOpenAIModelClient().GetModelsAsync(Stop)).Value;
        Assert.Equal(Model, Assert.Single(models).Id);
    }

    [Fact]
    public async Task A_typed_question_is_answered()
    {
        ChatCompletion answer = (await Talk.CompleteChatAsync(
            [new SystemChatMessage("be brief"), new UserChatMessage("hello"), new AssistantChatMessage("hi"), new UserChatMessage("what is the cat")],
            new ChatCompletionOptions { MaxOutputTokenCount = 12, Temperature = 0 }, Stop)).Value;
        Assert.StartsWith("chatcmpl-", answer.Id, StringComparison.Ordinal);
        Assert.Equal((Model, ChatMessageRole.Assistant, ChatFinishReason.Length), (answer.Model, answer.Role, answer.FinishReason));
        Assert.NotEmpty(Assert.Single(answer.Content).Text);
        Assert.Equal(12, answer.Usage.OutputTokenCount);
        Assert.Equal(answer.Usage.TotalTokenCount, answer.Usage.InputTokenCount + answer.Usage.OutputTokenCount);
    }

    [Fact]
    public async Task A_streamed_answer_is_the_same_as_a_whole_one()
    {
        ChatCompletionOptions options = new() { MaxOutputTokenCount = 12 };
        string whole = (await Talk.CompleteChatAsync([new UserChatMessage("what is the cat")], options, Stop)).Value.Content[0].Text;
        StringBuilder streamed = new();
        ChatFinishReason? end = null;
        ChatTokenUsage? usage = null;
        await foreach (StreamingChatCompletionUpdate update in Talk.CompleteChatStreamingAsync([new UserChatMessage("what is the cat")], options, Stop))
        {
            streamed.AppendJoin("", update.ContentUpdate.Select(part => part.Text));
            end ??= update.FinishReason;
            usage ??= update.Usage;
        }

        Assert.Equal((whole, ChatFinishReason.Length, 12), (streamed.ToString(), end!.Value, usage!.OutputTokenCount));
    }

    /// <summary>A picture, a recording, and the answer aloud; then a question about that answer, which is named by its id alone.</summary>
    [Fact]
    public async Task A_spoken_question_about_a_picture_is_answered_aloud()
    {
        ChatCompletionOptions options = Spoken(ChatOutputAudioFormat.Wav);
        UserChatMessage question = new(
            ChatMessageContentPart.CreateImagePart(BinaryData.FromBytes(Realtime.TestPictures.Png()), "image/png"),
            ChatMessageContentPart.CreateInputAudioPart(BinaryData.FromBytes(Chat.Wav()), ChatInputAudioFormat.Wav));
        ChatCompletion answer = (await Talk.CompleteChatAsync([question], options, Stop)).Value;
        ChatOutputAudio audio = answer.OutputAudio;
        AudioClip clip = WavFile.Read(audio.AudioBytes.ToStream(), "answer");
        Assert.Equal(24000, clip.SampleRate);
        Assert.NotEmpty(clip.Samples);
        Assert.NotNull(audio.Transcript);
        Assert.True(audio.ExpiresAt > DateTimeOffset.UtcNow);
        Assert.True(answer.Usage.InputTokenDetails.AudioTokenCount > 0 && answer.Usage.OutputTokenDetails.AudioTokenCount > 0);

        ChatCompletion next = (await Talk.CompleteChatAsync([question, new AssistantChatMessage(answer), new UserChatMessage("and now")], options, Stop)).Value;
        Assert.NotEqual(audio.Id, next.OutputAudio.Id);
        ClientResultException unknown = await Assert.ThrowsAsync<ClientResultException>(async () => await Talk.CompleteChatAsync(
            [question, new AssistantChatMessage(new ChatOutputAudioReference("audio_gone")), new UserChatMessage("and now")], options, Stop));
        Assert.Equal(400, unknown.Status);
    }

    [Fact]
    public async Task Streamed_audio_adds_up_to_the_whole()
    {
        ChatOutputAudio whole = (await Talk.CompleteChatAsync([new UserChatMessage("what is the cat")], Spoken(ChatOutputAudioFormat.Pcm16), Stop)).Value.OutputAudio;
        List<StreamingChatOutputAudioUpdate> updates = [];
        await foreach (StreamingChatCompletionUpdate update in Talk.CompleteChatStreamingAsync([new UserChatMessage("what is the cat")], Spoken(ChatOutputAudioFormat.Pcm16), Stop))
        {
            if (update.OutputAudioUpdate is { } audio)
                updates.Add(audio);
        }

        Assert.Single(updates.Select(update => update.Id).Where(id => id is not null).Distinct());
        Assert.Equal(whole.Transcript, string.Concat(updates.Select(update => update.TranscriptUpdate)));
        Assert.Equal(whole.AudioBytes.ToArray(), updates.SelectMany(update => update.AudioBytesUpdate?.ToArray() ?? []));
        Assert.All(updates, update => Assert.Equal(0, (update.AudioBytesUpdate?.ToMemory().Length ?? 0) % 2));
        Assert.NotNull(updates[^1].ExpiresAt);
    }

    [Fact]
    public async Task Tools_are_called_and_their_results_read()
    {
        ChatTool weather = ChatTool.CreateFunctionTool("weather", "tells the weather", BinaryData.FromString("""{"type":"object","properties":{"city":{"enum":["rome","oslo"]}},"required":["city"]}"""));
        ChatCompletionOptions options = new() { Tools = { weather }, ToolChoice = ChatToolChoice.CreateFunctionChoice("weather"), MaxOutputTokenCount = 60 };
        UserChatMessage question = new("how is the weather");
        ChatCompletion asked = (await Talk.CompleteChatAsync([question], options, Stop)).Value;
        ChatToolCall call = Assert.Single(asked.ToolCalls);
        Assert.Equal("weather", call.FunctionName);
        Assert.Contains(JsonDocument.Parse(call.FunctionArguments).RootElement.GetProperty("city").GetString(), (string[])["rome", "oslo"]);

        StringBuilder arguments = new();
        string? name = null;
        await foreach (StreamingChatCompletionUpdate update in Talk.CompleteChatStreamingAsync([question], options, Stop))
        {
            foreach (StreamingChatToolCallUpdate piece in update.ToolCallUpdates)
            {
                name ??= piece.FunctionName;
                arguments.Append(piece.FunctionArgumentsUpdate?.ToString());
            }
        }

        Assert.Equal(("weather", call.FunctionArguments.ToString()), (name, arguments.ToString()));
        ChatCompletion told = (await Talk.CompleteChatAsync(
            [question, new AssistantChatMessage(asked), new ToolChatMessage(call.Id, "sunny")], new ChatCompletionOptions { MaxOutputTokenCount = 8 }, Stop)).Value;
        Assert.NotEmpty(told.Content);
    }

    [Fact]
    public async Task Answers_have_the_form_of_a_schema()
    {
        ChatCompletion answer = (await Talk.CompleteChatAsync([new UserChatMessage("a cat")], new ChatCompletionOptions
        {
            MaxOutputTokenCount = 60,
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat(
                "animal", BinaryData.FromString("""{"type":"object","properties":{"name":{"enum":["cat","dog"]}},"required":["name"],"additionalProperties":false}"""), jsonSchemaIsStrict: true),
        }, Stop)).Value;
        Assert.Contains(JsonDocument.Parse(answer.Content[0].Text).RootElement.GetProperty("name").GetString(), (string[])["cat", "dog"]);
    }

    [Fact]
    public async Task Text_becomes_speech_at_once_or_streamed()
    {
        SpeechGenerationOptions options = new() { ResponseFormat = GeneratedSpeechFormat.Pcm, SpeedRatio = 1.25f, Instructions = "Speak happily." };
        byte[] whole = (await Sound.GenerateSpeechAsync("the cat", GeneratedSpeechVoice.Nova, options, Stop)).Value.ToArray();
        Assert.NotEmpty(whole);
        List<byte> streamed = [];
        SpeechTokenUsage? usage = null;
        await foreach (StreamingSpeechUpdate update in await Sound.GenerateSpeechStreamingAsync("the cat", GeneratedSpeechVoice.Nova, options, Stop))
        {
            if (update is StreamingSpeechAudioDeltaUpdate delta)
                streamed.AddRange(delta.AudioBytes.ToArray());
            usage ??= (update as StreamingSpeechAudioDoneUpdate)?.Usage;
        }

        Assert.Equal(whole, streamed);
        Assert.True(usage!.OutputTokenCount > 0);
    }

    [Fact]
    public async Task Recordings_become_text_with_the_times_of_words()
    {
        AudioTranscription verbose = (await Sound.TranscribeAudioAsync(new MemoryStream(Chat.Wav()), "a.wav", new AudioTranscriptionOptions
        {
            ResponseFormat = AudioTranscriptionFormat.Verbose, TimestampGranularities = AudioTimestampGranularities.Word | AudioTimestampGranularities.Segment, Language = "en",
        }, Stop)).Value;
        Assert.Equal(1, verbose.Duration!.Value.TotalSeconds, 0.01);
        Assert.Equal(verbose.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries), verbose.Words.Select(word => word.Word));
        Assert.All(verbose.Words, word => Assert.InRange(word.EndTime, word.StartTime, verbose.Duration.Value));
        Assert.Single(verbose.Segments);
        string plain = (await Sound.TranscribeAudioAsync(new MemoryStream(Chat.Wav()), "a.wav", cancellationToken: Stop)).Value.Text;
        Assert.Equal(verbose.Text, plain);
        StringBuilder pieces = new();
        string? done = null;
        await foreach (StreamingAudioTranscriptionUpdate update in await Sound.TranscribeAudioStreamingAsync(new MemoryStream(Chat.Wav()), "a.wav", cancellationToken: Stop))
        {
            pieces.Append((update as StreamingAudioTranscriptionTextDeltaUpdate)?.Delta);
            done ??= (update as StreamingAudioTranscriptionTextDoneUpdate)?.Text;
        }

        Assert.Equal((plain, plain), (pieces.ToString().Trim(), done));
        Assert.NotNull((await Sound.TranslateAudioAsync(new MemoryStream(Chat.Wav()), "a.wav", cancellationToken: Stop)).Value.Text);
    }

    [Fact]
    public async Task Refusals_carry_their_status_and_the_parameter_s_name()
    {
        ClientResultException unsupported = await Assert.ThrowsAsync<ClientResultException>(async () =>
            await Talk.CompleteChatAsync([new UserChatMessage("a")], new ChatCompletionOptions { FrequencyPenalty = 1 }, Stop));
        Assert.Equal(400, unsupported.Status);
        Assert.Contains("frequency_penalty", unsupported.Message, StringComparison.Ordinal);
        ClientResultException mp3 = await Assert.ThrowsAsync<ClientResultException>(async () => await Sound.GenerateSpeechAsync("the cat", GeneratedSpeechVoice.Alloy, cancellationToken: Stop));
        Assert.Contains("response_format", mp3.Message, StringComparison.Ordinal);
        ClientResultException unknown = await Assert.ThrowsAsync<ClientResultException>(async () => await Client.GetChatClient("gpt-x").CompleteChatAsync([new UserChatMessage("a")], null, Stop));
        Assert.Equal(404, unknown.Status);
    }

    private static ChatCompletionOptions Spoken(ChatOutputAudioFormat format) => new()
    {
        ResponseModalities = ChatResponseModalities.Text | ChatResponseModalities.Audio, AudioOptions = new ChatAudioOptions(ChatOutputAudioVoice.Alloy, format), MaxOutputTokenCount = 2000,
    };
}

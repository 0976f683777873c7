using Emova.Extensions.AI;
using Emova.Media;
using Emova.Tests.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Emova.Server.Tests.Extensions;

/// <summary>The interfaces of Microsoft.Extensions.AI over a model with random weights.</summary>
public sealed class ClientTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    private static readonly ChatOptions Short = new() { MaxOutputTokens = 6 };

    [Fact]
    public async Task A_stream_is_the_answer_in_pieces()
    {
        using EmovaChatClient client = new(server.Engine);
        ChatResponse whole = await client.GetResponseAsync("hello", Short);
        ChatResponse pieces = await client.GetStreamingResponseAsync("hello", Short).ToChatResponseAsync();
        Assert.Equal(whole.Text, pieces.Text);
        Assert.Equal((ChatFinishReason.Length, ChatFinishReason.Length), (whole.FinishReason, pieces.FinishReason));
        Assert.Equal(6, whole.Usage!.OutputTokenCount);
        Assert.Equal(whole.Usage.TotalTokenCount, pieces.Usage!.TotalTokenCount);
        Assert.Equal(whole.Usage.TotalTokenCount, whole.Usage.InputTokenCount + whole.Usage.OutputTokenCount);
        Assert.Equal("emova-test", whole.ModelId);
    }

    [Fact]
    public async Task A_spoken_question_about_a_picture_is_answered_aloud()
    {
        using EmovaChatClient client = new(server.Engine);
        ChatMessage question = new(ChatRole.User, [new DataContent(Wav(), "audio/wav"), new DataContent(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Realtime", "rainbow.png")), "image/png")]);
        ChatResponse answer = await client.GetResponseAsync([question]);
        Assert.NotNull(answer.AdditionalProperties![EmovaProperties.Heard]);
        AudioClip audio = MediaContent.ReadAudio(answer.Messages[0].Contents.OfType<DataContent>().Single().Data, null);
        Assert.NotEmpty(audio.Samples);

        // The answer goes back as context word for word, units included.
        ChatResponse next = await client.GetResponseAsync([question, answer.Messages[0], new ChatMessage(ChatRole.User, "and now")], Short);
        Assert.True(next.Usage!.InputTokenCount > answer.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task Streamed_audio_is_the_whole_audio()
    {
        using EmovaTextToSpeechClient client = new(server.Engine);
        TextToSpeechOptions options = new() { VoiceId = "male-happy-low", Speed = 1.5f, AudioFormat = "pcm" };
        TextToSpeechResponse whole = await client.GetAudioAsync("hello", options);
        List<byte> pieces = [];
        await foreach (TextToSpeechResponseUpdate update in client.GetStreamingAudioAsync("hello", options))
        {
            foreach (DataContent audio in update.Contents.OfType<DataContent>())
            {
                Assert.StartsWith("audio/pcm;rate=", audio.MediaType, StringComparison.Ordinal);
                pieces.AddRange(audio.Data.ToArray());
            }
        }

        Assert.NotEmpty(pieces);
        Assert.Equal(whole.Contents.OfType<DataContent>().Single().Data.ToArray(), pieces);
        Assert.Equal("male-happy-low", whole.AdditionalProperties![EmovaProperties.Voice]);
    }

    [Fact]
    public async Task A_transcript_is_the_same_from_a_file_and_from_samples()
    {
        using EmovaSpeechToTextClient client = new(server.Engine);
        AudioClip tone = RandomModelFolder.Tone();
        SpeechToTextResponse file = await client.GetTextAsync(new MemoryStream(Wav()));
        SpeechToTextResponse bare = await client.GetTextAsync(
            new MemoryStream(MediaContent.ToContent(tone.Samples, tone.SampleRate, bare: true).Data.ToArray()), new SpeechToTextOptions { SpeechSampleRate = tone.SampleRate });
        SpeechToTextResponse streamed = await client.GetStreamingTextAsync(new MemoryStream(Wav())).ToSpeechToTextResponseAsync();
        Assert.Equal((file.Text, file.Text), (bare.Text, streamed.Text));
        Assert.Equal(TimeSpan.FromSeconds(1), file.EndTime);
    }

    [Fact]
    public async Task What_is_not_supported_is_refused_by_name()
    {
        using EmovaChatClient chat = new(server.Engine);
        using EmovaTextToSpeechClient speech = new(server.Engine);
        using EmovaSpeechToTextClient text = new(server.Engine);
        Assert.Contains("Tools", (await Assert.ThrowsAsync<NotSupportedException>(
            () => chat.GetResponseAsync("a", new ChatOptions { Tools = [AIFunctionFactory.CreateDeclaration("f", null, default)] }))).Message, StringComparison.Ordinal);
        Assert.Contains("ResponseFormat", (await Assert.ThrowsAsync<NotSupportedException>(
            () => chat.GetResponseAsync("a", new ChatOptions { ResponseFormat = ChatResponseFormat.Json }))).Message, StringComparison.Ordinal);
        Assert.Contains("mp3", (await Assert.ThrowsAsync<NotSupportedException>(
            () => speech.GetAudioAsync("a", new TextToSpeechOptions { AudioFormat = "mp3" }))).Message, StringComparison.Ordinal);
        Assert.Contains("robot", (await Assert.ThrowsAsync<ArgumentException>(
            () => speech.GetAudioAsync("a", new TextToSpeechOptions { VoiceId = "robot" }))).Message, StringComparison.Ordinal);
        Assert.Contains("translation", (await Assert.ThrowsAsync<NotSupportedException>(
            () => text.GetTextAsync(new MemoryStream(Wav()), new SpeechToTextOptions { SpeechLanguage = "en", TextLanguage = "de" }))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<EmovaException>(() => text.GetTextAsync(new MemoryStream([1, 2, 3])));
        await Assert.ThrowsAsync<ArgumentException>(() => chat.GetResponseAsync([new ChatMessage(ChatRole.Assistant, "a")]));
    }

    [Fact]
    public async Task A_live_conversation_without_a_socket()
    {
        using EmovaRealtimeClient client = new(server.Engine);
        await using IRealtimeClientSession session = await client.CreateSessionAsync(new RealtimeSessionOptions { Instructions = "be brief", MaxOutputTokens = 40, Voice = "male" });
        await session.SendAsync(new CreateConversationItemRealtimeClientMessage(new RealtimeConversationItem([new TextContent("hello")], null, ChatRole.User)));
        await session.SendAsync(new CreateResponseRealtimeClientMessage());
        List<RealtimeServerMessage> messages = await Until(session, RealtimeServerMessageType.ResponseDone);
        Assert.Contains(messages, message => message.Type == RealtimeServerMessageType.ResponseCreated);
        Assert.Contains(messages, message => message.Type == RealtimeServerMessageType.ConversationItemAdded);
        string transcript = string.Concat(messages.OfType<OutputTextAudioRealtimeServerMessage>()
            .Where(message => message.Type == RealtimeServerMessageType.OutputAudioTranscriptionDelta).Select(message => message.Text));
        Assert.Equal(transcript, messages.OfType<OutputTextAudioRealtimeServerMessage>().Single(message => message.Type == RealtimeServerMessageType.OutputAudioTranscriptionDone).Text);
        ResponseCreatedRealtimeServerMessage done = (ResponseCreatedRealtimeServerMessage)messages[^1];
        Assert.Equal("male", done.OutputVoice);
        Assert.True(done.Usage!.TotalTokenCount > 0);

        await session.SendAsync(new InputAudioBufferCommitRealtimeClientMessage { MessageId = "mine" });
        ErrorRealtimeServerMessage error = (ErrorRealtimeServerMessage)(await Until(session, RealtimeServerMessageType.Error))[^1];
        Assert.Equal(("input_audio_buffer_commit_empty", "mine"), (error.Error!.ErrorCode, error.OriginatingMessageId));
    }

    [Fact]
    public async Task Speech_into_a_live_conversation_is_a_turn()
    {
        using EmovaRealtimeClient client = new(server.Engine);
        await using IRealtimeClientSession session = await client.CreateSessionAsync(new RealtimeSessionOptions
        {
            VoiceActivityDetection = new VoiceActivityDetectionOptions { Enabled = true, AllowInterruption = false },
            TranscriptionOptions = new TranscriptionOptions { ModelId = "emova" },
        });
        float[] sound = [.. Realtime.SessionHarness.Silence(300), .. Realtime.SessionHarness.Vowel(500), .. Realtime.SessionHarness.Silence(900)];
        await session.SendAsync(new InputAudioBufferAppendRealtimeClientMessage(new DataContent(Convert.FromBase64String(Realtime.SessionHarness.Pcm(sound)), "audio/pcm")));
        List<RealtimeServerMessage> messages = await Until(session, RealtimeServerMessageType.ResponseDone);
        Assert.Contains(messages, message => message.Type == RealtimeServerMessageType.InputAudioTranscriptionCompleted);
    }

    [Fact]
    public void The_clients_are_registered_together()
    {
        using ServiceProvider services = new ServiceCollection().AddEmova(ServerFixture.ModelFolder, options => options.ModelName = "mine").BuildServiceProvider();
        IChatClient chat = services.GetRequiredService<IChatClient>();
        Assert.Equal("mine", chat.GetService<ChatClientMetadata>()!.DefaultModelId);
        Assert.Same(chat.GetService(typeof(Engine.IInferenceEngine)), services.GetRequiredService<ITextToSpeechClient>().GetService(typeof(Engine.IInferenceEngine)));
        Assert.NotNull(services.GetRequiredService<ISpeechToTextClient>());
        Assert.NotNull(services.GetRequiredService<IRealtimeClient>());
        Assert.Contains("Slots", Assert.Throws<EmovaException>(() => new ServiceCollection().AddEmova("x", options => options.Engine.Slots = 0)).Message, StringComparison.Ordinal);
    }

    private static byte[] Wav()
    {
        AudioClip tone = RandomModelFolder.Tone();
        return MediaContent.ToContent(tone.Samples, tone.SampleRate, bare: false).Data.ToArray();
    }

    private static async Task<List<RealtimeServerMessage>> Until(IRealtimeClientSession session, RealtimeServerMessageType type)
    {
        List<RealtimeServerMessage> messages = [];
        await foreach (RealtimeServerMessage message in session.GetStreamingResponseAsync(TestContext.Current.CancellationToken))
        {
            messages.Add(message);
            if (message.Type == type)
                return messages;
        }

        throw new EndOfStreamException();
    }
}

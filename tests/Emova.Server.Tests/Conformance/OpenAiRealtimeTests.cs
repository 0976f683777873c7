using System.ClientModel;
using OpenAI.Realtime;
using Xunit;

namespace Emova.Server.Tests.Conformance;

/// <summary>OpenAI's own .NET client against a running server: nothing but the address is changed.</summary>
public sealed class OpenAiRealtimeTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    [Fact]
    public async Task A_typed_turn_is_answered_aloud()
    {
        using RealtimeSessionClient session = await ConnectAsync();
        await session.AddItemAsync(RealtimeItem.CreateUserMessageItem("hello"), TestContext.Current.CancellationToken);
        await session.StartResponseAsync(new RealtimeResponseOptions { Instructions = "be brief", MaxOutputTokenCount = 40 }, TestContext.Current.CancellationToken);
        List<RealtimeServerUpdate> updates = await Until<RealtimeServerUpdateResponseDone>(session);
        Assert.IsType<RealtimeServerUpdateSessionCreated>(updates[0]);
        RealtimeResponse response = ((RealtimeServerUpdateResponseDone)updates[^1]).Response;
        Assert.Contains(response.Status!.Value, (RealtimeResponseStatus[])[RealtimeResponseStatus.Completed, RealtimeResponseStatus.Incomplete]);
        Assert.Equal(response.Usage.TotalTokenCount, response.Usage.InputTokenCount + response.Usage.OutputTokenCount);
        Assert.IsType<RealtimeMessageItem>(Assert.Single(response.OutputItems));
    }

    [Fact]
    public async Task Spoken_audio_is_a_turn_and_its_answer_comes_as_audio()
    {
        using RealtimeSessionClient session = await ConnectAsync();
        await session.ConfigureConversationSessionAsync(new RealtimeConversationSessionOptions
        {
            Instructions = "be brief",
            AudioOptions = new RealtimeConversationSessionAudioOptions
            {
                InputAudioOptions = new RealtimeConversationSessionInputAudioOptions
                {
                    AudioFormat = new RealtimePcmAudioFormat(), AudioTranscriptionOptions = new RealtimeAudioTranscriptionOptions { Model = "emova-test" },
                    TurnDetection = new RealtimeServerVadTurnDetection { DetectionThreshold = 0.5f, InterruptResponseEnabled = false },
                },
                OutputAudioOptions = new RealtimeConversationSessionOutputAudioOptions { Voice = RealtimeVoice.Marin, Speed = 1 },
            },
        }, TestContext.Current.CancellationToken);
        float[] sound = [.. Realtime.SessionHarness.Silence(300), .. Realtime.SessionHarness.Vowel(500), .. Realtime.SessionHarness.Silence(900)];
        await session.SendInputAudioAsync(BinaryData.FromBytes(Convert.FromBase64String(Realtime.SessionHarness.Pcm(sound))), TestContext.Current.CancellationToken);
        List<RealtimeServerUpdate> updates = await Until<RealtimeServerUpdateResponseDone>(session);
        RealtimeServerUpdateInputAudioBufferSpeechStarted started = updates.OfType<RealtimeServerUpdateInputAudioBufferSpeechStarted>().Single();
        RealtimeServerUpdateInputAudioBufferSpeechStopped stopped = updates.OfType<RealtimeServerUpdateInputAudioBufferSpeechStopped>().Single();
        Assert.True(started.AudioStartTime < stopped.AudioEndTime);
        Assert.Equal(started.ItemId, updates.OfType<RealtimeServerUpdateInputAudioBufferCommitted>().Single().ItemId);
        Assert.Equal(
            Math.Ceiling((stopped.AudioEndTime - started.AudioStartTime).TotalSeconds),
            ((RealtimeTranscriptionDurationUsage)updates.OfType<RealtimeServerUpdateConversationItemInputAudioTranscriptionCompleted>().Single().Usage).Duration.TotalSeconds);
        Assert.NotEmpty(updates.OfType<RealtimeServerUpdateResponseOutputAudioDelta>());
        Assert.All(updates.OfType<RealtimeServerUpdateResponseOutputAudioDelta>(), delta => Assert.Equal(0, delta.Delta.ToMemory().Length % 2));
    }

    [Fact]
    public async Task Errors_arrive_as_errors()
    {
        using RealtimeSessionClient session = await ConnectAsync();
        await session.CancelResponseAsync(TestContext.Current.CancellationToken);
        RealtimeError error = ((RealtimeServerUpdateError)(await Until<RealtimeServerUpdateError>(session, errors: true))[^1]).Error;
        Assert.Equal(("invalid_request_error", "response_cancel_not_active"), (error.Kind, error.Code));
        await session.CommitPendingAudioAsync(TestContext.Current.CancellationToken);
        Assert.Equal("input_audio_buffer_commit_empty", ((RealtimeServerUpdateError)(await Until<RealtimeServerUpdateError>(session, errors: true))[^1]).Error.Code);
    }

    private async Task<RealtimeSessionClient> ConnectAsync()
    {
        RealtimeClient client = new(new ApiKeyCredential("unused"), new RealtimeClientOptions { Endpoint = new Uri(server.Client.BaseAddress!, "v1") });
        return await client.StartConversationSessionAsync("emova-test", cancellationToken: TestContext.Current.CancellationToken);
    }

    private static async Task<List<RealtimeServerUpdate>> Until<T>(RealtimeSessionClient session, bool errors = false)
    {
        List<RealtimeServerUpdate> updates = [];
        await foreach (RealtimeServerUpdate update in session.ReceiveUpdatesAsync(TestContext.Current.CancellationToken))
        {
            updates.Add(update);
            if (update is T)
                return updates;
            if (!errors && update is RealtimeServerUpdateError error)
                Assert.Fail($"{error.Error.Code}: {error.Error.Message}");
        }

        throw new EndOfStreamException();
    }
}

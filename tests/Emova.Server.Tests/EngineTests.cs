using Emova.Server.Engine;
using Emova.Tests.Models;
using Emova.Text;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>The engine itself: what it reports, and that its answers are those of a conversation in the process.</summary>
public sealed class EngineTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    [Fact]
    public async Task A_spoken_question_is_answered_like_in_a_conversation_of_the_library()
    {
        EngineRequest request = new()
        {
            Messages = [new(ConversationRole.User, null, new SpeechInput(RandomModelFolder.Tone()), new PictureInput(RandomModelFolder.Picture()))],
            Speak = true, MaxTokens = 300,
        };
        List<EngineEvent> events = await Run(request);
        EngineResult result = Assert.IsType<EngineEvent.Finished>(events[^1]).Result;
        Assert.Equal(result.Text, string.Concat(events.OfType<EngineEvent.Answer>().Select(text => text.Text)));
        Assert.True(events.FindIndex(e => e is EngineEvent.Started) < events.FindIndex(e => e is EngineEvent.Heard or EngineEvent.UserMood));
        Assert.Equal(result.AudioTokens, result.Units.Count);
        Assert.True(result.Prompt is { Text: > 0, Audio: > 0, Image: > 0 });
    }

    [Fact]
    public async Task Most_tokens_bound_the_answer()
    {
        EngineResult result = ((EngineEvent.Finished)(await Run(Typed("what is this") with { MaxTokens = 3 }))[^1]).Result;
        Assert.Equal((3, EndReason.Length), (result.TextTokens, result.End));
    }

    [Fact]
    public async Task Leaving_early_frees_the_engine()
    {
        await foreach (EngineEvent happening in server.Engine.RunAsync(Typed("tell me everything")))
        {
            if (happening is EngineEvent.Answer)
                break;
        }

        Assert.IsType<EngineEvent.Finished>((await Run(Typed("hello") with { MaxTokens = 1 }))[^1]);
    }

    [Fact]
    public async Task Unusable_input_is_the_request_s_own_fault()
    {
        EmovaException error = await Assert.ThrowsAsync<EmovaException>(() => Run(Typed("a") with { Voice = new VoiceOptions { Emotion = "hungry" } }));
        Assert.Contains("hungry", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_queue_refuses_more()
    {
        await using ServerFixture small = new(new() { ["Engine:QueueLength"] = "1" });
        using CancellationTokenSource stop = new();
        List<Task> waiting = [];
        EngineBusyException? refused = null;
        for (int i = 0; i < 20 && refused is null; i++)
        {
            IAsyncEnumerator<EngineEvent> events = small.Engine.RunAsync(Typed("tell me everything"), stop.Token).GetAsyncEnumerator(stop.Token);
            try
            {
                Task<bool> first = events.MoveNextAsync().AsTask();
                waiting.Add(first);
                if (first.IsFaulted)
                    await first;
            }
            catch (EngineBusyException busy)
            {
                refused = busy;
            }
        }

        await stop.CancelAsync();
        await Task.WhenAll(waiting).ContinueWith(_ => { }, TaskScheduler.Default);
        Assert.NotNull(refused);
    }

    private static EngineRequest Typed(string text) => new() { Messages = [new(ConversationRole.User, text)] };

    private async Task<List<EngineEvent>> Run(EngineRequest request)
    {
        List<EngineEvent> events = [];
        await foreach (EngineEvent happening in server.Engine.RunAsync(request))
            events.Add(happening);
        return events;
    }
}

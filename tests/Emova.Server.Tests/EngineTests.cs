using Emova.Media;
using Emova.Server.Engine;
using Emova.Tests.Models;
using Emova.Text;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>The engine itself: what it reports, many requests side by side, refusals and cancellation.</summary>
public sealed class EngineTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    [Fact]
    public async Task A_spoken_question_is_reported_step_by_step()
    {
        List<EngineEvent> events = await RunAsync(server.Engine, Spoken());
        EngineResult result = Assert.IsType<EngineEvent.Finished>(events[^1]).Result;
        Assert.Equal(result.Text, string.Concat(events.OfType<EngineEvent.Answer>().Select(text => text.Text)));
        Assert.Equal(result.Heard ?? "", string.Concat(events.OfType<EngineEvent.Heard>().Select(text => text.Text)));
        Type[] order = [.. events.Select(happening => happening.GetType()).Distinct()];
        Assert.Equal(order, ((Type[])[typeof(EngineEvent.Started), typeof(EngineEvent.Heard), typeof(EngineEvent.UserMood), typeof(EngineEvent.Answer), typeof(EngineEvent.Mood), typeof(EngineEvent.Audio), typeof(EngineEvent.Finished)]).Where(order.Contains));
        Assert.Equal(result.AudioTokens, result.Units.Count);
        Assert.True(result.Prompt is { Text: > 0, Audio: > 0, Image: > 0 });
        Assert.True(ReplyFormat.IsComplete(result.Raw));
    }

    [Fact]
    public async Task Requests_side_by_side_get_the_answers_they_get_alone()
    {
        EngineRequest[] requests = [.. Enumerable.Range(0, 12).Select(i => i % 3 == 0 ? Spoken(seed: i) : Typed($"what is the cat {i}") with { Speak = i % 3 == 1, Sampling = new() { Temperature = 1, Seed = (ulong)i } })];
        List<List<EngineEvent>> alone = [];
        foreach (EngineRequest request in requests)
            alone.Add(await RunAsync(server.Engine, request));
        List<EngineEvent>[] together = await Task.WhenAll(requests.Select(request => RunAsync(server.Engine, request)));
        for (int i = 0; i < requests.Length; i++)
        {
            Assert.Equal(Result(alone[i]).Raw, Result(together[i]).Raw);
            Assert.Equal(Result(alone[i]).Units, Result(together[i]).Units);
            Assert.Equal(alone[i].OfType<EngineEvent.Audio>().SelectMany(audio => audio.Samples), together[i].OfType<EngineEvent.Audio>().SelectMany(audio => audio.Samples));
        }

        Assert.Equal(new EngineLoad(0, 0), server.Engine.Load);
    }

    [Fact]
    public async Task The_beginning_of_a_conversation_is_recognized()
    {
        EngineRequest first = Typed(string.Join(' ', Enumerable.Repeat("the cat is what", 20)));
        EngineResult answer = Result(await RunAsync(server.Engine, first));
        EngineRequest second = first with { Messages = [.. first.Messages, new(ConversationRole.Assistant, answer.Raw), new(ConversationRole.User, "the")] };
        PromptUsage usage = Result(await RunAsync(server.Engine, second)).Prompt;
        Assert.InRange(usage.Cached, 32, usage.Total - 1);
    }

    [Fact]
    public async Task Most_tokens_bound_the_answer()
    {
        EngineResult result = Result(await RunAsync(server.Engine, Typed("what is this") with { MaxTokens = 3 }));
        Assert.Equal((3, EndReason.Length), (result.TextTokens, result.End));
    }

    [Fact]
    public async Task Several_pictures_may_be_shown()
    {
        EngineRequest request = new()
        {
            Messages =
            [
                new(ConversationRole.User, "the", null, new PictureInput(RandomModelFolder.Picture())), new(ConversationRole.Assistant, "cat"),
                new(ConversationRole.User, "what", null, new PictureInput(RandomModelFolder.Picture(60, 90))),
            ],
            MaxTokens = 2,
        };
        int one = Result(await RunAsync(server.Engine, request with { Messages = [request.Messages[0]] })).Prompt.Image;
        Assert.True(Result(await RunAsync(server.Engine, request)).Prompt.Image > one);
    }

    [Fact]
    public async Task Leaving_early_frees_the_slot()
    {
        await using ServerFixture single = new(new() { ["Engine:Slots"] = "1", ["Engine:MaxTextBytes"] = "100000" });
        for (int i = 0; i < 3; i++)
        {
            await foreach (EngineEvent happening in single.Engine.RunAsync(Typed("tell me everything")))
            {
                if (happening is EngineEvent.Answer)
                    break;
            }
        }

        Assert.IsType<EngineEvent.Finished>((await RunAsync(single.Engine, Typed("hello") with { MaxTokens = 1 }))[^1]);
    }

    [Fact]
    public async Task Unusable_input_is_the_request_s_own_fault()
    {
        EmovaException error = await Assert.ThrowsAsync<EmovaException>(() => RunAsync(server.Engine, Typed("a") with { Voice = new VoiceOptions { Emotion = "hungry" } }));
        Assert.Contains("hungry", error.Message, StringComparison.Ordinal);
        Assert.Equal(new EngineLoad(0, 0), server.Engine.Load with { Running = 0 });
    }

    [Fact]
    public async Task A_full_queue_refuses_more_and_a_closed_engine_everything()
    {
        ServerFixture small = new(new() { ["Engine:Slots"] = "1", ["Engine:QueueLength"] = "1", ["Engine:MaxTextBytes"] = "100000" });
        using CancellationTokenSource stop = new();
        // More than fit into the slot, its preparation and the queue, however fast those are.
        Task[] asked = [.. Enumerable.Range(0, 30).Select(_ => RunAsync(small.Engine, Typed("tell me everything"), stop.Token))];
        await stop.CancelAsync();
        await Task.WhenAll(asked).ContinueWith(_ => { }, TaskScheduler.Default);
        Assert.Contains(asked, task => task.Exception?.InnerException is EngineBusyException);
        Assert.All(asked, task => Assert.True(task.IsCanceled || task.IsCompletedSuccessfully || task.Exception!.InnerException is EngineBusyException or OperationCanceledException));
        IInferenceEngine engine = small.Engine;
        await small.DisposeAsync();
        await Assert.ThrowsAsync<EngineBusyException>(() => RunAsync(engine, Typed("a")));
    }

    [Fact]
    public async Task Memory_of_a_conversation_can_be_capped()
    {
        await using ServerFixture small = new(new() { ["Engine:MaxConversationBytes"] = "200000" });
        Assert.InRange(small.Engine.Info.ContextLength, 256, 2047);
        EmovaException error = Assert.Throws<EmovaException>(() => new ServerFixture(new() { ["Engine:MaxConversationBytes"] = "1000" }));
        Assert.Contains("Emova:Engine:MaxConversationBytes is 1000", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A conversation of many turns in a context of 1024 positions: the oldest go, the last question stays, and more go at once where asked for.</summary>
    [Fact]
    public async Task The_oldest_turns_are_left_out_when_a_conversation_is_too_long()
    {
        await using ServerFixture small = new(new() { ["Engine:ContextLength"] = "1024" });
        List<EngineMessage> messages = [];
        for (int i = 0; i < 60; i++)
        {
            messages.Add(new EngineMessage(ConversationRole.User, "tell me about the cat and the dog"));
            messages.Add(new EngineMessage(ConversationRole.Assistant, "the cat and the dog"));
        }

        messages.Add(new EngineMessage(ConversationRole.User, "and now"));
        EngineRequest request = new() { Messages = messages, MaxTokens = 4 };
        string refusal = (await Assert.ThrowsAsync<ContextLengthException>(() => RunAsync(small.Engine, request))).Message;
        (int all, int total) = await StartAsync(new ContextTruncation(true));
        Assert.InRange(all, 2, messages.Count - 1);
        Assert.Equal(0, all % 2);
        (int more, int less) = await StartAsync(new ContextTruncation(true, 0.5));
        Assert.True(more > all && less < total, $"{all} left out, {total} positions; {more}, {less}; {refusal}");
        Assert.Equal(messages.Count - 1, (await StartAsync(new ContextTruncation(true, 0))).LeftOut);
        (int most, _) = await StartAsync(new ContextTruncation(true, 1, 100));
        Assert.True(most > all, $"{most} and {all} left out");
        EngineRequest endless = new() { Messages = [new EngineMessage(ConversationRole.User, string.Join(' ', Enumerable.Repeat("cat", 2000)))], Truncation = new ContextTruncation(true) };
        await Assert.ThrowsAsync<ContextLengthException>(() => RunAsync(small.Engine, endless));

        async Task<(int LeftOut, int Total)> StartAsync(ContextTruncation truncation)
        {
            EngineEvent.Started started = (await RunAsync(small.Engine, request with { Truncation = truncation })).OfType<EngineEvent.Started>().Single();
            return (started.LeftOut, started.Prompt.Total);
        }
    }

    [Fact]
    public async Task A_conversation_over_http_that_is_too_long_is_refused_by_its_code()
    {
        await using ServerFixture small = new(new() { ["Engine:ContextLength"] = "256" });
        System.Text.Json.JsonElement error = await small.Client.RefusedAsync(Chat.Request(new System.Text.Json.Nodes.JsonObject { ["role"] = "user", ["content"] = string.Join(' ', Enumerable.Repeat("cat", 600)) }));
        Assert.Equal(("context_length_exceeded", "messages"), (error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
    }

    [Fact]
    public async Task Marked_speech_is_as_long_as_unmarked_speech_and_carries_the_mark()
    {
        await using ServerFixture marking = new(new() { ["Engine:MarkSpeech"] = "true", ["Engine:MaxUnits"] = "200" });
        await using ServerFixture plain = new(new() { ["Engine:MaxUnits"] = "200" });
        EngineRequest request = new() { Task = EngineTask.Speak, Messages = [new EngineMessage(ConversationRole.User, "the cat and the dog")], Speak = true };
        AudioClip marked = await SoundAsync(marking.Engine.RunAsync(request)), unmarked = await SoundAsync(plain.Engine.RunAsync(request));
        Assert.Equal(unmarked.Samples.Length, marked.Samples.Length);
        Assert.NotEqual(unmarked.Samples, marked.Samples);
        Assert.True(ProvenanceMark.Score(marked) > ProvenanceMark.Score(unmarked));
        int[] units = [1, 9, 64, 585];
        Assert.Equal(
            (await SoundAsync(plain.Engine.VoiceAsync(units, new VoiceOptions()))).Samples.Length, (await SoundAsync(marking.Engine.VoiceAsync(units, new VoiceOptions()))).Samples.Length);

        static async Task<AudioClip> SoundAsync(IAsyncEnumerable<EngineEvent> events)
        {
            List<float> samples = [];
            int rate = 0;
            await foreach (EngineEvent happening in events)
            {
                if (happening is EngineEvent.Audio audio)
                {
                    samples.AddRange(audio.Samples);
                    rate = audio.SampleRate;
                }
            }

            return new AudioClip([.. samples], rate);
        }
    }

    [Fact]
    public async Task Units_are_voiced_without_the_language_model()
    {
        List<EngineEvent> events = [];
        await foreach (EngineEvent happening in server.Engine.VoiceAsync([1, 9, 64, 585], new VoiceOptions()))
            events.Add(happening);
        Assert.NotEmpty(events.Cast<EngineEvent.Audio>().SelectMany(audio => audio.Samples));
        await Assert.ThrowsAsync<EmovaException>(async () =>
        {
            await foreach (EngineEvent happening in server.Engine.VoiceAsync([1], new VoiceOptions { Gender = "robot" }))
                events.Add(happening);
        });
    }

    [Fact]
    public void Stop_texts_are_found_across_pieces_and_nothing_is_lost_before_them()
    {
        StopTexts texts = new(["END", "###"]);
        Assert.Equal("a", texts.Add("aE"));
        Assert.Equal("", texts.Add("N"));
        Assert.Equal("ENx##x", texts.Add("x##x#"));
        Assert.Equal("#", texts.Flush());
        Assert.False(texts.Found);
        Assert.Equal("#", new StopTexts([]).Add("#"));
        StopTexts found = new(["END"]);
        Assert.Equal("ab", found.Add("abE") + found.Add("NDcd"));
        Assert.True(found.Found);
        Assert.Equal("", found.Add("more") + found.Flush());
        StopTexts held = new(["END"]);
        Assert.Equal("aEN", held.Add("aEN") + held.Flush());
    }

    private static EngineRequest Typed(string text) => new() { Messages = [new(ConversationRole.User, text)] };

    private static EngineRequest Spoken(int seed = 0) => new()
    {
        Messages = [new(ConversationRole.User, null, new SpeechInput(RandomModelFolder.Tone()), new PictureInput(RandomModelFolder.Picture()))],
        Speak = true, Sampling = new() { Temperature = 1, Seed = (ulong)seed },
    };

    private static EngineResult Result(List<EngineEvent> events) => Assert.IsType<EngineEvent.Finished>(events[^1]).Result;

    private static async Task<List<EngineEvent>> RunAsync(IInferenceEngine engine, EngineRequest request, CancellationToken cancellationToken = default)
    {
        List<EngineEvent> events = [];
        await foreach (EngineEvent happening in engine.RunAsync(request, cancellationToken))
            events.Add(happening);
        return events;
    }
}

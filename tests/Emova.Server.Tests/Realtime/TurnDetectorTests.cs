using System.Text.Json.Nodes;
using Emova.Server.Engine;
using Xunit;
using static Emova.Server.Tests.Realtime.SessionHarness;

namespace Emova.Server.Tests.Realtime;

/// <summary>Semantic turn ends: a finished sentence is answered after a short silence, an unfinished one is waited for.</summary>
public sealed class TurnDetectorTests
{
    [Theory]
    [InlineData("high", "where is the strawberry", 300)]
    [InlineData("auto", "where is the strawberry", 500)]
    [InlineData("low", "where is the strawberry", 800)]
    [InlineData("high", "where is the", 2000)]
    [InlineData("medium", "where is the", 4000)]
    public void Silence_ends_a_turn_when_the_words_allow(string eagerness, string words, int expectedMs)
    {
        SessionHarness session = Start(eagerness);
        List<JsonObject> events = session.Append([.. Silence(500), .. Vowel(600), .. Silence(380)], 20);
        Assert.Equal(["input_audio_buffer.speech_started"], Types(events));
        Assert.Equal(EngineTask.Transcribe, Assert.Single(session.Jobs).Request.Task);
        session.Engine(new EngineEvent.Answer(words), new EngineEvent.Finished(Result()));
        events = session.End();
        events.AddRange(session.Append(Silence(4500), 20));
        int end = (int)events.First(happening => Type(happening) == "input_audio_buffer.speech_stopped")["audio_end_ms"]!;
        Assert.InRange(end - 1100, expectedMs, expectedMs + 200);
        Assert.Contains("response.created", Types(events));
    }

    [Fact]
    public void Going_on_after_a_pause_keeps_the_turn_open()
    {
        SessionHarness session = Start("high");
        session.Append([.. Silence(500), .. Vowel(600), .. Silence(380)], 20);
        string judged = session.Jobs[0].Job;
        Assert.Empty(session.Append([.. Vowel(400)], 20));
        // An answer about the first pause is too late.
        session.Session.Tell(judged, new EngineEvent.Answer("where is the strawberry"));
        session.Session.End(judged, null);
        session.Jobs.Clear();
        Assert.Empty(session.Append(Silence(150), 20));
        session.Append(Silence(230), 20);
        Assert.Equal(EngineTask.Transcribe, Assert.Single(session.Jobs).Request.Task);
    }

    [Fact]
    public void Without_a_transcript_the_silence_alone_decides()
    {
        SessionHarness session = Start("high");
        session.Append([.. Silence(500), .. Vowel(600), .. Silence(380)], 20);
        session.End(new InvalidOperationException());
        Assert.Contains("input_audio_buffer.speech_stopped", Types(session.Append(Silence(300), 20)));
    }

    private static SessionHarness Start(string eagerness)
    {
        SessionHarness session = new();
        session.Client($$$$$$"""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":{"type":"semantic_vad","eagerness":"{{{{{{eagerness}}}}}}"}}}}}""");
        session.Take();
        return session;
    }
}

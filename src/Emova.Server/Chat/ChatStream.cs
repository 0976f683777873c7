using System.Security.Cryptography;
using System.Text.Json;
using Emova.Server.Audio;
using Emova.Server.Engine;
using Emova.Server.Http;
using Emova.Server.Wire;

namespace Emova.Server.Chat;

/// <summary>Writes one chat answer as a stream of chunks.</summary>
internal sealed class ChatStream(EngineInfo info, SpokenReplies spokenReplies, ChatPlan plan, string id, long created, EventStream events)
{
    private static readonly JsonElement Null = JsonDocument.Parse("null").RootElement;

    public static string NewCallId() => "call_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));

    public async Task WriteAsync(IAsyncEnumerable<EngineEvent> happenings)
    {
        (string audioId, DateTimeOffset expires) = spokenReplies.Reserve();
        using SpeechEncoder encoder = new(AudioFormat.Pcm, streamed: true);
        List<ChatDelta> pending = [];
        ToolCallReader calls = new(
            text => pending.Add(TextDelta(text, audioId)),
            (index, name) => pending.Add(Call(new ChatToolCallDelta(index, new ChatToolCallFunction(name, "")) { Id = NewCallId(), Type = "function" })),
            (index, piece) => pending.Add(Call(new ChatToolCallDelta(index, new ChatToolCallFunction(null, piece)))));
        EngineResult? result = null;
        bool begun = false;
        await foreach (EngineEvent happening in happenings.ConfigureAwait(false))
        {
            if (!begun)
                await WriteAsync(new ChatDelta { Role = "assistant", Content = plan.Audio is null ? Text("") : Null, Refusal = Null }).ConfigureAwait(false);
            begun = true;
            switch (happening)
            {
                case EngineEvent.Answer answer when plan.Tools:
                    calls.Add(answer.Text);
                    break;
                case EngineEvent.Answer answer:
                    pending.Add(TextDelta(answer.Text, audioId));
                    break;
                case EngineEvent.Audio audio:
                    AddAudio(encoder.Push(audio.Samples, audio.SampleRate));
                    break;
                case EngineEvent.Finished finished:
                    result = finished.Result;
                    calls.Finish();
                    AddAudio(encoder.Finish());
                    break;
            }

            foreach (ChatDelta delta in pending)
                await WriteAsync(delta).ConfigureAwait(false);
            pending.Clear();
        }

        if (plan.Audio is not null && calls.Calls == 0)
        {
            spokenReplies.Keep(audioId, expires, result!.Raw);
            await WriteAsync(new ChatDelta { Audio = new ChatDeltaAudio(audioId) { ExpiresAt = expires.ToUnixTimeSeconds() } }).ConfigureAwait(false);
        }

        await WriteAsync(new ChatDelta { Emova = ChatUsageOf.Turn(result!) }, ChatUsageOf.Reason(result!, calls.Calls)).ConfigureAwait(false);
        if (plan.IncludeUsage)
            await events.WriteAsync(Chunk([]) with { Usage = ChatUsageOf.Result(result!) }, ServerJson.Default.ChatChunk).ConfigureAwait(false);
        await events.WriteDoneAsync().ConfigureAwait(false);

        void AddAudio(byte[] pcm)
        {
            if (plan.Audio is not null && pcm.Length > 0)
                pending.Add(new ChatDelta { Audio = new ChatDeltaAudio(audioId) { Data = Convert.ToBase64String(pcm) } });
        }
    }

    private static JsonElement Text(string text) => JsonSerializer.SerializeToElement(text, ServerJson.Default.String);

    private static ChatDelta Call(ChatToolCallDelta call) => new() { ToolCalls = [call] };

    private ChatDelta TextDelta(string text, string audioId) =>
        plan.Audio is null ? new ChatDelta { Content = Text(text) } : new ChatDelta { Audio = new ChatDeltaAudio(audioId) { Transcript = text } };

    private Task WriteAsync(ChatDelta delta, string? finish = null) =>
        events.WriteAsync(Chunk([new ChatChunkChoice(0, delta, finish, null)]), ServerJson.Default.ChatChunk);

    private ChatChunk Chunk(IReadOnlyList<ChatChunkChoice> choices) => new(id, "chat.completion.chunk", created, info.ModelName, info.Fingerprint, choices);
}

using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Emova.Benchmarks;

/// <summary>One question: typed, or spoken; with a picture or about the last one.</summary>
/// <param name="Picture">A data URI, or null.</param>
/// <param name="Typed">The words, or null for a spoken question.</param>
/// <param name="Spoken">Sound at 24 kHz, or null for a typed question.</param>
internal sealed record SoakTurn(string? Picture, string? Typed, float[]? Spoken);

/// <summary>What came back: what was heard, the words of the answer, and a hash of its sound.</summary>
internal sealed record SoakReply(string Heard, string Text, string Sound);

/// <summary>How a client leaves in the middle of an answer.</summary>
internal enum Leaving
{
    /// <summary>Breaks the connection.</summary>
    Abort,

    /// <summary>Says good-bye and does not wait for the rest.</summary>
    Close,

    /// <summary>Neither reads nor writes any more, as a machine that lost its network; the other side has to notice.</summary>
    Freeze,

    /// <summary>Cancels the answer, says where it stopped listening, and leaves then.</summary>
    Cancel,

    /// <summary>Speaks over the answer, and leaves while that is being answered.</summary>
    SpeakOver,
}

/// <summary>A conversation whose answers are known: each is compared with the one that the same conversation got when nobody else was there.</summary>
internal sealed class SoakTalk(Uri address, bool pushToTalk)
{
    private const int Silence = 200;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>The whole conversation.</summary>
    public async Task<List<SoakReply>> RunAsync(IReadOnlyList<SoakTurn> turns, Func<Task>? pause = null)
    {
        using CancellationTokenSource stop = new(Patience);
        using RealtimeClient client = await BeginAsync(stop.Token);
        List<SoakReply> replies = [];
        foreach (SoakTurn turn in turns)
        {
            string mark = await AskAsync(client, turn, stop.Token);
            replies.Add(await ListenAsync(client, mark, stop.Token));
            if (pause is not null)
                await pause();
            stop.CancelAfter(Patience);
        }

        await client.CloseAsync(stop.Token);
        return replies;
    }

    /// <summary>A conversation that breaks off in its first answer.</summary>
    /// <param name="turn">The question.</param>
    /// <param name="how">How it breaks off.</param>
    /// <param name="after">After how many events of the server.</param>
    /// <param name="frozen">How long a frozen client stays frozen.</param>
    public async Task BreakOffAsync(SoakTurn turn, Leaving how, int after, TimeSpan frozen)
    {
        using CancellationTokenSource stop = new(Patience + frozen);
        using RealtimeClient client = await BeginAsync(stop.Token);
        string mark = await AskAsync(client, turn, stop.Token);
        string? speaking = null;
        for (int i = 0; i < after; i++)
        {
            JsonObject happening = await client.ReceiveAsync(stop.Token);
            if ((string?)happening["type"] == "response.output_item.added")
                speaking = (string?)happening["item"]!["id"];
            if ((string?)happening["type"] == "response.done")
                break;
        }

        switch (how)
        {
            case Leaving.Abort:
                client.Abort();
                break;
            case Leaving.Close:
                await client.CloseAsync(stop.Token);
                break;
            case Leaving.Freeze:
                await Task.Delay(frozen, stop.Token);
                client.Abort();
                break;
            case Leaving.Cancel:
                await client.SendAsync("""{"type":"response.cancel"}""", stop.Token);
                if (speaking is not null)
                    await client.SendAsync($$"""{"type":"conversation.item.truncate","item_id":"{{speaking}}","content_index":0,"audio_end_ms":0}""", stop.Token);
                await client.CloseAsync(stop.Token);
                break;
            default:
                await AskAsync(client, turn with { Picture = null }, stop.Token);
                client.Abort();
                break;
        }
    }

    private async Task<RealtimeClient> BeginAsync(CancellationToken stop)
    {
        RealtimeClient client = await RealtimeClient.ConnectAsync(address, stop);
        string detection = pushToTalk ? "null" : $$"""{"type":"server_vad","silence_duration_ms":{{Silence}}}""";
        await client.SendAsync($$$$$$"""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"transcription":{"model":"emova"},"turn_detection":{{{{{{detection}}}}}}}}}}""", stop);
        return client;
    }

    /// <summary>Asks.</summary>
    /// <returns>The mark that the answer has to carry; empty when the server answers by itself.</returns>
    private async Task<string> AskAsync(RealtimeClient client, SoakTurn turn, CancellationToken stop)
    {
        if (turn.Picture is not null)
            await client.SendAsync($$$$$$"""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"{{{{{{turn.Picture}}}}}}"}]}}""", stop);
        if (turn.Spoken is { } sound)
        {
            // Nobody waits for the sound to be over: the server counts samples, not seconds.
            float[] spoken = pushToTalk ? sound : [.. sound, .. new float[(Silence + 300) * RealtimeClient.Rate / 1000]];
            const int Piece = RealtimeClient.Rate / 10;
            for (int at = 0; at < spoken.Length; at += Piece)
                await client.AppendAsync(spoken.AsSpan(at, Math.Min(Piece, spoken.Length - at)), stop);
            if (!pushToTalk)
                return "";
            await client.SendAsync("""{"type":"input_audio_buffer.commit"}""", stop);
        }
        else
        {
            await client.SendAsync($$$$$$"""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"{{{{{{turn.Typed}}}}}}"}]}}""", stop);
        }

        string mark = Guid.NewGuid().ToString("N");
        await client.SendAsync($$$$$$"""{"type":"response.create","response":{"metadata":{"mark":"{{{{{{mark}}}}}}"}}}""", stop);
        return mark;
    }

    private static async Task<SoakReply> ListenAsync(RealtimeClient client, string mark, CancellationToken stop)
    {
        string response = "", heard = "", text = "";
        using IncrementalHash sound = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        while (true)
        {
            JsonObject happening = await client.ReceiveAsync(stop);
            string type = (string)happening["type"]!;
            if (type == "response.created")
            {
                response = (string)happening["response"]!["id"]!;
                if (mark.Length > 0 && (string?)happening["response"]!["metadata"]?["mark"] != mark)
                    throw new InvalidOperationException("an answer carries the mark of another request");
            }
            else if (happening["response_id"] is { } id && (string?)id != response)
            {
                throw new InvalidOperationException($"{type} belongs to another answer");
            }

            switch (type)
            {
                case "conversation.item.input_audio_transcription.completed":
                    heard = (string)happening["transcript"]!;
                    break;
                case "response.output_audio_transcript.done":
                    text = (string)happening["transcript"]!;
                    break;
                case "response.output_audio.delta":
                    sound.AppendData(Convert.FromBase64String((string)happening["delta"]!));
                    break;
                case "response.done":
                    if ((string?)happening["response"]!["status"] != "completed")
                        throw new InvalidOperationException($"an answer was not completed: {happening["response"]!["status_details"]?.ToJsonString()}");
                    return new SoakReply(heard, text, Convert.ToHexString(sound.GetHashAndReset()));
                case "error":
                    throw new InvalidOperationException(happening.ToJsonString());
            }
        }
    }
}

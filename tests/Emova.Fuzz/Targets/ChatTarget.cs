using System.Text;
using Emova.Server;
using Emova.Server.Chat;
using Emova.Server.Engine;
using Emova.Server.Http;
using Emova.Server.Wire;
using Emova.Text;

namespace Emova.Fuzz.Targets;

/// <summary>Bodies of chat requests: reading, all checks, pictures, recordings and schemas, up to what the engine would be asked.</summary>
public sealed class ChatTarget : IFuzzTarget
{
    private static readonly ServerOptions Options = new() { Limits = new LimitOptions { MaxImagePixels = 100_000, MaxAudioSeconds = 5 } };
    private static readonly HuggingFaceTokenizer Tokenizer = HuggingFaceTokenizer.Parse(TokenizerTarget.Seeds()[0], "fuzz");
    private static readonly ChatPlanner Planner = CreatePlanner();

    public static string Name => "chat";

    public static IReadOnlyList<byte[]> Seeds()
    {
        byte[][] seeds = Requests();
        Fuzz(seeds[0]); // Everything is compiled and created by the first request; the inputs' times shall not tell of that.
        return seeds;
    }

    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        using MemoryStream body = new(data.ToArray());
        try
        {
            ChatRequest request = JsonBody.ReadAsync(body, ServerJson.Default.ChatRequest, default).GetAwaiter().GetResult();
            Planner.PlanAsync(request, default).GetAwaiter().GetResult();
        }
        catch (ApiException refused) when (refused.Status is >= 400 and < 500)
        {
            throw new EmovaException(refused.Message.ReplaceLineEndings(" "));
        }
    }

    private static byte[][] Requests() =>
    [
        .. ((string[])
        [
            """{"model": "m", "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}], "temperature": 0.5, "top_p": 0.9, "stop": ["a", "b"], "seed": 3, "max_tokens": 5}""",
            """{"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/bmp;base64,IMAGE", "detail": "low"}}]}], "stream": true, "stream_options": {"include_usage": true}}""",
            """{"model": "m", "modalities": ["text", "audio"], "audio": {"voice": {"id": "female-happy-high"}, "format": "wav", "speed": 1.5}, "messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"format": "wav", "data": "SOUND"}}]}]}""",
            """{"model": "m", "messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["b", 3]}, "c": {"type": "array", "maxItems": 3, "items": {"$ref": "#/$defs/d"}}}, "$defs": {"d": {"anyOf": [{"type": "null"}, {"type": "number"}]}}}}}}""",
            """{"model": "m", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "c", "content": "done"}], "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}}], "tool_choice": {"type": "function", "function": {"name": "f"}}}""",
        ]).Select(json => Encoding.UTF8.GetBytes(json
            .Replace("IMAGE", Convert.ToBase64String(ImageTarget.Seeds().First(file => file[0] == 'B')), StringComparison.Ordinal)
            .Replace("SOUND", Convert.ToBase64String(WavTarget.Seeds()[0]), StringComparison.Ordinal))),
    ];

    private static ChatPlanner CreatePlanner()
    {
        NoEngine engine = new();
        ChatMessageReader messages = new(new MediaInput(Options, new RemoteMedia(Options)), new SpokenReplies(TimeProvider.System), engine);
        return new ChatPlanner(engine, messages, new GrammarCache(Tokenizer, "<|im_end|>"));
    }

    /// <summary>Says what a model can do and is never asked to do it.</summary>
    private sealed class NoEngine : IInferenceEngine
    {
        public EngineInfo Info { get; } = new("m", DateTimeOffset.UnixEpoch, "fp", true, true, true, [], 24000, 1024, "");

        public EngineLoad Load => new(0, 0);

        public IAsyncEnumerable<EngineEvent> RunAsync(EngineRequest request, CancellationToken cancellationToken = default) => throw new InvalidOperationException("asked");

        public IAsyncEnumerable<EngineEvent> VoiceAsync(IReadOnlyList<int> units, VoiceOptions voice, CancellationToken cancellationToken = default) => throw new InvalidOperationException("asked");
    }
}

using System.Text;
using Emova.Server.Engine;
using Emova.Server.Realtime;
using Emova.Server.Realtime.Wire;
using Emova.Text;
using ChatTool = Emova.Server.Wire.ChatTool;

namespace Emova.Fuzz.Targets;

/// <summary>
/// Events of a Realtime client. Input is up to one line an event; each is carried out by a fresh session that already has items and a
/// response, and an <c>error</c> event counts as a refusal.
/// </summary>
public sealed class RealtimeTarget : IFuzzTarget
{
    // The smallest PNG that the decoder takes: one pixel.
    private const string Picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    private static readonly EngineInfo Info = new("emova", DateTimeOffset.UnixEpoch, "fp", true, true, true, [], 24000, 4096);

    public static string Name => "realtime";

    public static IReadOnlyList<byte[]> Seeds() =>
    [
        .. new[]
        {
            """{"type":"session.update","event_id":"c1","session":{"type":"realtime","instructions":"Be brief.","output_modalities":["text"],"max_output_tokens":100,"audio":{"input":{"format":{"type":"audio/pcm","rate":24000},"transcription":{"model":"emova"},"turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500,"idle_timeout_ms":6000}},"output":{"voice":"female","speed":1.0}}}}""",
            """{"type":"session.update","session":{"type":"realtime","tools":[{"type":"function","name":"f","parameters":{"type":"object"}}],"tool_choice":"auto","audio":{"input":{"turn_detection":{"type":"semantic_vad","eagerness":"high"}}}}}""",
            """{"type":"session.update","session":{"modalities":["text","audio"],"voice":"female","input_audio_format":"g711_ulaw","turn_detection":null,"temperature":0.8}}""",
            """{"type":"input_audio_buffer.append","audio":"AAAAAAAAAAA="}""",
            """{"type":"input_audio_buffer.clear"}""",
            """{"type":"conversation.item.create","previous_item_id":"first","item":{"id":"x","type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_audio","audio":"AAAAAAAAAAA="}]}}""",
            """{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,""" + Picture + "\"}]}}",
            """{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"c","output":"1"}}""",
            """{"type":"conversation.item.retrieve","item_id":"first"}""",
            """{"type":"conversation.item.delete","item_id":"first"}""",
            """{"type":"conversation.item.truncate","item_id":"spoken","content_index":0,"audio_end_ms":0}""",
            """{"type":"response.create","response":{"conversation":"none","metadata":{"a":"b"},"input":[{"type":"item_reference","id":"first"},{"type":"message","role":"user","content":[{"type":"input_text","text":"b"}]}],"output_modalities":["text"]}}""",
            """{"type":"response.cancel"}""",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        Model model = new();
        string? refused = null;
        RealtimeSession session = new(model, Info, new RealtimeSessionOptions { ModelName = "emova", Ids = new Ids() }, (_, happening) =>
        {
            if (happening is ErrorEvent error)
                refused = error.Error.Message;
        });
        session.Begin();
        session.Receive("""{"type":"conversation.item.create","item":{"id":"first","type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}}"""u8.ToArray());
        session.Receive("""{"type":"response.create"}"""u8.ToArray());
        session.Tell(model.Job, new EngineEvent.Answer("hello"));
        session.Tell(model.Job, new EngineEvent.Audio(new float[480], 24000));
        session.Receive(data.ToArray());
        session.End(model.Job, null);
        if (refused is not null)
            throw new EmovaException(refused.ReplaceLineEndings(" "));
    }

    private sealed class Model : IRealtimeModel
    {
        public string Job { get; private set; } = "";

        public void Start(string job, EngineRequest request) => Job = Job.Length == 0 ? job : Job;

        public void Stop(string job)
        {
        }

        public ReplyGrammar? FindCallGrammar(IReadOnlyList<ChatTool> tools, bool allowText) => null;

        public VoiceOptions? FindVoice(string name) => VoiceNames.Find(name);
    }

    /// <summary>The first assistant item is called "spoken", so that events can name it.</summary>
    private sealed class Ids : RealtimeIds
    {
        private int _next;
        private bool _isNamed;

        public override string Next(string prefix)
        {
            if (prefix != "item" || _isNamed)
                return $"{prefix}_{_next++}";
            _isNamed = true;
            return "spoken";
        }
    }
}

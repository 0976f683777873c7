using System.Text.Json;
using System.Text.Json.Serialization;
using Emova.Models.Speech;

namespace Emova.Server.Realtime.Wire;

/// <summary>The settings of a session, as <c>session.created</c> and <c>session.updated</c> show them.</summary>
internal sealed record SessionObject
{
    public const double BetaTemperature = 0.8;

    public string Type => "realtime";

    public string Object => "realtime.session";

    public required string Id { get; init; }

    public required string Model { get; init; }

    public IReadOnlyList<string> OutputModalities { get; init; } = ["audio"];

    public string Instructions { get; init; } = "";

    /// <summary>Function tools in the flat form of this protocol.</summary>
    public IReadOnlyList<JsonElement> Tools { get; init; } = [];

    public JsonElement ToolChoice { get; init; } = JsonValues.Auto;

    public TokenLimit MaxOutputTokens { get; init; }

    public JsonElement Truncation { get; init; } = JsonValues.Auto;

    public JsonElement? Tracing { get; init; }

    public JsonElement? Prompt { get; init; }

    public JsonElement? Include { get; init; }

    public long ExpiresAt { get; init; }

    public SessionAudio Audio { get; init; } = new();

    /// <summary>This server's own settings; null, and not shown, until a client sets one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SessionExtension? Emova { get; init; }

    /// <summary>The beta dialect's temperature; null, and shown as its default, until a client sets one.</summary>
    [JsonIgnore]
    public double? Temperature { get; init; }
}

/// <param name="Trace">Whether the session tells what happens inside, in events <c>emova.*</c>.</param>
internal sealed record SessionExtension(bool Trace);

internal sealed record SessionAudio
{
    public AudioInput Input { get; init; } = new();

    public AudioOutput Output { get; init; } = new();
}

internal sealed record AudioInput
{
    public AudioFormat Format { get; init; } = AudioFormat.Pcm24;

    public Transcription? Transcription { get; init; }

    public NoiseReduction? NoiseReduction { get; init; }

    /// <summary>Null for push-to-talk.</summary>
    public TurnDetection? TurnDetection { get; init; } = new ServerVad();
}

internal sealed record AudioOutput
{
    public AudioFormat Format { get; init; } = AudioFormat.Pcm24;

    public string Voice { get; init; } = "";

    public double Speed { get; init; } = 1;

    // This server's own, not shown until a client sets them; unlike the voice they may change at any time.

    /// <summary>One of <see cref="SpeechStyle.Genders"/>; null for the voice's.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Gender { get; init; }

    /// <summary>One of <see cref="SpeechStyle.Emotions"/>; null for the voice's or the model's choice.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Emotion { get; init; }

    /// <summary>One of <see cref="SpeechStyle.Pitches"/>; null for the voice's or the model's choice.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Pitch { get; init; }

    /// <summary>0 to 1.5; null for 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? EmotionStrength { get; init; }

    /// <summary>Semitones, -12 to 12; null for 0.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? PitchShift { get; init; }

    /// <summary>The options of the voice with what is set here.</summary>
    public VoiceOptions Apply(VoiceOptions voice) => voice with
    {
        Gender = Gender ?? voice.Gender,
        Emotion = Emotion ?? voice.Emotion,
        Pitch = Pitch ?? voice.Pitch,
        Dials = new VoiceDials(
            (float?)EmotionStrength ?? voice.Dials.EmotionStrength, (float?)PitchShift ?? voice.Dials.PitchShift, voice.Dials.Speed * (float)Speed),
    };
}

/// <summary>How audio is written in messages.</summary>
/// <param name="Type"><c>audio/pcm</c> (16 bit, little endian), <c>audio/pcmu</c> or <c>audio/pcma</c> (G.711).</param>
/// <param name="Rate">Samples per second; null for G.711, which has 8000.</param>
internal sealed record AudioFormat(string Type, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? Rate)
{
    public static AudioFormat Pcm24 { get; } = new("audio/pcm", 24000);

    [JsonIgnore]
    public int SampleRate => Rate ?? 8000;

    [JsonIgnore]
    public int BytesPerSample => Type == "audio/pcm" ? 2 : 1;
}

internal sealed record Transcription
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Model { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Language { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Prompt { get; init; }
}

internal sealed record NoiseReduction(string Type);

/// <summary>How the server finds out that a turn has ended.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(ServerVad), "server_vad")]
[JsonDerivedType(typeof(SemanticVad), "semantic_vad")]
internal abstract record TurnDetection
{
    [JsonPropertyOrder(1)]
    public bool CreateResponse { get; init; } = true;

    [JsonPropertyOrder(1)]
    public bool InterruptResponse { get; init; } = true;
}

/// <summary>A turn ends after a silence.</summary>
internal sealed record ServerVad : TurnDetection
{
    public double Threshold { get; init; } = 0.5;

    public int PrefixPaddingMs { get; init; } = 300;

    public int SilenceDurationMs { get; init; } = 500;

    public int? IdleTimeoutMs { get; init; }
}

/// <summary>A turn ends when what was said sounds finished.</summary>
internal sealed record SemanticVad : TurnDetection
{
    /// <summary>low, medium, high or auto, which is medium.</summary>
    public string Eagerness { get; init; } = "auto";
}

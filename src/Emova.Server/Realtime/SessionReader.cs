using System.Text.Json;
using Emova.Models.Speech;
using Emova.Server.Engine;
using Emova.Server.Realtime.Wire;
using ChatFunction = Emova.Server.Wire.ChatFunction;
using ChatTool = Emova.Server.Wire.ChatTool;

namespace Emova.Server.Realtime;

/// <summary>
/// Applies the partial objects of <c>session.update</c> and <c>response.create</c>: only fields that are present change anything, and
/// a value that cannot be honored is refused by name.
/// </summary>
internal sealed class SessionReader(IRealtimeModel model, RealtimeLimits limits)
{
    private static readonly string[] FlatFields =
    [
        "modalities", "voice", "input_audio_format", "output_audio_format", "input_audio_transcription", "input_audio_noise_reduction",
        "turn_detection", "speed", "max_response_output_tokens", "temperature",
    ];

    /// <summary>The session after an update.</summary>
    /// <exception cref="RealtimeException">A field is wrong; nothing was changed.</exception>
    public SessionObject Apply(SessionObject session, Fields update)
    {
        if (update.OneOf("type", "realtime", "transcription") == "transcription")
            throw RealtimeException.Unsupported("session.type", "Transcription sessions are not supported; use a 'realtime' session with 'audio.input.transcription'.");
        update.Refuse(FlatFields);
        if (update.OptionalText("model") is { } name && name != session.Model)
            throw RealtimeException.Invalid("session.model", $"The model of a session cannot be changed; this session has '{session.Model}'.");
        if (update.Given("prompt", out _))
            throw RealtimeException.Unsupported("session.prompt", "Stored prompts are not supported; put the text into 'instructions'.");
        if (update.Given("include", out JsonElement include) && include.ValueKind == JsonValueKind.Array && include.GetArrayLength() > 0)
            throw RealtimeException.Unsupported("session.include", "Log probabilities of transcriptions are not supported.");

        session = session with
        {
            OutputModalities = ReadModalities(update) ?? session.OutputModalities,
            Tracing = update.Has("tracing", out JsonElement tracing) ? tracing.ValueKind == JsonValueKind.Null ? null : tracing.Clone() : session.Tracing,
            Tools = ReadTools(update) ?? session.Tools,
            ToolChoice = ReadToolChoice(update) ?? session.ToolChoice,
            MaxOutputTokens = ReadTokens(update) ?? session.MaxOutputTokens,
            Truncation = ReadTruncation(update) ?? session.Truncation,
            Temperature = update.Number("beta_temperature", 0, 2) ?? session.Temperature,
        };
        if (update.Has("instructions", out _))
            session = session with { Instructions = ReadText(update, "instructions") ?? "" };
        if (update.HasObject("emova", out Fields emova))
            session = session with { Emova = new SessionExtension(emova.Flag("trace") ?? session.Emova?.Trace ?? false) };
        return update.HasObject("audio", out Fields audio) ? session with { Audio = ReadAudio(session.Audio, audio) } : session;
    }

    /// <summary>The settings of one response.</summary>
    public ResponseSettings Read(SessionObject session, Fields? response)
    {
        ResponseSettings settings = new()
        {
            Instructions = session.Instructions, Tools = session.Tools, ToolChoice = session.ToolChoice, Modalities = session.OutputModalities,
            MaxOutputTokens = session.MaxOutputTokens, Output = session.Audio.Output, Temperature = session.Temperature,
            Trace = session.Emova?.Trace ?? false, Truncation = Truncation(session.Truncation),
        };
        if (response is not { } given)
            return settings;
        given.Refuse("modalities", "voice", "output_audio_format", "max_response_output_tokens");
        if (given.Given("prompt", out _))
            throw RealtimeException.Unsupported("response.prompt", "Stored prompts are not supported; put the text into 'instructions'.");
        string? instructions = ReadText(given, "instructions");
        settings = settings with
        {
            Instructions = instructions ?? settings.Instructions,
            HasOwnInstructions = !string.IsNullOrWhiteSpace(instructions),
            Tools = ReadTools(given) ?? settings.Tools,
            ToolChoice = ReadToolChoice(given) ?? settings.ToolChoice,
            Modalities = ReadModalities(given) ?? settings.Modalities,
            MaxOutputTokens = ReadTokens(given) ?? settings.MaxOutputTokens,
            InConversation = given.OneOf("conversation", "auto", "none") != "none",
            Metadata = ReadMetadata(given),
            Temperature = given.Number("beta_temperature", 0, 2) ?? settings.Temperature,
        };
        if (!given.HasObject("audio", out Fields audio) || !audio.HasObject("output", out Fields output))
            return settings;
        return settings with { Output = ReadOutput(session.Audio.Output, output) };
    }

    private static AudioFormat? ReadFormat(Fields fields)
    {
        if (!fields.HasObject("format", out Fields format))
            return null;
        string type = format.OneOf("type", "audio/pcm", "audio/pcmu", "audio/pcma") ?? throw RealtimeException.Missing(format.PathOf("type"));
        if (type != "audio/pcm")
            return format.Whole("rate", 1, int.MaxValue) is not (null or 8000) ? throw Rate("8000") : new AudioFormat(type, null);
        // 16 kHz is what other servers of this protocol take; it saves a conversion, the model hears at that rate.
        return format.Whole("rate", 1, int.MaxValue) switch
        {
            null or 24000 => AudioFormat.Pcm24,
            16000 => new AudioFormat(type, 16000),
            _ => throw Rate("24000 and 16000"),
        };

        RealtimeException Rate(string allowed) => RealtimeException.Invalid(format.PathOf("rate"), $"Invalid '{format.PathOf("rate")}': {type} is supported at {allowed} Hz.");
    }

    private static IReadOnlyList<string>? ReadModalities(Fields fields)
    {
        if (fields.List("output_modalities", 2) is not { } list)
            return null;
        string[] names = [.. list.Select(element => element.ValueKind == JsonValueKind.String ? element.GetString()! : "")];
        return names is ["audio"] or ["text"] ? names : throw RealtimeException.Invalid(
            fields.PathOf("output_modalities"), $"Invalid modalities: [{string.Join(", ", names.Select(name => $"'{name}'"))}]. Supported combinations are: ['text'] and ['audio'].");
    }

    private static TokenLimit? ReadTokens(Fields fields)
    {
        if (!fields.Has("max_output_tokens", out JsonElement value))
            return null;
        if (value.ValueKind == JsonValueKind.Null || value.ValueKind == JsonValueKind.String && value.ValueEquals("inf"))
            return new TokenLimit(null);
        return new TokenLimit(fields.Whole("max_output_tokens", 1, int.MaxValue));
    }

    private static JsonElement? ReadTruncation(Fields fields)
    {
        if (!fields.Given("truncation", out JsonElement value))
            return null;
        if (value.ValueKind == JsonValueKind.String)
            return fields.OneOf("truncation", "auto", "disabled") is null ? null : value.Clone();
        Fields truncation = fields.Object("truncation");
        _ = truncation.OneOf("type", "retention_ratio") ?? throw RealtimeException.Missing(truncation.PathOf("type"));
        _ = truncation.Number("retention_ratio", 0, 1) ?? throw RealtimeException.Missing(truncation.PathOf("retention_ratio"));
        if (truncation.HasObject("token_limits", out Fields limits))
            limits.Whole("post_instructions", 0, int.MaxValue);
        return value.Clone();
    }

    /// <summary>A truncation that <see cref="ReadTruncation"/> has taken.</summary>
    private static ContextTruncation Truncation(JsonElement truncation)
    {
        if (truncation.ValueKind == JsonValueKind.String)
            return new ContextTruncation(truncation.ValueEquals("auto"));
        Fields fields = new(truncation, "");
        return new ContextTruncation(
            true, fields.Number("retention_ratio", 0, 1)!.Value, fields.HasObject("token_limits", out Fields limits) ? limits.Whole("post_instructions", 0, int.MaxValue) : null);
    }

    private static JsonElement? ReadMetadata(Fields fields)
    {
        if (!fields.HasObject("metadata", out _) || !fields.Given("metadata", out JsonElement value))
            return null;
        int count = 0;
        foreach (JsonProperty pair in value.EnumerateObject())
        {
            if (++count > 16 || pair.Name.Length > 64 || pair.Value.ValueKind != JsonValueKind.String || pair.Value.GetRawText().Length > 3 * 512)
                throw RealtimeException.Invalid(fields.PathOf("metadata"), "Invalid 'metadata': expected at most 16 pairs of a key of 64 and a text of 512 characters.");
        }

        return value.Clone();
    }

    private string? ReadText(Fields fields, string name) => fields.OptionalText(name) is not { } text ? null
        : text.Length <= limits.TextLength ? text
        : throw RealtimeException.Invalid(fields.PathOf(name), $"Invalid '{fields.PathOf(name)}': at most {limits.TextLength} characters are allowed.");

    private IReadOnlyList<JsonElement>? ReadTools(Fields fields)
    {
        if (!fields.Has("tools", out JsonElement value))
            return null;
        if (value.ValueKind == JsonValueKind.Null)
            return [];
        JsonElement[] tools = fields.List("tools", limits.Tools)!;
        for (int i = 0; i < tools.Length; i++)
            tools[i] = ReadTool(new Fields(tools[i], $"{fields.PathOf("tools")}[{i}]"), tools[i]);
        return tools;
    }

    private static JsonElement ReadTool(Fields tool, JsonElement element)
    {
        string type = tool.OneOf("type", "function", "mcp") ?? throw RealtimeException.Missing(tool.PathOf("type"));
        if (type != "function")
            throw RealtimeException.Unsupported(tool.PathOf("type"), "Only tools of type 'function' are supported.");
        // Chat completions nest the description of a function; some clients of this protocol do as well.
        if (tool.HasObject("function", out Fields nested))
        {
            nested.Text("name");
            using MemoryStream bytes = new();
            using (Utf8JsonWriter writer = new(bytes))
            {
                writer.WriteStartObject();
                writer.WriteString("type", type);
                foreach (JsonProperty property in element.GetProperty("function").EnumerateObject())
                    property.WriteTo(writer);
                writer.WriteEndObject();
            }

            return JsonDocument.Parse(bytes.ToArray()).RootElement;
        }

        if (tool.Text("name").Length is 0 or > 64)
            throw RealtimeException.Invalid(tool.PathOf("name"), $"Invalid '{tool.PathOf("name")}': expected 1 to 64 characters.");
        if (tool.HasObject("parameters", out _))
            return element.Clone();
        return tool.Given("parameters", out JsonElement wrong) ? throw Fields.WrongType(tool.PathOf("parameters"), "an object", wrong.ValueKind) : element.Clone();
    }

    private static JsonElement? ReadToolChoice(Fields fields)
    {
        if (!fields.Given("tool_choice", out JsonElement value))
            return null;
        if (value.ValueKind == JsonValueKind.String)
            fields.OneOf("tool_choice", "none", "auto", "required");
        else if (fields.Object("tool_choice") is var choice)
            _ = choice.OneOf("type", "function") is null ? throw RealtimeException.Missing(choice.PathOf("type")) : choice.Text("name");
        return value.Clone();
    }

    private SessionAudio ReadAudio(SessionAudio audio, Fields fields)
    {
        if (fields.HasObject("input", out Fields input))
            audio = audio with { Input = ReadInput(audio.Input, input) };
        return fields.HasObject("output", out Fields output) ? audio with { Output = ReadOutput(audio.Output, output) } : audio;
    }

    private AudioOutput ReadOutput(AudioOutput output, Fields fields)
    {
        string? voice = fields.Given("voice", out JsonElement value) && value.ValueKind == JsonValueKind.Object
            ? fields.Object("voice").Text("id") : fields.OptionalText("voice");
        if (voice is not null && model.FindVoice(voice) is null)
            throw RealtimeException.Invalid(fields.PathOf("voice"), $"Invalid value: '{voice}'. GET /v1/audio/voices lists the voices of this model.");
        return output with
        {
            Format = ReadFormat(fields) ?? output.Format,
            Voice = voice ?? output.Voice,
            Speed = fields.Number("speed", 0.25, 1.5) ?? output.Speed,
            Gender = fields.Has("gender", out _) ? fields.OneOf("gender", [.. SpeechStyle.Genders]) : output.Gender,
            Emotion = fields.Has("emotion", out _) ? fields.OneOf("emotion", [.. SpeechStyle.Emotions]) : output.Emotion,
            Pitch = fields.Has("pitch", out _) ? fields.OneOf("pitch", [.. SpeechStyle.Pitches]) : output.Pitch,
            EmotionStrength = fields.Has("emotion_strength", out _) ? fields.Number("emotion_strength", 0, 1.5) : output.EmotionStrength,
            PitchShift = fields.Has("pitch_shift", out _) ? fields.Number("pitch_shift", -12, 12) : output.PitchShift,
        };
    }

    private static AudioInput ReadInput(AudioInput input, Fields fields)
    {
        input = input with { Format = ReadFormat(fields) ?? input.Format };
        if (fields.Has("transcription", out _))
        {
            input = input with
            {
                Transcription = fields.HasObject("transcription", out Fields transcription)
                    ? new Transcription { Model = transcription.OptionalText("model"), Language = transcription.OptionalText("language"), Prompt = transcription.OptionalText("prompt") }
                    : null,
            };
        }

        if (fields.Has("noise_reduction", out _))
        {
            input = input with
            {
                NoiseReduction = fields.HasObject("noise_reduction", out Fields reduction)
                    ? new NoiseReduction(reduction.OneOf("type", "near_field", "far_field") ?? throw RealtimeException.Missing(reduction.PathOf("type"))) : null,
            };
        }

        return fields.Has("turn_detection", out _)
            ? input with { TurnDetection = fields.HasObject("turn_detection", out Fields detection) ? ReadDetection(input.TurnDetection, detection) : null } : input;
    }

    private static TurnDetection ReadDetection(TurnDetection? current, Fields fields)
    {
        string type = fields.OneOf("type", "server_vad", "semantic_vad") ?? (current is SemanticVad ? "semantic_vad" : "server_vad");
        TurnDetection changed;
        if (type == "semantic_vad")
        {
            SemanticVad semantic = current as SemanticVad ?? new SemanticVad();
            changed = semantic with { Eagerness = fields.OneOf("eagerness", "low", "medium", "high", "auto") ?? semantic.Eagerness };
        }
        else
        {
            ServerVad server = current as ServerVad ?? new ServerVad();
            changed = server with
            {
                Threshold = fields.Number("threshold", 0, 1) ?? server.Threshold,
                PrefixPaddingMs = fields.Whole("prefix_padding_ms", 0, 10_000) ?? server.PrefixPaddingMs,
                SilenceDurationMs = fields.Whole("silence_duration_ms", 50, 60_000) ?? server.SilenceDurationMs,
                IdleTimeoutMs = fields.Has("idle_timeout_ms", out _) ? fields.Whole("idle_timeout_ms", 5000, 30_000) : server.IdleTimeoutMs,
            };
        }

        return changed with
        {
            CreateResponse = fields.Flag("create_response") ?? current?.CreateResponse ?? true,
            InterruptResponse = fields.Flag("interrupt_response") ?? current?.InterruptResponse ?? true,
        };
    }
}

/// <summary>What one response is made with: the session's settings, changed by <c>response.create</c>.</summary>
internal sealed record ResponseSettings
{
    public string Instructions { get; init; } = "";

    /// <summary>Whether the instructions were given for this response.</summary>
    public bool HasOwnInstructions { get; init; }

    public IReadOnlyList<JsonElement> Tools { get; init; } = [];

    public JsonElement ToolChoice { get; init; } = JsonValues.Auto;

    public IReadOnlyList<string> Modalities { get; init; } = ["audio"];

    public bool Spoken => Modalities[0] == "audio";

    /// <summary>The functions that may be called, in the form of chat completions; empty when none may.</summary>
    public IReadOnlyList<ChatTool> CallableTools()
    {
        if (Tools.Count == 0 || ToolChoice.ValueKind == JsonValueKind.String && ToolChoice.ValueEquals("none"))
            return [];
        string? only = ToolChoice.ValueKind == JsonValueKind.Object ? ToolChoice.GetProperty("name").GetString() : null;
        List<ChatTool> callable = [];
        foreach (JsonElement tool in Tools)
        {
            string name = tool.GetProperty("name").GetString()!;
            if (only is null || name == only)
            {
                callable.Add(new ChatTool("function", new ChatFunction(
                    name, tool.TryGetProperty("description", out JsonElement description) && description.ValueKind == JsonValueKind.String ? description.GetString() : null,
                    tool.TryGetProperty("parameters", out JsonElement parameters) ? parameters : null, null)));
            }
        }

        return callable.Count > 0 ? callable : throw RealtimeException.Invalid("tool_choice", $"Invalid 'tool_choice': there is no tool called '{only}'.");
    }

    /// <summary>Whether the answer may be text although there are functions.</summary>
    public bool MayBeText => ToolChoice.ValueKind == JsonValueKind.String && ToolChoice.ValueEquals("auto");

    public TokenLimit MaxOutputTokens { get; init; }

    public ContextTruncation Truncation { get; init; } = ContextTruncation.None;

    public AudioOutput Output { get; init; } = new();

    /// <summary>Whether the client is told what happens inside.</summary>
    public bool Trace { get; init; }

    /// <summary>Null for the most likely words.</summary>
    public double? Temperature { get; init; }

    /// <summary>False for a response outside of the conversation.</summary>
    public bool InConversation { get; init; } = true;

    public JsonElement? Metadata { get; init; }
}

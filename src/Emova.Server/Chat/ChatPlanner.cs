using System.Text.Json;
using Emova.Generation;
using Emova.Server.Audio;
using Emova.Server.Engine;
using Emova.Server.Http;
using Emova.Server.Wire;
using Emova.Text;

namespace Emova.Server.Chat;

/// <summary>Checks a chat request and turns it into a plan. What is wrong or not supported is named.</summary>
internal sealed class ChatPlanner(IInferenceEngine engine, ChatMessageReader messages, GrammarCache grammars)
{
    private const int MaxStops = 4;
    private const int MaxTools = 128;

    public async Task<ChatPlan> PlanAsync(ChatRequest request, CancellationToken cancellationToken)
    {
        RequireModel(request.Model, engine.Info);
        RefuseUnsupported(request);
        AudioFormat? audio = Audio(request);
        bool tools = request.Tools is { Count: > 0 } && ToolChoice(request, out _) != "none";
        (string? system, IReadOnlyList<EngineMessage> conversation) = await messages.ReadAsync(request.Messages, cancellationToken).ConfigureAwait(false);
        ReplyGrammar? grammar = Grammar(request, tools);
        if (grammar is not null && !tools && audio is not null)
            throw ApiException.Unsupported("response_format", "'response_format' other than text is not supported together with modality 'audio'.");
        ulong seed = unchecked((ulong)(request.Seed ?? 0));
        EngineRequest wanted = new()
        {
            Messages = conversation,
            System = tools ? ToolPrompt.Append(system ?? engine.Info.SystemText, request.Tools!) : system,
            Speak = audio is not null,
            Grammar = grammar,
            Sampling = Sampling(request, seed),
            Voice = Voice(request.Audio, seed),
            MaxTokens = MaxTokens(request),
            Stop = Stop(request.Stop),
        };
        return new ChatPlan(wanted, request.Stream ?? false, request.StreamOptions?.IncludeUsage ?? false, audio, tools);
    }

    public static void RequireModel(string? model, EngineInfo info)
    {
        if (string.IsNullOrEmpty(model))
            throw ApiException.Missing("model");
        if (model != info.ModelName)
            throw ApiException.UnknownModel(model, info.ModelName);
    }

    private static void RefuseUnsupported(ChatRequest request)
    {
        Refuse(request.N is not (null or 1), "n", "only one answer per request is made");
        Refuse(request.Logprobs == true, "logprobs", "log probabilities are not reported");
        Refuse(request.TopLogprobs is > 0, "top_logprobs", "log probabilities are not reported");
        Refuse(request.PresencePenalty is not (null or 0), "presence_penalty", "allowed is 0");
        Refuse(request.FrequencyPenalty is not (null or 0), "frequency_penalty", "allowed is 0");
        Refuse(request.LogitBias is { ValueKind: not JsonValueKind.Null } bias && !(bias.ValueKind == JsonValueKind.Object && !bias.EnumerateObject().Any()), "logit_bias", "allowed is an empty object");
        Refuse(IsSet(request.Functions), "functions", "use 'tools'");
        Refuse(IsSet(request.FunctionCall), "function_call", "use 'tool_choice'");
        Refuse(IsSet(request.Prediction), "prediction", "predicted outputs are not used");
        Refuse(IsSet(request.WebSearchOptions), "web_search_options", "there is no web search");
        Refuse(request.ReasoningEffort is not (null or "none"), "reasoning_effort", "the model does not reason; allowed is 'none'");
        Refuse(request.Verbosity is not (null or "medium"), "verbosity", "allowed is 'medium'");
        Refuse(request.ServiceTier is not (null or "auto" or "default"), "service_tier", "allowed are 'auto' and 'default'");
        Refuse(request.Store == true, "store", "nothing is stored");
        Refuse(request.StreamOptions is not null && request.Stream != true, "stream_options", "allowed only when stream is true");
        Refuse(request.StreamOptions?.IncludeObfuscation == true, "stream_options.include_obfuscation", "allowed is false");

        static bool IsSet(JsonElement? value) => value is { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) };

        static void Refuse(bool refuse, string param, string reason)
        {
            if (refuse)
                throw ApiException.Unsupported(param, $"'{param}' is not supported with this value: {reason}.");
        }
    }

    private AudioFormat? Audio(ChatRequest request)
    {
        IReadOnlyList<string> modalities = request.Modalities ?? ["text"];
        if (modalities.Count == 0 || modalities.Any(modality => modality is not ("text" or "audio")))
            throw ApiException.Invalid("modalities", "'modalities' is [\"text\"] or [\"text\", \"audio\"].");
        if (!modalities.Contains("audio"))
            return request.Audio is null ? null : throw ApiException.Invalid("audio", "'audio' is allowed only when 'modalities' has \"audio\".");
        if (!engine.Info.CanSpeak)
            throw ApiException.Unsupported("modalities", "This model cannot speak.");
        if (request.Audio is null)
            throw ApiException.Missing("audio");
        string format = request.Audio.Format ?? throw ApiException.Missing("audio.format");
        if (request.Stream == true && format != "pcm16")
            throw ApiException.Unsupported("audio.format", $"'audio.format' does not support '{format}' when stream=true. Supported values are: 'pcm16'.");
        return format switch
        {
            "wav" => AudioFormat.Wav,
            "flac" => AudioFormat.Flac,
            "pcm16" => AudioFormat.Pcm,
            _ => throw ApiException.Unsupported("audio.format", $"'audio.format' does not support '{format}'. Supported values are: 'wav', 'flac', 'pcm16'."),
        };
    }

    private VoiceOptions Voice(ChatAudioOptions? audio, ulong seed) => audio is null ? new VoiceOptions { Seed = seed } : VoiceParameters.Apply(
        VoiceParameters.Parse(audio.Voice, "audio.voice", engine.Info), "audio.", audio.Emotion, audio.Pitch, audio.Speed, audio.PitchShift, audio.EmotionStrength, seed);

    /// <summary>Where a request says nothing the most likely token is taken: EMOVA was trained to be used so. Units always are: wrong ones are heard as wrong words.</summary>
    private static SamplingOptions Sampling(ChatRequest request, ulong seed)
    {
        if (request.Temperature is not (null or (>= 0 and <= 2)))
            throw ApiException.Invalid("temperature", $"'temperature' is {request.Temperature}, allowed is 0 to 2.");
        if (request.TopP is not (null or (>= 0 and <= 1)))
            throw ApiException.Invalid("top_p", $"'top_p' is {request.TopP}, allowed is 0 to 1.");
        bool greedy = request.TopP == 0;
        return new SamplingOptions
        {
            Temperature = greedy ? 0 : (float)(request.Temperature ?? 0), SpeechTemperature = 0, TopP = greedy ? 1 : Math.Max(1e-6f, (float)(request.TopP ?? 1)), Seed = seed,
        };
    }

    private static int? MaxTokens(ChatRequest request)
    {
        foreach ((string name, int? value) in ((string, int?)[])[("max_completion_tokens", request.MaxCompletionTokens), ("max_tokens", request.MaxTokens)])
        {
            if (value is < 1)
                throw ApiException.Invalid(name, $"'{name}' is {value}, allowed is 1 or more.");
        }

        return request.MaxCompletionTokens ?? request.MaxTokens;
    }

    private static IReadOnlyList<string> Stop(JsonElement? stop)
    {
        string?[] texts = stop switch
        {
            null or { ValueKind: JsonValueKind.Null } => [],
            { ValueKind: JsonValueKind.String } one => [one.GetString()],
            { ValueKind: JsonValueKind.Array } several => [.. several.EnumerateArray().Select(text => text.ValueKind == JsonValueKind.String ? text.GetString() : null)],
            _ => [null],
        };
        if (texts.Length > MaxStops || texts.Any(string.IsNullOrEmpty))
            throw ApiException.Invalid("stop", $"'stop' is a text or a list of up to {MaxStops} texts, none of them empty.");
        return texts!;
    }

    private ReplyGrammar? Grammar(ChatRequest request, bool tools)
    {
        string format = request.ResponseFormat is null ? "text" : request.ResponseFormat.Type ?? throw ApiException.Missing("response_format.type");
        if (tools)
        {
            if (format != "text")
                throw ApiException.Unsupported("response_format", "'response_format' other than text is not supported together with 'tools'.");
            return Calls(request);
        }

        return format switch
        {
            "text" => null,
            "json_object" => grammars.Json(null),
            "json_schema" => Schema(request.ResponseFormat!.JsonSchema),
            _ => throw ApiException.Unsupported("response_format.type", $"'response_format.type' is '{format}'. Supported values are: 'text', 'json_object', 'json_schema'."),
        };
    }

    private ReplyGrammar Schema(ChatJsonSchema? schema)
    {
        if (schema?.Schema is not { } wanted)
            throw ApiException.Missing("response_format.json_schema.schema");
        try
        {
            return grammars.Json(wanted);
        }
        catch (EmovaException error)
        {
            throw ApiException.Unsupported("response_format.json_schema.schema", error.Message);
        }
    }

    private ReplyGrammar Calls(ChatRequest request)
    {
        IReadOnlyList<ChatTool> tools = request.Tools!;
        if (tools.Count > MaxTools)
            throw ApiException.Invalid("tools", $"'tools' has {tools.Count} entries, allowed are {MaxTools}.");
        for (int i = 0; i < tools.Count; i++)
        {
            if (tools[i] is not { Type: "function", Function: { Name: { } name } } || name.Length is 0 or > 64 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
                throw ApiException.Invalid($"tools[{i}]", "A tool is {\"type\": \"function\", \"function\": {\"name\": ...}}; names have up to 64 letters, digits, _ and -.");
        }

        string choice = ToolChoice(request, out string? named);
        IReadOnlyList<ChatTool> callable = named is null ? tools : [.. tools.Where(tool => tool.Function!.Name == named)];
        if (callable.Count == 0)
            throw ApiException.Invalid("tool_choice", $"'tool_choice' names the function '{named}', which is not among 'tools'.");
        try
        {
            return grammars.Calls(callable, allowText: choice == "auto", allowSeveral: named is null && request.ParallelToolCalls != false);
        }
        catch (EmovaException error)
        {
            throw ApiException.Unsupported("tools", error.Message);
        }
    }

    private static string ToolChoice(ChatRequest request, out string? name)
    {
        name = null;
        switch (request.ToolChoice)
        {
            case null or { ValueKind: JsonValueKind.Null }:
                return "auto";
            case { ValueKind: JsonValueKind.String } text when text.GetString() is "auto" or "none" or "required":
                return text.GetString()!;
            case { ValueKind: JsonValueKind.Object } choice when choice.TryGetProperty("function", out JsonElement function)
                && function.ValueKind == JsonValueKind.Object && function.TryGetProperty("name", out JsonElement named) && named.ValueKind == JsonValueKind.String:
                name = named.GetString();
                return "required";
            default:
                throw ApiException.Unsupported("tool_choice", "'tool_choice' is 'none', 'auto', 'required' or {\"type\": \"function\", \"function\": {\"name\": ...}}.");
        }
    }
}

using System.Text;
using System.Text.Json;
using Emova.Server.Engine;
using Emova.Server.Http;
using Emova.Server.Wire;
using Emova.Text;

namespace Emova.Server.Chat;

/// <summary>Reads the messages of a chat request.</summary>
internal sealed class ChatMessageReader(MediaInput media, SpokenReplies spokenReplies, IInferenceEngine engine)
{
    private const int MaxMessages = 2048;

    public async Task<(string? System, IReadOnlyList<EngineMessage> Messages)> ReadAsync(IReadOnlyList<ChatRequestMessage>? messages, CancellationToken cancellationToken)
    {
        if (messages is null)
            throw ApiException.Missing("messages");
        if (messages.Count is 0 or > MaxMessages)
            throw ApiException.Invalid("messages", $"'messages' has {messages.Count} entries, allowed is 1 to {MaxMessages}.");
        StringBuilder system = new();
        List<EngineMessage> read = [];
        for (int i = 0; i < messages.Count; i++)
        {
            string param = $"messages[{i}]";
            ChatRequestMessage message = messages[i] ?? throw ApiException.Invalid(param, $"'{param}' is null.");
            switch (message.Role)
            {
                case "system" or "developer":
                    system.Append(system.Length > 0 ? "\n\n" : "").Append(Text(message, param));
                    break;
                case "user":
                    read.AddRange(await UserAsync(message, param, cancellationToken).ConfigureAwait(false));
                    break;
                case "assistant":
                    read.Add(new EngineMessage(ConversationRole.Assistant, Assistant(message, param)));
                    break;
                case "tool":
                    AddToolResult(read, Text(message, param), messages[i - 1 < 0 ? 0 : i - 1]?.Role == "tool");
                    break;
                case null:
                    throw ApiException.Missing($"{param}.role");
                default:
                    throw ApiException.Unsupported($"{param}.role", $"'{param}.role' is '{message.Role}'. Supported values are: 'system', 'developer', 'user', 'assistant', 'tool'.");
            }
        }

        if (read.Count == 0 || read[^1].Role != ConversationRole.User)
            throw ApiException.Invalid("messages", "The last message must be the user's or a tool's.");
        if (read[^1] is { Speech: null, Picture: null, Text: null or "" })
            throw ApiException.Invalid($"messages[{messages.Count - 1}].content", "The last message is empty.");
        return (system.Length == 0 ? null : system.ToString(), read);
    }

    private async Task<List<EngineMessage>> UserAsync(ChatRequestMessage message, string param, CancellationToken cancellationToken)
    {
        StringBuilder text = new();
        SpeechInput? speech = null;
        List<PictureInput> pictures = [];
        int index = 0;
        foreach (ChatContentPart part in Parts(message, param))
        {
            string at = $"{param}.content[{index++}]";
            switch (part.Type)
            {
                case "text":
                    text.Append(text.Length > 0 ? "\n" : "").Append(part.Text ?? throw ApiException.Missing($"{at}.text"));
                    break;
                case "image_url":
                    Require(engine.Info.CanSee, at, "This model cannot see.");
                    if (part.ImageUrl?.Detail is not (null or "auto" or "low" or "high"))
                        throw ApiException.Invalid($"{at}.image_url.detail", $"'{at}.image_url.detail' is 'auto', 'low' or 'high'.");
                    pictures.Add(await media.PictureAsync(part.ImageUrl?.Url, $"{at}.image_url.url", cancellationToken).ConfigureAwait(false));
                    break;
                case "input_audio" or "audio_url":
                    Require(engine.Info.CanHear, at, "This model cannot hear.");
                    Require(speech is null, at, "A message may have one recording.");
                    speech = part.Type == "input_audio"
                        ? media.Speech(part.InputAudio?.Data, part.InputAudio?.Format, $"{at}.input_audio")
                        : await media.SpeechAsync(part.AudioUrl?.Url, $"{at}.audio_url.url", cancellationToken).ConfigureAwait(false);
                    break;
                case null:
                    throw ApiException.Missing($"{at}.type");
                default:
                    throw ApiException.Unsupported($"{at}.type", $"'{at}.type' is '{part.Type}'. Supported values are: 'text', 'image_url', 'input_audio', 'audio_url'.");
            }
        }

        List<EngineMessage> read = [.. pictures.SkipLast(1).Select(picture => new EngineMessage(ConversationRole.User, null, null, picture))];
        read.Add(new EngineMessage(ConversationRole.User, text.ToString(), speech, pictures.LastOrDefault()));
        return read;
    }

    private string Assistant(ChatRequestMessage message, string param)
    {
        if (message.Audio is { } audio)
        {
            string id = audio.Id ?? throw ApiException.Missing($"{param}.audio.id");
            return spokenReplies.Find(id) ?? throw ApiException.Invalid($"{param}.audio.id", $"The spoken reply '{id}' is unknown or has expired.", "audio_not_found");
        }

        StringBuilder text = new(message.Content is null ? "" : Text(message, param));
        foreach (ChatToolCall call in message.ToolCalls ?? [])
        {
            if (call?.Function?.Name is not { } name)
                throw ApiException.Missing($"{param}.tool_calls");
            text.Append(text.Length > 0 ? "\n" : "").Append(ToolPrompt.Call(name, call.Function.Arguments ?? "{}"));
        }

        return text.ToString();
    }

    /// <summary>Results that follow each other go into one message, as the models were trained.</summary>
    private static void AddToolResult(List<EngineMessage> read, string content, bool follows)
    {
        string result = ToolPrompt.Result(content);
        if (follows && read.Count > 0)
            read[^1] = read[^1] with { Text = $"{read[^1].Text}\n{result}" };
        else
            read.Add(new EngineMessage(ConversationRole.User, result));
    }

    /// <summary>Content that may only be text.</summary>
    private static string Text(ChatRequestMessage message, string param)
    {
        List<string> texts = [];
        foreach (ChatContentPart part in Parts(message, param))
        {
            string? text = part.Type switch
            {
                "text" => part.Text,
                "refusal" => part.Refusal,
                _ => throw ApiException.Unsupported($"{param}.content[{texts.Count}].type", $"Messages of the role '{message.Role}' may only have text."),
            };
            texts.Add(text ?? throw ApiException.Missing($"{param}.content[{texts.Count}].text"));
        }

        return string.Join('\n', texts);
    }

    private static IEnumerable<ChatContentPart> Parts(ChatRequestMessage message, string param) => message.Content switch
    {
        null or { ValueKind: JsonValueKind.Null } when message.Role == "assistant" => [],
        null => throw ApiException.Missing($"{param}.content"),
        { ValueKind: JsonValueKind.String } text => [new ChatContentPart { Type = "text", Text = text.GetString() }],
        { ValueKind: JsonValueKind.Array } parts => parts.EnumerateArray().Select((part, index) => JsonBody.Read(part, ServerJson.Default.ChatContentPart, $"{param}.content[{index}]")),
        _ => throw ApiException.Invalid($"{param}.content", $"'{param}.content' is a text or a list of parts.", "invalid_type"),
    };

    private static void Require(bool condition, string param, string message)
    {
        if (!condition)
            throw ApiException.Unsupported(param, message);
    }
}

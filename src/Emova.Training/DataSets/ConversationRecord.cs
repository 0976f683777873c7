using System.Globalization;
using System.Text;
using System.Text.Json;
using Emova.Text;

namespace Emova.Training.DataSets;

/// <summary>
/// The record of LLaVA-style data sets: <c>{"id", "image", "conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}</c>.
/// <c>messages</c> with <c>role</c> and <c>content</c>, as other tools write it, is the same. Speech stands as unit tokens in the values.
/// </summary>
public static class ConversationRecord
{
    /// <summary>Reads a record.</summary>
    /// <param name="record">the JSON object</param>
    /// <param name="place">used where it has no id</param>
    /// <param name="picture">finds the picture that the field <c>image</c> names</param>
    /// <exception cref="DefectException">It is no such record.</exception>
    public static DataSetExample Read(JsonElement record, string place, Func<JsonElement, PictureReference?> picture)
    {
        if (record.ValueKind != JsonValueKind.Object)
        {
            throw new DefectException(DefectKind.BadRecord, $"{place}: not an object");
        }

        string id = IdOf(record) ?? place;
        List<(string? Role, string? Text, bool Escaped)> turns = [];
        foreach (JsonElement turn in Turns(record, id))
        {
            turns.Add((TextOf(turn, "from") ?? TextOf(turn, "role"), TextOf(turn, "value") ?? TextOf(turn, "content"), turn.TryGetProperty("re_encode", out _)));
        }

        PictureReference? image = null;
        if (record.TryGetProperty("image", out JsonElement field) && field.ValueKind != JsonValueKind.Null)
        {
            image = picture(field.ValueKind == JsonValueKind.Array
                ? field.GetArrayLength() == 1 ? field[0] : throw new DefectException(DefectKind.BadRecord, $"{id}: {field.GetArrayLength()} pictures; a conversation has one")
                : field);
        }

        return Create(id, turns, image, TextOf(record, "language"));
    }

    /// <summary>Checks the turns of a conversation and brings its picture to the front of the turn that shows it.</summary>
    /// <exception cref="DefectException">The turns do not alternate, one is empty, or picture and placeholders do not fit.</exception>
    public static DataSetExample Create(string id, IReadOnlyList<(string? Role, string? Text, bool Escaped)> turns, PictureReference? picture, string? language)
    {
        List<ConversationMessage> messages = [];
        int shown = 0;
        foreach ((string? name, string? given, bool escaped) in turns)
        {
            ConversationRole? role = name switch
            {
                "human" or "user" => ConversationRole.User,
                "gpt" or "assistant" or "model" => ConversationRole.Assistant,
                _ when messages.Count == 0 => null, // the reference drops what stands before the first question
                _ => throw new DefectException(DefectKind.BadRecord, $"{id}: turn {messages.Count + 1} is from '{name}', expected human or gpt"),
            };
            if (role is null || (role == ConversationRole.Assistant && messages.Count == 0))
            {
                continue;
            }

            if (role != (messages.Count % 2 == 0 ? ConversationRole.User : ConversationRole.Assistant))
            {
                throw new DefectException(DefectKind.BadRecord, $"{id}: human and gpt have to alternate, turn {messages.Count + 1} does not");
            }

            string text = escaped && role == ConversationRole.Assistant ? Unescape(given ?? "") : given ?? "";
            bool shows = text.Contains(ImagePlaceholder.Text, StringComparison.Ordinal);
            if (shows && (role == ConversationRole.Assistant || picture is null || ++shown > 1))
            {
                throw new DefectException(DefectKind.BadRecord, $"{id}: {(picture is null ? "a placeholder without a picture" : "more than one place for its picture")}");
            }

            text = ImagePlaceholder.MoveToFront(text);
            if (string.IsNullOrWhiteSpace(text))
            {
                throw new DefectException(DefectKind.EmptyText, $"{id}: turn {messages.Count + 1} is empty");
            }

            messages.Add(new ConversationMessage(role.Value, text));
        }

        if (messages.Count % 2 == 1)
        {
            messages.RemoveAt(messages.Count - 1); // a question without an answer teaches nothing
        }

        if (messages.Count == 0)
        {
            throw new DefectException(DefectKind.EmptyText, $"{id}: no question with an answer");
        }

        // A picture that no turn shows would be ignored; it belongs to the first question.
        if (picture is not null && shown == 0)
        {
            messages[0] = messages[0] with { Text = $"{ImagePlaceholder.Text}\n{messages[0].Text}" };
        }

        return new DataSetExample(id, messages, picture, language);
    }

    /// <summary>
    /// The reference marks answers whose text holds backslash escapes by <c>re_encode</c>. Its decoding spoils every character beyond ASCII;
    /// this one leaves them alone.
    /// </summary>
    internal static string Unescape(string text)
    {
        StringBuilder plain = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' || i + 1 == text.Length)
            {
                plain.Append(text[i]);
                continue;
            }

            char kind = text[++i];
            int digits = kind switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits > 0 && i + digits < text.Length
                && int.TryParse(text.AsSpan(i + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int code) && code is >= 0 and <= 0x10FFFF)
            {
                plain.Append(code <= 0xFFFF ? ((char)code).ToString() : char.ConvertFromUtf32(code));
                i += digits;
                continue;
            }

            plain.Append(kind switch { 'n' => "\n", 't' => "\t", 'r' => "\r", '\\' => "\\", '"' => "\"", '\'' => "'", _ => $"\\{kind}" });
        }

        return plain.ToString();
    }

    /// <summary>The field <c>id</c> as text.</summary>
    internal static string? IdOf(JsonElement record) => record.ValueKind == JsonValueKind.Object && record.TryGetProperty("id", out JsonElement id)
        ? id.ValueKind switch { JsonValueKind.String => Safe(id), JsonValueKind.Number => id.GetRawText(), _ => null }
        : null;

    private static JsonElement.ArrayEnumerator Turns(JsonElement record, string id)
    {
        foreach (string name in (string[])["conversations", "messages"])
        {
            if (record.TryGetProperty(name, out JsonElement turns) && turns.ValueKind == JsonValueKind.Array
                && turns.EnumerateArray().All(turn => turn.ValueKind == JsonValueKind.Object))
            {
                return turns.EnumerateArray();
            }
        }

        throw new DefectException(DefectKind.BadRecord, $"{id}: no list 'conversations' of objects");
    }

    private static string? TextOf(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? Safe(value) : null;

    /// <summary>Half a surrogate pair cannot become a string.</summary>
    private static string? Safe(JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            throw new DefectException(DefectKind.BadRecord, "text that is no valid Unicode");
        }
    }
}

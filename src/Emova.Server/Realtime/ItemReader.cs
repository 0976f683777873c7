using System.Text.Json;
using Emova.Media;
using Emova.Server.Engine;
using Emova.Server.Realtime.Wire;

namespace Emova.Server.Realtime;

/// <summary>Reads the items of <c>conversation.item.create</c> and <c>response.create</c>.</summary>
internal sealed class ItemReader(RealtimeIds ids, RealtimeLimits limits)
{
    private const int MostParts = 64;

    /// <summary>An item with its audio decoded and its pictures opened.</summary>
    /// <exception cref="RealtimeException">Something in it is missing, wrong or too large.</exception>
    public ConversationEntry Read(Fields item, AudioFormat audioFormat)
    {
        string id = item.OptionalText("id") is { Length: > 0 } given ? given : ids.Next("item");
        if (id.Length > 64 || id == "root")
            throw RealtimeException.Invalid(item.PathOf("id"), $"Invalid '{item.PathOf("id")}': expected at most 64 characters, and not 'root'.");
        string type = item.OneOf("type", "message", "function_call", "function_call_output") ?? throw RealtimeException.Missing(item.PathOf("type"));
        return type switch
        {
            "function_call" => new ConversationEntry(new FunctionCallItem
            {
                Id = id, CallId = item.OptionalText("call_id") ?? ids.Next("call"), Name = item.Text("name"), Arguments = Limited(item, "arguments", item.Text("arguments")),
            }),
            "function_call_output" => new ConversationEntry(new FunctionOutputItem
            {
                Id = id, CallId = item.Text("call_id"), Output = Limited(item, "output", item.Text("output")),
            }),
            _ => ReadMessage(item, id, audioFormat),
        };
    }

    private ConversationEntry ReadMessage(Fields item, string id, AudioFormat audioFormat)
    {
        string role = item.OneOf("role", "user", "assistant", "system") ?? throw RealtimeException.Missing(item.PathOf("role"));
        JsonElement[] elements = item.List("content", MostParts) ?? throw RealtimeException.Missing(item.PathOf("content"));
        List<ContentPart> parts = [];
        ConversationEntry entry = new(new MessageItem { Id = id, Role = role });
        for (int i = 0; i < elements.Length; i++)
            parts.Add(ReadPart(new Fields(elements[i], $"{item.PathOf("content")}[{i}]"), role, entry, audioFormat));
        entry.Item = (MessageItem)entry.Item with { Content = parts };
        return entry;
    }

    private ContentPart ReadPart(Fields part, string role, ConversationEntry entry, AudioFormat audioFormat)
    {
        string type = part.Text("type");
        switch (role, type)
        {
            case ("user" or "system", "input_text"):
                return new InputText(Limited(part, "text", part.Text("text")));
            case ("assistant", "output_text" or "text"):
                return new OutputText(Limited(part, "text", part.Text("text")));
            case ("assistant", "output_audio" or "audio"):
                return new OutputAudio(Limited(part, "transcript", part.Text("transcript")));
            case ("user", "input_audio"):
                ReadAudio(part, entry, audioFormat);
                return new InputAudio(part.OptionalText("transcript"));
            case ("user", "input_image"):
                entry.Pictures.Add(ReadPicture(part));
                return new InputImage();
            default:
                string[] allowed = role switch
                {
                    "user" => ["input_text", "input_audio", "input_image"],
                    "system" => ["input_text"],
                    _ => ["output_text", "output_audio"],
                };
                throw RealtimeException.OneOf(part.PathOf("type"), type, allowed);
        }
    }

    private void ReadAudio(Fields part, ConversationEntry entry, AudioFormat format)
    {
        byte[] bytes = AudioCodec.FromBase64(part.Text("audio"), format, part.PathOf("audio"), limits.AppendBytes);
        float[] samples = AudioCodec.Decode(bytes, format);
        if (samples.Length > limits.Turn.TotalSeconds * format.SampleRate)
            throw RealtimeException.Invalid(part.PathOf("audio"), $"Invalid '{part.PathOf("audio")}': at most {limits.Turn.TotalSeconds:0} s are allowed.");
        AudioClip clip = new(
            format.SampleRate == InputAudioBuffer.SampleRate ? samples : Resampler.Resample(samples, format.SampleRate, InputAudioBuffer.SampleRate), InputAudioBuffer.SampleRate);
        entry.Hear(clip);
    }

    private PictureInput ReadPicture(Fields part)
    {
        string path = part.PathOf("image_url"), url = part.Text("image_url");
        part.OneOf("detail", "auto", "low", "high");
        const string scheme = "data:image/";
        int comma = url.IndexOf(',', StringComparison.Ordinal);
        if (!url.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) || comma < 0 || !url.AsSpan(0, comma).EndsWith(";base64", StringComparison.OrdinalIgnoreCase))
            throw RealtimeException.Invalid(path, $"Invalid '{path}': expected a base64-encoded data URI of an image, such as 'data:image/png;base64,...'.");
        ReadOnlySpan<char> format = url.AsSpan(scheme.Length, comma - scheme.Length - ";base64".Length);
        if (format is not ("png" or "jpeg" or "jpg"))
            throw RealtimeException.Invalid(path, $"Invalid '{path}': images are supported as image/png and image/jpeg.");
        byte[] bytes = new byte[(url.Length - comma) / 4 * 3];
        if (!Convert.TryFromBase64Chars(url.AsSpan(comma + 1), bytes, out int count))
            throw RealtimeException.Invalid(path, $"Invalid '{path}': the data is not base64.");
        try
        {
            return new PictureInput(ImageFile.Decode(bytes[..count], "image", limits.ImagePixels));
        }
        catch (EmovaException unusable)
        {
            throw RealtimeException.Invalid(path, $"Invalid '{path}': {unusable.Message}");
        }
    }

    private string Limited(Fields fields, string name, string text) => text.Length <= limits.TextLength ? text
        : throw RealtimeException.Invalid(fields.PathOf(name), $"Invalid '{fields.PathOf(name)}': at most {limits.TextLength} characters are allowed.");
}

using System.Text.Json.Serialization;

namespace Emova.Server.Realtime.Wire;

/// <summary>An item of a conversation as events show it.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(MessageItem), "message")]
[JsonDerivedType(typeof(FunctionCallItem), "function_call")]
[JsonDerivedType(typeof(FunctionOutputItem), "function_call_output")]
internal abstract record ItemObject
{
    public required string Id { get; init; }

    public string Object => "realtime.item";

    /// <summary>in_progress, completed or incomplete.</summary>
    public string Status { get; init; } = "completed";
}

internal sealed record MessageItem : ItemObject
{
    /// <summary>user, assistant or system.</summary>
    public required string Role { get; init; }

    public IReadOnlyList<ContentPart> Content { get; init; } = [];
}

internal sealed record FunctionCallItem : ItemObject
{
    public required string CallId { get; init; }

    public required string Name { get; init; }

    public string Arguments { get; init; } = "";
}

internal sealed record FunctionOutputItem : ItemObject
{
    public required string CallId { get; init; }

    public required string Output { get; init; }
}

/// <summary>A part of a message. Audio is shown by <c>conversation.item.retrieved</c> only, pictures never.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(InputText), "input_text")]
[JsonDerivedType(typeof(InputAudio), "input_audio")]
[JsonDerivedType(typeof(InputImage), "input_image")]
[JsonDerivedType(typeof(OutputText), "output_text")]
[JsonDerivedType(typeof(OutputAudio), "output_audio")]
internal abstract record ContentPart;

internal sealed record InputText(string Text) : ContentPart;

internal sealed record InputAudio(
    string? Transcript, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Audio = null) : ContentPart;

internal sealed record InputImage : ContentPart;

internal sealed record OutputText(string Text) : ContentPart;

internal sealed record OutputAudio(
    string? Transcript, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Audio = null) : ContentPart;

/// <summary>The part of <c>response.content_part.*</c>, whose types are named otherwise than those of items.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(AudioResponsePart), "audio")]
[JsonDerivedType(typeof(TextResponsePart), "text")]
internal abstract record ResponsePart;

internal sealed record AudioResponsePart(string Transcript) : ResponsePart;

internal sealed record TextResponsePart(string Text) : ResponsePart;

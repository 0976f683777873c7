using Emova.Media;
using Emova.Server.Engine;
using Emova.Server.Realtime.Wire;

namespace Emova.Server.Realtime;

/// <summary>An item of a conversation with what the model needs of it.</summary>
internal sealed class ConversationEntry(ItemObject item)
{
    public ItemObject Item { get; set; } = item;

    public string Id => Item.Id;

    /// <summary>What the user said, in order of the parts.</summary>
    public List<SpeechInput> Speech { get; } = [];

    /// <summary>What the user showed.</summary>
    public List<PictureInput> Pictures { get; } = [];

    /// <summary>The audio of the user's speech for <c>conversation.item.retrieve</c>, 16 kHz.</summary>
    public AudioClip? Audio { get; private set; }

    /// <summary>What the assistant said aloud; null for everything else.</summary>
    public SpokenReply? Spoken { get; set; }

    /// <summary>The transcription of its own that is running, if any.</summary>
    public string? TranscriptionJob { get; set; }

    /// <summary>Whether the client was told the whole transcript.</summary>
    public bool TranscriptShown { get; set; }

    /// <summary>What the model wrote, word for word; null when it is the shown text.</summary>
    public string? Raw { get; set; }

    /// <summary>Takes a recording, for the model and for the client.</summary>
    public void Hear(AudioClip clip)
    {
        Audio = clip;
        Speech.Add(new SpeechInput(clip));
    }
}

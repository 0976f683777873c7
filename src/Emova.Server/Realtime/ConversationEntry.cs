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

    /// <summary>The audio of the user's speech for <c>conversation.item.retrieve</c>, 16 kHz; null once it had to make room.</summary>
    public AudioClip? Audio { get; private set; }

    /// <summary>Length of that audio.</summary>
    public TimeSpan SpokenTime { get; private set; }

    /// <summary>What the assistant said aloud; null for everything else.</summary>
    public SpokenReply? Spoken { get; set; }

    /// <summary>The transcription of its own that is running, if any.</summary>
    public string? TranscriptionJob { get; set; }

    /// <summary>Whether the client was told the whole transcript.</summary>
    public bool TranscriptShown { get; set; }

    /// <summary>What the model wrote, word for word; null when it is the shown text.</summary>
    public string? Raw { get; set; }

    /// <summary>Whether it was left out of the model's context for good, because newer turns needed the room.</summary>
    public bool IsForgotten { get; set; }

    /// <summary>Bytes of text, sound and pictures that are held for it.</summary>
    public long HeldBytes => (sizeof(char) * TextLength) + SoundBytes(Audio) + Speech.Sum(speech => speech.Clip == Audio ? 0 : SoundBytes(speech.Clip)) + Pictures.Sum(picture => picture.HeldBytes);

    private long TextLength => Item switch
    {
        MessageItem message => PromptItems.TextOf(message).Length + (Raw?.Length ?? 0),
        FunctionCallItem call => call.Arguments.Length,
        FunctionOutputItem output => output.Output.Length,
        _ => 0,
    };

    /// <summary>Gives up the sound, if the model has heard it: nothing but <c>conversation.item.retrieve</c> needs it then.</summary>
    /// <returns>The bytes that are free now.</returns>
    public long ForgetSound()
    {
        if (Audio is null || Speech.Exists(speech => speech.Clip is not null))
            return 0;
        long bytes = SoundBytes(Audio);
        Audio = null;
        return bytes;
    }

    private static long SoundBytes(AudioClip? clip) => sizeof(float) * (clip?.Samples.LongLength ?? 0);

    /// <summary>Takes a recording, for the model and for the client.</summary>
    public void Hear(AudioClip clip)
    {
        (Audio, SpokenTime) = (clip, clip.Duration);
        Speech.Add(new SpeechInput(clip));
    }
}

using Emova.Media;

namespace Emova;

/// <summary>What a person says, types or shows. At least one of the three is needed.</summary>
public sealed record UserTurn
{
    /// <summary>A picture. It stays in view for the following turns; a new picture begins a new conversation.</summary>
    public RgbImage? Image { get; init; }

    /// <summary>Recorded speech at any sample rate. The reply is spoken; typed text is ignored, as in the reference.</summary>
    public AudioClip? Audio { get; init; }

    /// <summary>Typed text. The reply is text.</summary>
    public string? Text { get; init; }

    /// <summary>Whether a typed turn is answered aloud as well.</summary>
    public bool Speak { get; init; }
}

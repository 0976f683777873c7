namespace Emova.Media;

/// <summary>A change that <see cref="VoiceActivityDetector"/> found.</summary>
/// <param name="Started">Whether somebody began to speak; otherwise a turn ended.</param>
/// <param name="Sample">
/// Position in the stream, in samples: where the speech begins with its prefix padding, or where the silence after it is long enough.
/// </param>
public readonly record struct VoiceActivityEvent(bool Started, long Sample);

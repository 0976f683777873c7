namespace Emova.Models.Speech;

/// <summary>A style with its dials applied: what the vocoder needs to know.</summary>
/// <param name="StyleVector">Style vector (S).</param>
/// <param name="PitchShift">Semitones added to the pitch.</param>
/// <param name="Speed">Factor on the rate of speech, above 0.</param>
public sealed record VoiceSettings(float[] StyleVector, float PitchShift = 0f, float Speed = 1f);

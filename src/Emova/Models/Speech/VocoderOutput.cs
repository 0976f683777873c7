using Emova.Media;

namespace Emova.Models.Speech;

/// <summary>Speech and how it came about.</summary>
/// <param name="Samples">16 kHz mono samples, 160 per frame.</param>
/// <param name="FramesPerUnit">Frames (10 ms) of each merged unit: where in time a unit is spoken.</param>
/// <param name="Prosody">Pitch (Hz, 0 where unvoiced) and log energy the synthesis was asked for, per frame.</param>
public sealed record VocoderOutput(float[] Samples, int[] FramesPerUnit, PitchTrack Prosody);

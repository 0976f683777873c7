namespace Emova.Media;

/// <summary>Input of the speech encoder.</summary>
/// <param name="Data">Features (Frames, Features), row-major; zero from frame ValidFrames on.</param>
/// <param name="Features">Number of mel bands.</param>
/// <param name="Frames">Number of 10 ms frames, a multiple of 16.</param>
/// <param name="ValidFrames">Frames that stem from the signal.</param>
public sealed record LogMelFeatures(float[] Data, int Features, int Frames, int ValidFrames);

namespace Emova.Media;

/// <summary>Mono audio in memory.</summary>
/// <param name="Samples">Samples, full scale = 1.</param>
/// <param name="SampleRate">Samples per second.</param>
public sealed record AudioClip(float[] Samples, int SampleRate)
{
    /// <summary>Length of the audio.</summary>
    public TimeSpan Duration => TimeSpan.FromSeconds((double)Samples.Length / SampleRate);
}

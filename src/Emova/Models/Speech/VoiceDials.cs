namespace Emova.Models.Speech;

/// <summary>Continuous settings on top of a <see cref="SpeechStyle"/>.</summary>
/// <param name="EmotionStrength">0 = neutral, 1 = as trained, up to 1.5.</param>
/// <param name="PitchShift">Semitones added to the pitch, -12 to 12.</param>
/// <param name="Speed">Factor on the rate of speech, 0.5 to 2.</param>
public sealed record VoiceDials(float EmotionStrength = 1f, float PitchShift = 0f, float Speed = 1f)
{
    /// <summary>Everything as trained.</summary>
    public static VoiceDials Default { get; } = new();

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="EmovaException">A dial is out of its range.</exception>
    public void Validate()
    {
        Check("emotion strength", EmotionStrength, 0, 1.5f);
        Check("pitch shift", PitchShift, -12, 12);
        Check("speed", Speed, 0.5f, 2);
    }

    private static void Check(string name, float value, float minimum, float maximum)
    {
        if (!(value >= minimum && value <= maximum)) throw new EmovaException($"{name} {value} is out of range, allowed are {minimum} to {maximum}");
    }
}

namespace Emova.Models.Speech.Vits;

/// <summary>How <see cref="VitsDecoder"/> speaks.</summary>
public sealed record VitsOptions
{
    // Where the noise of the prior begins in the seed's sequence; the durations' noise comes before it.
    private const long PriorNoiseStart = 1L << 40;

    /// <summary>Style vector; empty leaves out all conditioning, which the released weights were not trained for.</summary>
    public float[] Style { get; init; } = [];

    /// <summary>Factor of the noise in the frames, 0 to 2; the reference speaks with 0.667.</summary>
    public float NoiseScale { get; init; } = 0.667f;

    /// <summary>Factor of the noise that rhythm is drawn from, 0 to 2; the reference speaks with 0.8.</summary>
    public float DurationNoiseScale { get; init; } = 0.8f;

    /// <summary>Factor on the rate of speech, 0.1 to 10: the reciprocal of the reference's length scale.</summary>
    public float Speed { get; init; } = 1;

    /// <summary>Seed of both kinds of noise.</summary>
    public ulong Seed { get; init; }

    /// <summary>Latent frames to turn into samples at most; null for all.</summary>
    public int? MaximumFrames { get; init; }

    /// <summary>Standard normal values (units, 2) in the place of those drawn for the durations.</summary>
    public float[]? GivenDurationNoise { get; init; }

    /// <summary>Standard normal values (frames, channels) in the place of those drawn for the frames.</summary>
    public float[]? GivenPriorNoise { get; init; }

    internal void Validate(int styleDim)
    {
        if (Style.Length != 0 && Style.Length != styleDim)
            throw new EmovaException($"the style vector has {Style.Length} values, this speech decoder needs {styleDim}");
        Require("noise scale", NoiseScale, 0, 2);
        Require("duration noise scale", DurationNoiseScale, 0, 2);
        Require("speed", Speed, 0.1f, 10);
        if (MaximumFrames is < 1) throw new EmovaException($"maximum frames is {MaximumFrames}, allowed is 1 or more");

        static void Require(string name, float value, float minimum, float maximum)
        {
            if (!(value >= minimum && value <= maximum)) throw new EmovaException($"{name} {value} is out of range, allowed are {minimum} to {maximum}");
        }
    }

    /// <summary>Scaled noise (units, 2) for the duration predictor.</summary>
    internal float[] DurationNoise(int units)
    {
        float[] noise = new float[2 * units];
        if (GivenDurationNoise is not null) GivenDurationNoise.AsSpan(0, noise.Length).CopyTo(noise);
        else GaussianNoise.Fill(Seed, 0, noise);
        for (int i = 0; i < noise.Length; i++) noise[i] *= DurationNoiseScale;
        return noise;
    }

    /// <summary>Standard normal values for frames from <paramref name="start"/> on.</summary>
    internal void PriorNoise(int start, int channels, Span<float> values)
    {
        if (GivenPriorNoise is not null) GivenPriorNoise.AsSpan(start * channels, values.Length).CopyTo(values);
        else GaussianNoise.Fill(Seed, PriorNoiseStart + (long)start * channels, values);
    }
}

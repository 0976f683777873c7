namespace Emova.Generation;

/// <summary>How the next token is chosen among those that may come.</summary>
public sealed record SamplingOptions
{
    /// <summary>Always the most likely token.</summary>
    public static SamplingOptions Greedy { get; } = new();

    /// <summary>0 takes the most likely token; 1 draws from the model's own distribution; at most 10.</summary>
    public float Temperature { get; init; }

    /// <summary>Temperature where a speech unit may come, or null for <see cref="Temperature"/>. Wrong units are heard as wrong words, so 0 is a good value.</summary>
    public float? SpeechTemperature { get; init; }

    /// <summary>Draws among the k most likely tokens only; 0 means all.</summary>
    public int TopK { get; init; }

    /// <summary>Draws among the most likely tokens that together have this probability; 0 (exclusive) to 1.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Same seed, same options, same model: same tokens.</summary>
    public ulong Seed { get; init; }

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="EmovaException">A value is out of range.</exception>
    public SamplingOptions Validate()
    {
        RequireTemperature("temperature", Temperature);
        RequireTemperature("speech temperature", SpeechTemperature ?? 0);
        if (TopK < 0)
            throw new EmovaException($"top-k is {TopK}, allowed is 0 (all) or more");
        if (!(TopP is > 0 and <= 1))
            throw new EmovaException($"top-p is {TopP}, allowed is more than 0 up to 1");
        return this;
    }

    private static void RequireTemperature(string name, float value)
    {
        if (!(value is >= 0 and <= 10))
            throw new EmovaException($"{name} is {value}, allowed is 0 (always the most likely token) to 10");
    }
}

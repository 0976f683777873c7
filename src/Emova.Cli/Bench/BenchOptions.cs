using Emova.Models;

namespace Emova.Cli.Bench;

/// <summary>What <c>emova bench</c> runs.</summary>
internal sealed record BenchOptions
{
    /// <summary>Seconds of the spoken question.</summary>
    public double QuestionSeconds { get; init; } = 3;

    /// <summary>Seconds of the spoken reply.</summary>
    public double ReplySeconds { get; init; } = 2;

    /// <summary>Width and height of the picture in pixels; one tile.</summary>
    public int PictureSize { get; init; } = 448;

    /// <summary>Tokens of the prompt besides picture and speech: the reference's instruction and chat template.</summary>
    public int InstructionTokens { get; init; } = 170;

    /// <summary>Tokens of the reply besides its units: the keys of the reply, what was heard, and the answer.</summary>
    public int TextTokens { get; init; } = 64;

    /// <summary>Positions of the cache.</summary>
    public int ContextLength { get; init; } = 1024;

    /// <summary>Seed of weights and inputs.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How a random model is quantized.</summary>
    public QuantizationOptions Quantization { get; init; } = new();
}

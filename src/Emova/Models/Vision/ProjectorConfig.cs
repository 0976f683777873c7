using System.Text.Json;
using Emova.Checkpoints;

namespace Emova.Models.Vision;

/// <summary>Dimensions of a <see cref="Projector"/>, under the names of the reference.</summary>
public sealed record ProjectorConfig
{
    /// <summary>MLPProjector, CAbstractorMMProjector or SelfMiningMMProjector.</summary>
    public string Type { get; init; } = "MLPProjector";

    /// <summary>Linear layers, those after a downsampler included.</summary>
    public int MlpDepth { get; init; } = 2;

    /// <summary>Tokens of a tile that become one token; the downsampling projectors' way of saying how much they shrink.</summary>
    public double DownsampleRate { get; init; } = 1;

    /// <summary>Rows and columns of tokens after downsampling.</summary>
    public (int Rows, int Columns) DownsampleSize { get; init; }

    /// <summary>Tokens of a tile before downsampling, a square number.</summary>
    public int NumInputToken { get; init; }

    /// <summary>Whether a learned vector is added to each token of a tile.</summary>
    public bool AddPosEmbed { get; init; }

    /// <summary>Whether a LayerNorm comes first.</summary>
    public bool AddPreNorm { get; init; }

    /// <summary>Channels of the C-Abstractor's convolutions.</summary>
    public int ConvHiddenSize { get; init; } = 1024;

    /// <summary>Blocks of each of the C-Abstractor's two stages.</summary>
    public int ConvBlockDepth { get; init; } = 3;

    /// <summary>Whether this projector makes a tile's tokens fewer.</summary>
    public bool Downsamples => Type != "MLPProjector";

    /// <summary>Tokens of a tile along one side, before downsampling.</summary>
    public int InputSide => (int)Math.Sqrt(NumInputToken);

    /// <summary>Reads the section <c>mm_projector_config</c> (origin format: <c>mm_projector</c>).</summary>
    /// <exception cref="EmovaException">A value is missing, out of range or not supported, or the sizes contradict each other.</exception>
    public static ProjectorConfig Read(ConfigSection section)
    {
        ProjectorConfig config = new()
        {
            Type = section.Text("type", "MLPProjector", "MLPProjector", "CAbstractorMMProjector", "SelfMiningMMProjector"),
            MlpDepth = section.WholeNumber("mlp_depth", 1, 16, 2),
        };
        if (!config.Downsamples)
            return config;
        config = config with
        {
            DownsampleRate = section.Number("downsample_rate", 1, 1 << 16),
            DownsampleSize = ReadSize(section, "downsample_size"),
            NumInputToken = section.WholeNumber("num_input_token", 1, 1 << 20),
            AddPosEmbed = section.Flag("add_pos_embed", false),
            AddPreNorm = section.Flag("add_pre_norm", false),
            ConvHiddenSize = section.WholeNumber("conv_hidden_size", 1, 1 << 16, 1024),
            ConvBlockDepth = section.WholeNumber("conv_block_depth", 1, 64, 3),
        };
        int side = config.InputSide;
        if (side * side != config.NumInputToken)
            throw new EmovaException($"projector configuration: num_input_token {config.NumInputToken} must be a square number");
        (int rows, int columns) = config.DownsampleSize;
        if (Math.Floor(config.NumInputToken / config.DownsampleRate) != (double)rows * columns)
        {
            throw new EmovaException(
                $"projector configuration: num_input_token {config.NumInputToken} divided by downsample_rate {config.DownsampleRate} must give the {rows} x {columns} tokens of downsample_size");
        }

        return config;
    }

    /// <summary>One number for both sides, or rows and columns.</summary>
    private static (int Rows, int Columns) ReadSize(ConfigSection section, string key)
    {
        const int maximum = 1024;
        if (!section.Has(key) || section.Json.GetProperty(key) is not { ValueKind: JsonValueKind.Array } list)
        {
            int side = section.WholeNumber(key, 1, maximum);
            return (side, side);
        }

        int[] sides = [.. list.EnumerateArray().Select(json =>
            json.ValueKind == JsonValueKind.Number && json.TryGetInt32(out int value) && value is >= 1 and <= maximum ? value : 0)];
        return sides is [> 0 and var rows, > 0 and var columns]
            ? (rows, columns)
            : throw new EmovaException($"projector configuration: {key} must be one or two whole numbers from 1 to {maximum}, is {list.GetRawText()}");
    }
}

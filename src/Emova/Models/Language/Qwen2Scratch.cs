namespace Emova.Models.Language;

/// <summary>Buffers of a forward pass over a chunk of rows. They grow to the largest chunk seen and are then reused.</summary>
internal sealed class Qwen2Scratch(Qwen2Config config)
{
    private int rows;

    /// <summary>(rows, D) residual stream.</summary>
    public float[] X { get; private set; } = [];

    /// <summary>(rows, D) normalized input of a sublayer, and its output.</summary>
    public float[] Normed { get; private set; } = [];

    /// <summary>(rows, [q | k | v]).</summary>
    public float[] Qkv { get; private set; } = [];

    /// <summary>(rows, D) attention before its output projection.</summary>
    public float[] Attended { get; private set; } = [];

    /// <summary>(rows, [gate | up]).</summary>
    public float[] GateUp { get; private set; } = [];

    /// <summary>(rows, headDim / 2).</summary>
    public float[] Cos { get; private set; } = [];

    /// <summary>(rows, headDim / 2).</summary>
    public float[] Sin { get; private set; } = [];

    public void Reserve(int count)
    {
        if (count <= rows)
            return;
        rows = count;
        X = new float[count * config.HiddenSize];
        Normed = new float[count * config.HiddenSize];
        Qkv = new float[count * (config.HiddenSize + 2 * config.KeyValueDim)];
        Attended = new float[count * config.HiddenSize];
        GateUp = new float[count * 2 * config.IntermediateSize];
        Cos = new float[count * config.HeadDim / 2];
        Sin = new float[count * config.HeadDim / 2];
    }
}

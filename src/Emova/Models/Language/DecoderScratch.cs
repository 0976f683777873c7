namespace Emova.Models.Language;

/// <summary>Buffers of a forward pass over a chunk of rows. They grow to the largest chunk seen and are then reused.</summary>
internal sealed class DecoderScratch(LanguageConfig config)
{
    private int rows;

    /// <summary>Receives intermediate results of the current pass, or null.</summary>
    public ActivationProbe? Probe { get; set; }

    /// <summary>(rows, D) residual stream.</summary>
    public float[] X { get; private set; } = [];

    /// <summary>(rows, D) normalized input of a sublayer, and its output.</summary>
    public float[] Normed { get; private set; } = [];

    /// <summary>(rows, [q | k | v]), or the steps of compressed attention one after the other.</summary>
    public float[] Projected { get; private set; } = [];

    /// <summary>(rows, values of all heads): attention before its output projection.</summary>
    public float[] Attended { get; private set; } = [];

    /// <summary>(rows, [gate | up]), with experts also what surrounds them.</summary>
    public float[] FeedForward { get; private set; } = [];

    /// <summary>(rows, chosen experts).</summary>
    public int[] Routes { get; private set; } = [];

    /// <summary>(rows, chosen experts).</summary>
    public float[] RouteWeights { get; private set; } = [];

    /// <summary>(rows, RotaryDim / 2).</summary>
    public float[] Cos { get; private set; } = [];

    /// <summary>(rows, RotaryDim / 2).</summary>
    public float[] Sin { get; private set; } = [];

    /// <param name="count">Rows to make room for.</param>
    /// <param name="kept">Rows of the residual stream to keep.</param>
    public void Reserve(int count, int kept)
    {
        if (count <= rows)
            return;
        rows = count;
        float[] stream = new float[count * config.HiddenSize];
        X.AsSpan(0, kept * config.HiddenSize).CopyTo(stream);
        X = stream;
        Normed = new float[count * config.HiddenSize];
        Projected = new float[count * config.ProjectedWidth];
        Attended = new float[count * config.AttendedWidth];
        FeedForward = new float[count * config.FeedForwardWidth];
        Routes = new int[count * config.RoutesPerRow];
        RouteWeights = new float[count * config.RoutesPerRow];
        Cos = new float[count * config.RotaryDim / 2];
        Sin = new float[count * config.RotaryDim / 2];
    }
}

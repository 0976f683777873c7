namespace Emova.Models.Vision;

/// <summary>Buffers shared by the blocks of one pass, and what every block needs to know about its rows.</summary>
internal sealed class VisionScratch
{
    // The wide feed-forward activations are computed for this many rows at a time: large pictures have 16384 rows.
    private const int MlpRows = 512;

    /// <param name="segmentEnds">Row after the last row of each picture; pictures do not see each other.</param>
    /// <param name="dim">Width D of the blocks.</param>
    /// <param name="intermediate">Width of the feed-forward layers.</param>
    /// <param name="rotary">Rotary angles of the rows; null for none.</param>
    public VisionScratch(int[] segmentEnds, int dim, int intermediate, RotaryTable? rotary = null)
    {
        (SegmentEnds, Rotary) = (segmentEnds, rotary);
        Rows = segmentEnds.Length == 0 ? 0 : segmentEnds[^1];
        Normed = new float[checked(Rows * dim)];
        Qkv = new float[checked(Rows * 3 * dim)];
        Wide = new float[checked(Math.Min(Rows, MlpRows) * intermediate)];
    }

    public int Rows { get; }

    public int[] SegmentEnds { get; }

    public RotaryTable? Rotary { get; }

    /// <summary>(Rows, D) normalized input of a branch, and its output.</summary>
    public float[] Normed { get; }

    /// <summary>(Rows, [q | k | v]); the attention's result takes the place of q.</summary>
    public float[] Qkv { get; }

    /// <summary>(rows at once, feed-forward width).</summary>
    public float[] Wide { get; }
}

/// <summary>Cosines and sines of rotary angles.</summary>
internal sealed class RotaryTable
{
    private readonly int half;
    private readonly float[] cos;
    private readonly float[] sin;

    /// <param name="angles">(rows, half).</param>
    /// <param name="half">Angles per row, half the width of a head.</param>
    public RotaryTable(ReadOnlySpan<float> angles, int half)
    {
        this.half = half;
        cos = new float[angles.Length];
        sin = new float[angles.Length];
        for (int i = 0; i < angles.Length; i++)
            (cos[i], sin[i]) = (MathF.Cos(angles[i]), MathF.Sin(angles[i]));
    }

    public ReadOnlySpan<float> CosOf(int row) => cos.AsSpan(row * half, half);

    public ReadOnlySpan<float> SinOf(int row) => sin.AsSpan(row * half, half);
}

using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Speech.Vits;

/// <summary>
/// The best monotonic alignment of frames to units (VITS, arXiv 2106.06103, appendix A): every frame belongs to one unit, units follow
/// each other without gaps, each has at least one frame.
/// </summary>
public static class MonotonicAlignment
{
    /// <summary>Scores (B, T, U) -> frames per unit (B, U), whole numbers, zero in the padding.</summary>
    /// <param name="scores">Log likelihood of a frame under a unit.</param>
    /// <param name="frames">Valid frames of each row.</param>
    /// <param name="units">Valid units of each row, at most as many as frames.</param>
    public static float[] Align(Tensor scores, IReadOnlyList<int> frames, IReadOnlyList<int> units)
    {
        int rows = (int)scores.shape[0], length = (int)scores.shape[1], width = (int)scores.shape[2];
        float[] values = scores.contiguous().data<float>().ToArray(), durations = new float[rows * width];
        for (int row = 0; row < rows; row++)
            AlignRow(values.AsSpan(row * length * width, length * width), width, frames[row], units[row], durations.AsSpan(row * width, width));
        return durations;
    }

    // best[t, j]: the best sum of scores of frames 0 to t when frame t belongs to unit j.
    private static void AlignRow(ReadOnlySpan<float> scores, int width, int frames, int units, Span<float> durations)
    {
        if (units < 1 || units > frames) throw new ArgumentException($"{units} units cannot share {frames} frames", nameof(units));
        float[] best = new float[frames * units];
        for (int t = 0; t < frames; t++)
        {
            for (int j = 0; j < units; j++)
            {
                // Unit j cannot be reached before frame j, and must leave a frame for each unit behind it.
                bool reachable = j <= t && units - 1 - j <= frames - 1 - t;
                float stay = t > 0 && j < t ? best[(t - 1) * units + j] : float.NegativeInfinity;
                float step = t > 0 && j > 0 ? best[(t - 1) * units + j - 1] : float.NegativeInfinity;
                float before = t == 0 ? (j == 0 ? 0 : float.NegativeInfinity) : Math.Max(stay, step);
                best[t * units + j] = reachable ? before + scores[t * width + j] : float.NegativeInfinity;
            }
        }

        for (int t = frames - 1, j = units - 1; t >= 0; t--)
        {
            durations[j]++;
            if (t > 0 && j > 0 && (j == t || best[(t - 1) * units + j - 1] >= best[(t - 1) * units + j])) j--;
        }
    }
}

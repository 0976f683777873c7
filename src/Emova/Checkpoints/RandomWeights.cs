using System.Runtime.InteropServices;
using Emova.Numerics;

namespace Emova.Checkpoints;

/// <summary>
/// Weights for a model of which only the configuration is at hand, to measure speed and memory at its full size: random values with
/// the spread that keeps activations in range (standard deviation 1 / sqrt(inputs)), norms of ones. Matrices are filled in their packed form.
/// </summary>
/// <param name="seed">Seed of the values; they depend on it and on the tensor's name.</param>
/// <param name="formatOf">Format of a matrix, by its name and shape.</param>
public sealed class RandomWeights(ulong seed, Func<string, long[], WeightFormat> formatOf)
{
    /// <summary>Bytes of the packed matrices made so far.</summary>
    public long MatrixBytes { get; private set; }

    internal float[] Values(string name, ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long size in shape)
            count = checked(count * size);
        float[] values = new float[count];
        if (shape.Length == 1 || name.EndsWith("weight_g", StringComparison.Ordinal))
        {
            // Factors are one; what is added, biases and the beta of a norm, is nothing.
            if (!name.EndsWith("bias", StringComparison.Ordinal) && !name.EndsWith("beta", StringComparison.OrdinalIgnoreCase))
                Array.Fill(values, 1);
            return values;
        }

        // Shift and logarithm of the scale in the duration flow: random ones would make units last for minutes.
        if (shape is [_, 1])
            return values;

        Fill(values, SeedOf(name), count / shape[0]);
        return values;
    }

    internal LinearWeight Linear(string prefix, int inputs, ReadOnlySpan<(string Name, int Outputs)> parts)
    {
        int outputs = 0;
        foreach ((_, int count) in parts)
            outputs += count;
        WeightFormat format = formatOf($"{prefix}{parts[0].Name}.weight", [parts[0].Outputs, inputs]);
        LinearWeight weight = LinearWeight.Create(format, outputs, inputs);
        FillBody body = new() { Weight = weight, Seed = SeedOf($"{prefix}{parts[0].Name}") };
        WorkerTeam.Shared.For(weight.PanelCount, body);
        MatrixBytes += weight.SizeInBytes;
        return weight;
    }

    private static void Fill(Span<float> values, ulong state, long inputs)
    {
        float spread = MathF.Sqrt(3f / Math.Max(1, inputs));
        for (int i = 0; i < values.Length; i++)
            values[i] = ((Next(ref state) >> 40) * (2f / (1 << 24)) - 1) * spread;
    }

    private static ulong Next(ref ulong state)
    {
        state ^= state << 13;
        state ^= state >> 7;
        return state ^= state << 17;
    }

    private ulong SeedOf(string name)
    {
        // FNV-1a; a xorshift generator must not start at zero.
        ulong hash = 14695981039346656037 ^ seed;
        foreach (char c in name)
            hash = (hash ^ c) * 1099511628211;
        return hash | 1;
    }

    private struct FillBody : IWorkerBody
    {
        public LinearWeight Weight;
        public ulong Seed;

        public readonly void Execute(int start, int limit)
        {
            int panelRows = WeightLayout.PanelRows(Weight.Format);
            float[] row = new float[Weight.Inputs];
            for (int panel = start; panel < limit; panel++)
            {
                ulong state = Seed + (ulong)panel * 0x9E3779B97F4A7C15 | 1;
                int first = panel * panelRows;
                if (Weight.Format.IsQuantized())
                {
                    Span<byte> bytes = Weight.Panel(first);
                    foreach (ref ulong word in MemoryMarshal.Cast<byte, ulong>(bytes))
                        word = Next(ref state);
                    WeightLayout.SetScales(Weight.Format, bytes, Weight.Inputs);
                    continue;
                }

                for (int r = first; r < Math.Min(first + panelRows, Weight.Outputs); r++)
                {
                    Fill(row, Next(ref state) | 1, Weight.Inputs);
                    Weight.SetRows(r, row);
                }
            }
        }
    }
}

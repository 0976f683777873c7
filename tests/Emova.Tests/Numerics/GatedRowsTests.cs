using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Numerics;

public sealed class GatedRowsTests
{
    [Theory]
    [InlineData(1, 5)]
    [InlineData(1, 9000)]
    [InlineData(7, 2049)]
    [InlineData(17, 2049)]
    [InlineData(0, 16)]
    public void EveryRowIsGatedAsAlone(int rows, int width)
    {
        Random random = new(1);
        float[] fused = [.. Enumerable.Range(0, 2 * rows * width).Select(_ => random.NextSingle() * 8 - 4)], expected = [.. fused];
        for (int r = 0; r < rows; r++)
        {
            // In pieces of a multiple of every vector, so that the same code meets the same values.
            for (int first = 0; first < width; first += 1024)
            {
                int count = Math.Min(1024, width - first);
                VectorMath.SiLUMultiply(fused.AsSpan(2 * r * width + first, count), fused.AsSpan((2 * r + 1) * width + first, count), expected.AsSpan(2 * r * width + first, count));
            }
        }

        using WorkerTeam team = new(3);
        GatedRows.SiLUMultiply(fused, rows, width, team);
        Assert.Equal(expected, fused);
    }

    [Theory]
    [InlineData(WeightFormat.Int4, 1)]
    [InlineData(WeightFormat.Int4, 9)]
    [InlineData(WeightFormat.Int8, 1)]
    [InlineData(WeightFormat.Int8, 6)]
    [InlineData(WeightFormat.BFloat16, 3)]
    public void AProductOfGatedRowsIsThatOfRowsGatedBefore(WeightFormat format, int rows)
    {
        Random random = new(3);
        foreach (int inputs in (int[])[1, 31, 64, 133])
        {
            const int outputs = 40;
            LinearWeight weight = LinearWeight.Pack([.. Enumerable.Range(0, outputs * inputs).Select(_ => random.NextSingle() - 0.5f)], outputs, inputs, default, format);
            float[] fused = [.. Enumerable.Range(0, 2 * rows * inputs).Select(_ => random.NextSingle() * 8 - 4)], before = [.. fused];
            float[] expected = new float[rows * outputs], actual = new float[rows * outputs];
            GatedRows.SiLUMultiply(before, rows, inputs);
            weight.Multiply(before, rows, 2 * inputs, expected, outputs);
            weight.MultiplyGated(fused, rows, actual, outputs);
            Assert.Equal(expected, actual);
            Assert.Throws<ArgumentException>(() => weight.MultiplyGated(fused.AsSpan(1), rows, actual, outputs));
        }
    }

    [Fact]
    public void TooFewValuesAreRefused() => Assert.Throws<ArgumentException>(() => GatedRows.SiLUMultiply(new float[7], 1, 4));
}

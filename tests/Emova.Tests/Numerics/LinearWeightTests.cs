using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Numerics;

public sealed class LinearWeightTests
{
    public static TheoryData<string> Formats => [.. Enum.GetNames<WeightFormat>()];

    [Fact]
    public void AgreesWithTheDoubleReferenceOnRandomShapes()
    {
        Random random = new(1);
        for (int trial = 0; trial < 200; trial++)
        {
            int outputs = random.Next(1, 140), inputs = random.Next(1, 258), rows = random.Next(0, 40);
            int rowStride = random.Next(1, inputs + 5), yStride = outputs + random.Next(0, 3);
            float[] weight = Values(random, outputs * inputs), x = Values(random, Math.Max(0, rows - 1) * rowStride + inputs);
            float[] bias = trial % 2 == 0 ? [] : Values(random, outputs);
            float[] y = new float[rows * yStride];
            LinearWeight.Pack(weight, outputs, inputs, bias).Multiply(x, rows, rowStride, y, yStride);
            for (int r = 0; r < rows; r++)
            {
                for (int n = 0; n < outputs; n++)
                {
                    double sum = bias.Length == 0 ? 0 : bias[n], magnitude = Math.Abs(sum);
                    for (int k = 0; k < inputs; k++)
                    {
                        double term = (double)weight[n * inputs + k] * x[r * rowStride + k];
                        sum += term;
                        magnitude += Math.Abs(term);
                    }

                    Assert.True(Math.Abs(sum - y[r * yStride + n]) <= 1e-5 * magnitude + 1e-6, $"({rows}, {inputs}, {outputs}) at ({r}, {n})");
                }

                for (int n = outputs; n < yStride; n++) Assert.Equal(0f, y[r * yStride + n]);
            }
        }
    }

    [Fact]
    public void EveryInputLengthWorks()
    {
        Random random = new(2);
        for (int inputs = 1; inputs <= 257; inputs++)
        {
            float[] weight = Values(random, 17 * inputs), x = Values(random, inputs), y = new float[17];
            LinearWeight.Pack(weight, 17, inputs).Multiply(x, 1, inputs, y, 17);
            for (int n = 0; n < 17; n++)
            {
                double sum = 0;
                for (int k = 0; k < inputs; k++) sum += (double)weight[n * inputs + k] * x[k];
                Assert.Equal(sum, y[n], 1e-4);
            }
        }
    }

    [Theory]
    [InlineData(256, 704, "Float32")]
    [InlineData(1000, 96, "Float32")]
    [InlineData(31, 300, "Float32")]
    [InlineData(45, 3000, "Float32")]
    [InlineData(45, 3000, "BFloat16")]
    [InlineData(256, 704, "BFloat16")]
    [InlineData(31, 300, "BFloat16")]
    [InlineData(256, 704, "BFloat16Pairs")]
    [InlineData(31, 301, "BFloat16Pairs")]
    [InlineData(256, 704, "Int8")]
    [InlineData(31, 300, "Int8")]
    [InlineData(1000, 96, "Int4")]
    [InlineData(40, 6000, "Int4")]
    public void RowsAndThreadsDoNotChangeABit(int outputs, int inputs, string format)
    {
        Random random = new(3);
        const int rows = 150;
        LinearWeight weight = LinearWeight.Pack(
            Values(random, outputs * inputs), outputs, inputs, Values(random, outputs), Enum.Parse<WeightFormat>(format));
        float[] x = Values(random, rows * inputs);
        float[] expected = new float[rows * outputs];
        using WorkerTeam one = new(1);
        using WorkerTeam three = new(3);
        for (int r = 0; r < rows; r++) weight.Multiply(x.AsSpan(r * inputs), 1, inputs, expected.AsSpan(r * outputs), outputs, one);
        foreach (WorkerTeam team in (WorkerTeam[])[one, three])
        {
            for (int start = 0, size = 1; start < rows; start += size, size++)
            {
                int count = Math.Min(size, rows - start);
                float[] y = new float[count * outputs];
                weight.Multiply(x.AsSpan(start * inputs), count, inputs, y, outputs, team);
                Assert.Equal(expected[(start * outputs)..(start * outputs + y.Length)], y);
            }

            float[] all = new float[rows * outputs];
            weight.Multiply(x, rows, inputs, all, outputs, team);
            Assert.Equal(expected, all);
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void EveryVectorWidthGivesTheBitsOfTheScalarReference(string format)
    {
        Random random = new(4);
        for (int inputs = 1; inputs <= 257; inputs++)
        {
            int outputs = random.Next(1, 70), rows = random.Next(1, 14);
            LinearWeight weight = LinearWeight.Pack(
                Values(random, outputs * inputs), outputs, inputs, Values(random, outputs), Enum.Parse<WeightFormat>(format));
            float[] x = Values(random, rows * inputs), expected = Multiply(weight, x, rows, VectorWidth.Scalar);
            foreach (VectorWidth width in (VectorWidth[])[VectorWidth.V128, VectorWidth.V256, VectorWidth.V512, VectorWidth.Emitted])
            {
                if (width <= VectorWidths.Best)
                    Assert.Equal(expected, Multiply(weight, x, rows, width));
            }
        }
    }

    [Fact]
    public void BFloat16WeightsGiveTheBitsOfTheSameValuesAsFloats()
    {
        Random random = new(5);
        foreach ((int outputs, int inputs, int rows) in new[] { (1, 1, 1), (33, 70, 9), (64, 129, 1), (100, 32, 4), (31, 257, 13) })
        {
            float[] values = [.. Values(random, outputs * inputs).Select(value => BFloat16.ToSingle(BFloat16.FromSingle(value)))];
            float[] bias = Values(random, outputs), x = Values(random, rows * inputs);
            float[] expected = Multiply(LinearWeight.Pack(values, outputs, inputs, bias), x, rows, VectorWidths.Best);
            Assert.Equal(expected, Multiply(LinearWeight.Pack(values, outputs, inputs, bias, WeightFormat.BFloat16), x, rows, VectorWidths.Best));
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void ProductsAreThoseOfTheStoredValues(string format)
    {
        // Independent of the packed layout: the rows read back, and for integer weights the input rounded as documented.
        WeightFormat stored = Enum.Parse<WeightFormat>(format);
        Random random = new(6);
        for (int trial = 0; trial < 60; trial++)
        {
            int outputs = random.Next(1, 100), inputs = random.Next(1, 300), rows = random.Next(1, 10);
            LinearWeight weight = LinearWeight.Pack(Values(random, outputs * inputs), outputs, inputs, default, stored);
            float[] x = Values(random, rows * inputs), y = Multiply(weight, x, rows, VectorWidths.Best), row = new float[inputs];
            float[] input = stored switch
            {
                WeightFormat.Int8 or WeightFormat.Int4 => RoundBlocks(x, inputs),
                WeightFormat.BFloat16Pairs => [.. x.Select(value => BFloat16.ToSingle(BFloat16.FromSingle(value)))],
                _ => x,
            };
            for (int n = 0; n < outputs; n++)
            {
                weight.CopyRow(n, row);
                for (int r = 0; r < rows; r++)
                {
                    double sum = 0, magnitude = 0;
                    for (int k = 0; k < inputs; k++)
                    {
                        sum += (double)row[k] * input[r * inputs + k];
                        magnitude += Math.Abs((double)row[k] * input[r * inputs + k]);
                    }

                    Assert.True(Math.Abs(sum - y[r * outputs + n]) <= 1e-5 * magnitude + 1e-6, $"({rows}, {inputs}, {outputs}) at ({r}, {n}): {sum} {y[r * outputs + n]}");
                }
            }
        }
    }

    [Theory]
    [InlineData("Float32", 0)]
    [InlineData("BFloat16", 1.0 / 256)]
    [InlineData("BFloat16Pairs", 1.0 / 256)]
    [InlineData("Int8", 0.008)]
    [InlineData("Int4", 0.1)]
    public void RoundingErrorIsReportedAndSmall(string format, double limit)
    {
        Random random = new(7);
        const int outputs = 37, inputs = 300;
        float[] values = [.. Enumerable.Range(0, outputs * inputs).Select(_ => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];
        LinearWeight weight = LinearWeight.Create(Enum.Parse<WeightFormat>(format), outputs, inputs);
        RoundingError error = weight.SetRows(0, values);
        Assert.InRange(error.Relative, 0, limit);
        double squares = 0, errors = 0;
        float largest = 0;
        float[] row = new float[inputs];
        for (int n = 0; n < outputs; n++)
        {
            weight.CopyRow(n, row);
            for (int k = 0; k < inputs; k++)
            {
                float difference = Math.Abs(values[n * inputs + k] - row[k]);
                squares += (double)values[n * inputs + k] * values[n * inputs + k];
                errors += (double)difference * difference;
                largest = Math.Max(largest, difference);
            }
        }

        if (format != "Float32")
        {
            Assert.Equal(Math.Sqrt(errors / squares), error.Relative, 1e-9);
            Assert.Equal(largest, error.Largest);
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void ExtremeValuesStayNumbersAndNaNShows(string format)
    {
        WeightFormat stored = Enum.Parse<WeightFormat>(format);
        float[] values = new float[16 * 64];
        values[0] = 1e-38f;
        values[64] = -3e38f;
        values[65] = 1;
        LinearWeight weight = LinearWeight.Pack(values, 16, 64, default, stored);
        float[] x = new float[64], y = new float[16];
        weight.Multiply(x, 1, 64, y, 16);
        Assert.All(y, value => Assert.Equal(0f, value));
        Array.Fill(x, 1e-39f);
        weight.Multiply(x, 1, 64, y, 16);
        Assert.All(y, value => Assert.True(float.IsFinite(value)));
        x[3] = float.NaN;
        weight.Multiply(x, 1, 64, y, 16);
        Assert.True(float.IsNaN(y[1]));
    }

    [Theory]
    [InlineData(1, 5)]
    [InlineData(31, 7)]
    [InlineData(64, 3)]
    [InlineData(97, 40)]
    public void WholePanelsAndSingleRowsArePackedAlike(int outputs, int inputs)
    {
        Random random = new(6);
        ushort[] stored = [.. Enumerable.Range(0, outputs * inputs).Select(_ => BFloat16.FromSingle(random.NextSingle() - 0.5f))];
        float[] values = new float[stored.Length], row = new float[inputs];
        BFloat16.ToSingle(stored, values);
        LinearWeight floats = LinearWeight.Pack(values, outputs, inputs), words = LinearWeight.Create(WeightFormat.BFloat16, outputs, inputs);
        words.SetRows(0, stored);
        LinearWeight inTurn = LinearWeight.Create(WeightFormat.BFloat16, outputs, inputs);
        for (int n = 0; n < outputs; n++) inTurn.SetRows(n, values.AsSpan(n * inputs, inputs));
        for (int n = 0; n < outputs; n++)
        {
            foreach (LinearWeight weight in (LinearWeight[])[floats, words, inTurn])
            {
                weight.CopyRow(n, row);
                Assert.Equal(values[(n * inputs)..((n + 1) * inputs)], row);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void MultiplyDoesNotAllocate(string format)
    {
        LinearWeight weight = LinearWeight.Pack(new float[512 * 512], 512, 512, default, Enum.Parse<WeightFormat>(format));
        float[] x = new float[512], y = new float[512];
        using WorkerTeam team = new(2);
        // The runtime allocates once here and there, when it compiles a method anew: what a product allocates, every round would.
        long allocated = long.MaxValue;
        for (int round = 0; round < 10 && allocated > 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 50; i++) weight.Multiply(x, 1, 512, y, 512, team);
            allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, allocated);
    }

    [Fact]
    public void WrongShapesAreRefused()
    {
        Assert.Throws<ArgumentException>(() => LinearWeight.Pack(new float[5], 2, 3));
        Assert.Throws<ArgumentException>(() => LinearWeight.Pack(new float[6], 2, 3, new float[3]));
        LinearWeight weight = LinearWeight.Pack(new float[6], 2, 3);
        Assert.Throws<ArgumentException>(() => weight.Multiply(new float[5], 2, 3, new float[4], 2));
        Assert.Throws<ArgumentException>(() => weight.Multiply(new float[6], 2, 3, new float[3], 2));
    }

    private static float[] Multiply(LinearWeight weight, float[] x, int rows, VectorWidth width)
    {
        float[] y = new float[rows * weight.Outputs];
        weight.Multiply(x, rows, weight.Inputs, y, weight.Outputs, null, width);
        return y;
    }

    /// <summary>Each block of 32 values of a row as whole multiples of its largest magnitude / 127.</summary>
    private static float[] RoundBlocks(float[] x, int inputs)
    {
        float[] rounded = new float[x.Length];
        for (int row = 0; row < x.Length; row += inputs)
        {
            for (int start = 0; start < inputs; start += 32)
            {
                Span<float> block = x.AsSpan(row + start, Math.Min(32, inputs - start));
                float largest = 0;
                foreach (float value in block) largest = Math.Max(largest, Math.Abs(value));
                for (int i = 0; i < block.Length; i++)
                    rounded[row + start + i] = largest == 0 ? 0 : MathF.Round(block[i] * (127 / largest)) * (largest / 127);
            }
        }

        return rounded;
    }

    private static float[] Values(Random random, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) values[i] = random.NextSingle() * 2 - 1;
        return values;
    }
}

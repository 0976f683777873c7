using System.Runtime.Intrinsics;
using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Numerics;

public sealed unsafe class LinearWeightTests
{
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
    [InlineData(256, 704)]
    [InlineData(1000, 96)]
    [InlineData(31, 300)]
    public void RowsAndThreadsDoNotChangeABit(int outputs, int inputs)
    {
        Random random = new(3);
        const int rows = 150;
        LinearWeight weight = LinearWeight.Pack(Values(random, outputs * inputs), outputs, inputs, Values(random, outputs));
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

    [Fact]
    public void EveryVectorWidthGivesTheSameBits()
    {
        Random random = new(4);
        const int outputs = 43, inputs = 129, rows = 21, panels = 3;
        float[] weight = Values(random, panels * 16 * inputs), bias = Values(random, panels * 16), x = Values(random, rows * inputs);
        float[] scalar = Run<LanesScalar, float>();
        Assert.Equal(scalar, Run<Lanes128, Vector128<float>>());
        Assert.Equal(scalar, Run<Lanes256, Vector256<float>>());
        Assert.Equal(scalar, Run<Lanes512, Vector512<float>>());

        float[] Run<TLanes, TVector>()
            where TLanes : struct, ILaneMath<TVector>
            where TVector : unmanaged
        {
            float[] y = new float[rows * outputs];
            fixed (float* w = weight, b = bias, xp = x, yp = y)
            {
                PanelOperands operands = new() { Weight = w, Bias = b, X = xp, Y = yp, XStride = inputs, YStride = outputs, Inputs = inputs, Outputs = outputs };
                PanelKernel<TLanes, TVector>.Run(operands, 0, 18, 0, panels);
                PanelKernel<TLanes, TVector>.Run(operands, 18, rows, 0, panels);
            }

            return y;
        }
    }

    [Fact]
    public void MultiplyDoesNotAllocate()
    {
        LinearWeight weight = LinearWeight.Pack(new float[512 * 512], 512, 512);
        float[] x = new float[512], y = new float[512];
        using WorkerTeam team = new(2);
        for (int i = 0; i < 50; i++) weight.Multiply(x, 1, 512, y, 512, team);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 200; i++) weight.Multiply(x, 1, 512, y, 512, team);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
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

    private static float[] Values(Random random, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) values[i] = random.NextSingle() * 2 - 1;
        return values;
    }
}

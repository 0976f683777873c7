using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Numerics;

public sealed class ConvolutionWeightTests
{
    [Fact]
    public void AgreesWithTheDefinitionForAnyStrideDilationAndEpilogue()
    {
        Random random = new(1);
        for (int trial = 0; trial < 150; trial++)
        {
            int outputs = random.Next(1, 70), inputs = random.Next(1, 50), kernel = random.Next(1, 12), rows = random.Next(0, 80);
            int stride = random.Next(1, 4), dilation = random.Next(1, 6), yStride = outputs + random.Next(0, 3);
            float[] weight = Values(random, outputs * inputs * kernel), bias = trial % 3 == 0 ? [] : Values(random, outputs);
            float[] x = Values(random, (Math.Max(0, rows - 1) * stride + (kernel - 1) * dilation + 1) * inputs);
            float[] residual = trial % 2 == 0 ? [] : Values(random, rows * outputs);
            float[] y = new float[rows * yStride], activated = new float[rows * yStride], only = new float[rows * outputs];
            ConvolutionWeight packed = ConvolutionWeight.Pack(weight, outputs, inputs, kernel, bias);
            packed.Convolve(x, rows, stride * inputs, dilation * inputs, y, yStride, new ConvolutionEpilogue
            {
                Residual = residual, ResidualStride = outputs, Activated = activated, ActivatedStride = yStride, Slope = 0.1f,
            });
            packed.Convolve(x, rows, stride * inputs, dilation * inputs, [], 0, new ConvolutionEpilogue
            {
                Residual = residual, ResidualStride = outputs, Activated = only, ActivatedStride = outputs, Slope = 0.1f,
            });
            for (int r = 0; r < rows; r++)
            {
                for (int n = 0; n < outputs; n++)
                {
                    double sum = (bias.Length == 0 ? 0 : bias[n]) + (residual.Length == 0 ? 0 : residual[r * outputs + n]), magnitude = Math.Abs(sum);
                    for (int k = 0; k < kernel; k++)
                    {
                        for (int c = 0; c < inputs; c++)
                        {
                            double term = (double)weight[(n * inputs + c) * kernel + k] * x[(r * stride + k * dilation) * inputs + c];
                            sum += term;
                            magnitude += Math.Abs(term);
                        }
                    }

                    Assert.True(Math.Abs(sum - y[r * yStride + n]) <= 1e-5 * magnitude + 1e-6, $"trial {trial} at ({r}, {n})");
                    float value = y[r * yStride + n], rectified = value > 0 ? value : 0.1f * value;
                    Assert.Equal(rectified, activated[r * yStride + n]);
                    Assert.Equal(rectified, only[r * outputs + n]);
                }

                for (int n = outputs; n < yStride; n++) Assert.Equal(0f, y[r * yStride + n] + activated[r * yStride + n]);
            }
        }
    }

    [Theory]
    [InlineData(64, WeightFormat.Float32)]
    [InlineData(64, WeightFormat.BFloat16Pairs)]
    [InlineData(37, WeightFormat.BFloat16Pairs)]
    public void PiecesAndThreadsDoNotChangeABit(int channels, WeightFormat format)
    {
        Random random = new(2);
        const int kernel = 7, dilation = 3, rows = 333;
        ConvolutionWeight packed = ConvolutionWeight.Pack(Values(random, channels * channels * kernel), channels, channels, kernel, Values(random, channels), format);
        float[] x = Values(random, (rows + (kernel - 1) * dilation) * channels), whole = new float[rows * channels], pieces = new float[rows * channels];
        using WorkerTeam one = new(1), three = new(3);
        packed.Convolve(x, rows, channels, dilation * channels, whole, channels, default, one);
        for (int start = 0, count = 1; start < rows; start += count, count = Math.Min(count * 2, rows - start))
            packed.Convolve(x.AsSpan(start * channels), count, channels, dilation * channels, pieces.AsSpan(start * channels), channels, default, three);
        Assert.Equal(whole, pieces);
    }

    [Theory]
    [InlineData(WeightFormat.Float32)]
    [InlineData(WeightFormat.BFloat16Pairs)]
    public void EveryVectorWidthGivesTheBitsOfTheScalarReference(WeightFormat format)
    {
        Random random = new(3);
        for (int trial = 0; trial < 60; trial++)
        {
            int outputs = random.Next(1, 70), inputs = random.Next(1, 40), kernel = random.Next(1, 6), rows = random.Next(1, 30), stride = random.Next(1, 4), dilation = random.Next(1, 4);
            ConvolutionWeight packed = ConvolutionWeight.Pack(Values(random, outputs * inputs * kernel), outputs, inputs, kernel, Values(random, outputs), format);
            float[] x = Values(random, ((rows - 1) * stride + (kernel - 1) * dilation + 1) * inputs), residual = Values(random, rows * outputs);
            (float[] expected, float[] expectedActivated) = Convolve(VectorWidth.Scalar);
            foreach (VectorWidth width in (VectorWidth[])[VectorWidth.V128, VectorWidth.V256, VectorWidth.V512, VectorWidth.Emitted])
            {
                if (width > VectorWidths.Best) continue;
                (float[] y, float[] activated) = Convolve(width);
                Assert.Equal(expected, y);
                Assert.Equal(expectedActivated, activated);
            }

            (float[] Y, float[] Activated) Convolve(VectorWidth width)
            {
                float[] y = new float[rows * outputs], activated = new float[rows * outputs];
                packed.Convolve(x, rows, stride * inputs, dilation * inputs, y, outputs, new ConvolutionEpilogue
                {
                    Residual = residual, ResidualStride = outputs, Activated = activated, ActivatedStride = outputs, Slope = 0.1f,
                }, null, width);
                return (y, activated);
            }
        }
    }

    [Theory]
    [InlineData(8)]
    [InlineData(7)]
    public void BFloat16PairsGiveTheConvolutionOfTheRoundedValues(int inputs)
    {
        Random random = new(4);
        const int outputs = 33, kernel = 3, rows = 9;
        float[] weight = Values(random, outputs * inputs * kernel), x = Values(random, (rows + kernel - 1) * inputs), y = new float[rows * outputs];
        ConvolutionWeight.Pack(weight, outputs, inputs, kernel, [], WeightFormat.BFloat16Pairs).Convolve(x, rows, inputs, inputs, y, outputs);
        float[] expected = new float[rows * outputs];
        ConvolutionWeight.Pack(Rounded(weight), outputs, inputs, kernel).Convolve(Rounded(x), rows, inputs, inputs, expected, outputs);
        // Products of bfloat16 are exact: only the order of the additions differs.
        for (int i = 0; i < y.Length; i++) Assert.Equal(expected[i], y[i], 1e-5);

        static float[] Rounded(float[] values) => [.. values.Select(value => BFloat16.ToSingle(BFloat16.FromSingle(value)))];
    }

    [Fact]
    public void OtherFormatsAreRefused() => Assert.Throws<ArgumentException>(() => ConvolutionWeight.Pack(new float[6], 2, 3, 1, default, WeightFormat.Int8));

    [Fact]
    public void SpansThatAreTooShortAreRefused()
    {
        ConvolutionWeight packed = ConvolutionWeight.Pack(new float[2 * 3 * 4], 2, 3, 4);
        Assert.Throws<ArgumentException>(() => packed.Convolve(new float[5 * 3 - 1], 2, 3, 3, new float[4], 2));
        Assert.Throws<ArgumentException>(() => packed.Convolve(new float[5 * 3], 2, 3, 3, new float[3], 2));
        Assert.Throws<ArgumentException>(() => packed.Convolve(new float[5 * 3], 2, 3, 3, new float[4], 1));
        Assert.Throws<ArgumentException>(() => packed.Convolve(new float[5 * 3], 2, 3, 3, [], 0, new ConvolutionEpilogue { Activated = new float[3], ActivatedStride = 2 }));
        Assert.Throws<ArgumentException>(() => ConvolutionWeight.Pack(new float[23], 2, 3, 4));
    }

    private static float[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];
}

using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Numerics;

public sealed class VectorMathTests
{
    private delegate void Unary(ReadOnlySpan<float> x, Span<float> y);

    [Fact]
    public void ElementwiseFunctionsAgreeWithDoubleAtEveryLength()
    {
        Check(VectorMath.Exp, Math.Exp, 12, 3e-7, 0);
        Check(VectorMath.Relu, x => Math.Max(x, 0), 12, 0, 0);
        Check(VectorMath.SiLU, x => x / (1 + Math.Exp(-x)), 12, 1e-6, 1e-7);
        Check(VectorMath.QuickGelu, x => x / (1 + Math.Exp(-1.702 * x)), 12, 2e-6, 1e-7);
        Check(VectorMath.Gelu, x => x * 0.5 * ErfComplement(-x / Math.Sqrt(2)), 6, 1e-6, 5e-7);

        static void Check(Unary function, Func<double, double> reference, float range, double relative, double absolute)
        {
            Random random = new(1);
            for (int length = 0; length <= 257; length++)
            {
                float[] x = new float[length], y = new float[length], single = new float[1];
                for (int i = 0; i < length; i++) x[i] = (random.NextSingle() * 2 - 1) * range;
                function(x, y);
                for (int i = 0; i < length; i++)
                {
                    double expected = reference(x[i]);
                    Assert.True(Math.Abs(expected - y[i]) <= relative * Math.Abs(expected) + absolute, $"{function.Method.Name}({x[i]}) = {y[i]}, expected {expected}");
                    function(x.AsSpan(i, 1), single);
                    Assert.Equal(y[i], single[0]);
                }
            }
        }
    }

    [Fact]
    public void ExpHandlesTheEndsOfItsRange()
    {
        float[] x = [-1000, -88, -87, 0, 88.7f, 1000], y = new float[6];
        VectorMath.Exp(x, y);
        Assert.Equal(0f, y[0]);
        Assert.Equal(0f, y[1]);
        Assert.Equal(Math.Exp(-87), y[2], 1e-43);
        Assert.Equal(1f, y[3]);
        Assert.True(float.IsFinite(y[4]) && float.IsFinite(y[5]));
    }

    [Fact]
    public void BinaryFunctionsAndReductionsAgreeWithDoubleAtEveryLength()
    {
        Random random = new(2);
        for (int length = 1; length <= 257; length++)
        {
            float[] a = new float[length], b = new float[length], y = new float[length], start = new float[length];
            for (int i = 0; i < length; i++) (a[i], b[i], start[i]) = (random.NextSingle() * 2 - 1, random.NextSingle() * 2 - 1, random.NextSingle());
            VectorMath.Add(a, b, y);
            for (int i = 0; i < length; i++) Assert.Equal(a[i] + b[i], y[i]);
            VectorMath.Multiply(a, b, y);
            for (int i = 0; i < length; i++) Assert.Equal(a[i] * b[i], y[i]);
            VectorMath.SiLUMultiply(a, b, y);
            for (int i = 0; i < length; i++) Assert.Equal(a[i] / (1 + Math.Exp(-a[i])) * b[i], y[i], 1e-6);
            start.CopyTo(y, 0);
            VectorMath.MultiplyAdd(a, 0.7f, y);
            for (int i = 0; i < length; i++) Assert.Equal(start[i] + 0.7f * (double)a[i], y[i], 1e-6);
            start.CopyTo(y, 0);
            VectorMath.MultiplyAdd(a, b, y);
            for (int i = 0; i < length; i++) Assert.Equal(start[i] + (double)a[i] * b[i], y[i], 1e-6);

            double dot = 0, sum = 0;
            for (int i = 0; i < length; i++) (dot, sum) = (dot + (double)a[i] * b[i], sum + a[i]);
            Assert.Equal(dot, VectorMath.Dot(a, b), 1e-4);
            Assert.Equal(sum, VectorMath.Sum(a), 1e-4);
            Assert.Equal(a.Max(), VectorMath.Max(a));
        }
    }

    [Fact]
    public void SoftmaxAndNormsAgreeWithDoubleAtEveryLength()
    {
        Random random = new(3);
        for (int length = 1; length <= 257; length++)
        {
            float[] x = new float[length], weight = new float[length], bias = new float[length], y = new float[length];
            for (int i = 0; i < length; i++) (x[i], weight[i], bias[i]) = (random.NextSingle() * 40 - 20, random.NextSingle() + 0.5f, random.NextSingle());
            double mean = x.Average(v => (double)v), variance = x.Average(v => (v - mean) * (v - mean)), square = x.Average(v => (double)v * v);

            VectorMath.LayerNorm(x, weight, bias, 1e-5f, y);
            for (int i = 0; i < length; i++) Assert.Equal((x[i] - mean) / Math.Sqrt(variance + 1e-5) * weight[i] + bias[i], y[i], 3e-5);
            VectorMath.LayerNorm(x, [], [], 1e-5f, y);
            for (int i = 0; i < length; i++) Assert.Equal((x[i] - mean) / Math.Sqrt(variance + 1e-5), y[i], 3e-5);
            VectorMath.RmsNorm(x, weight, 1e-6f, y);
            for (int i = 0; i < length; i++) Assert.Equal(x[i] / Math.Sqrt(square + 1e-6) * weight[i], y[i], 1e-5);

            double max = x.Max(), total = x.Sum(v => Math.Exp(v - max));
            float[] p = [.. x];
            VectorMath.Softmax(p);
            for (int i = 0; i < length; i++) Assert.Equal(Math.Exp(x[i] - max) / total, p[i], 2e-6);
        }
    }

    [Fact]
    public void ShortTargetsAreRefused() =>
        Assert.Throws<ArgumentException>(() => VectorMath.Gelu(new float[9], new float[8]));

    /// <summary>1 - erf(x) by its continued fraction or series, in double.</summary>
    private static double ErfComplement(double x)
    {
        double z = Math.Abs(x), complement;
        if (z < 2.5)
        {
            double term = z, sum = z;
            for (int n = 1; n < 80; n++)
            {
                term *= -z * z / n;
                sum += term / (2 * n + 1);
            }

            complement = 1 - 2 / Math.Sqrt(Math.PI) * sum;
        }
        else
        {
            double fraction = 0;
            for (int n = 60; n >= 1; n--) fraction = n / 2.0 / (z + fraction);
            complement = Math.Exp(-z * z) / Math.Sqrt(Math.PI) / (z + fraction);
        }

        return x < 0 ? 2 - complement : complement;
    }
}

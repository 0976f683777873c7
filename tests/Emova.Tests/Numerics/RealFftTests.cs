using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Numerics;

public sealed class RealFftTests
{
    [Theory]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(64)]
    [InlineData(512)]
    [InlineData(1024)]
    public void ForwardAgreesWithTheDefinitionAndInverseUndoesIt(int length)
    {
        Random random = new(length);
        float[] signal = new float[length], real = new float[length / 2 + 1], imaginary = new float[length / 2 + 1], back = new float[length];
        for (int t = 0; t < length; t++) signal[t] = random.NextSingle() * 2 - 1;
        RealFft fft = new(length);
        fft.Forward(signal, real, imaginary);
        for (int k = 0; k <= length / 2; k++)
        {
            double re = 0, im = 0;
            for (int t = 0; t < length; t++)
            {
                double angle = -2 * Math.PI * ((long)k * t % length) / length;
                re += signal[t] * Math.Cos(angle);
                im += signal[t] * Math.Sin(angle);
            }

            Assert.Equal(re, real[k], 1e-6 * length);
            Assert.Equal(im, imaginary[k], 1e-6 * length);
        }

        fft.Inverse(real, imaginary, back);
        for (int t = 0; t < length; t++) Assert.Equal(signal[t], back[t], 1e-6);
    }

    [Fact]
    public void InverseOfASingleBinIsACosine()
    {
        const int length = 32;
        float[] real = new float[17], imaginary = new float[17], signal = new float[length];
        real[3] = 1;
        imaginary[5] = 1;
        new RealFft(length).Inverse(real, imaginary, signal);
        for (int t = 0; t < length; t++)
        {
            double expected = (Math.Cos(2 * Math.PI * 3 * t / length) - Math.Sin(2 * Math.PI * 5 * t / length)) * 2 / length;
            Assert.Equal(expected, signal[t], 1e-7);
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(24)]
    [InlineData(131072)]
    public void LengthsThatAreNoPowerOfTwoAreRefused(int length) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new RealFft(length));
}

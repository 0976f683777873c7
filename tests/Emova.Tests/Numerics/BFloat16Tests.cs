using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Numerics;

public sealed class BFloat16Tests
{
    [Fact]
    public void ManyValuesAreRoundedAsOneByOne()
    {
        Random random = new(1);
        float[] special = [0, -0f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.Epsilon, 1.00390625f, 1.01171875f];
        for (int length = 0; length <= 257; length++)
        {
            float[] values = [.. Enumerable.Range(0, length).Select(i => i % 7 == 3 ? special[random.Next(special.Length)] : BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)))];
            ushort[] stored = new ushort[length];
            BFloat16.FromSingle(values, stored);
            Assert.Equal(values.Select(BFloat16.FromSingle), stored);
        }
    }

    [Fact]
    public void TiesGoToEvenAndNaNStaysNaN()
    {
        Assert.Equal(0x3F80, BFloat16.FromSingle(1.00390625f)); // halfway between 1 and 1 + 2^-7
        Assert.Equal(0x3F82, BFloat16.FromSingle(1.01171875f));
        Assert.True(float.IsNaN(BFloat16.ToSingle(BFloat16.FromSingle(BitConverter.Int32BitsToSingle(0x7F800001)))));
    }
}

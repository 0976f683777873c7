using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

public sealed class G711Tests
{
    // Decoded values of ITU-T G.711, scaled to 16 bits: silence, the smallest steps, and the loudest sample of each law.
    [Theory]
    [InlineData(0xFF, 0)]
    [InlineData(0x7F, 0)]
    [InlineData(0xFE, 8)]
    [InlineData(0x7E, -8)]
    [InlineData(0xF0, 120)]
    [InlineData(0x80, 32124)]
    [InlineData(0x00, -32124)]
    public void Mu_law_codes_have_the_values_of_the_standard(byte code, int value) => Assert.Equal(value, G711.FromMuLaw(code) * 32768);

    [Theory]
    [InlineData(0xD5, 8)]
    [InlineData(0x55, -8)]
    [InlineData(0xD4, 24)]
    [InlineData(0xC5, 264)]
    [InlineData(0xAA, 32256)]
    [InlineData(0x2A, -32256)]
    public void A_law_codes_have_the_values_of_the_standard(byte code, int value) => Assert.Equal(value, G711.FromALaw(code) * 32768);

    [Fact]
    public void Codes_survive_the_way_there_and_back()
    {
        for (int code = 0; code < 256; code++)
        {
            // Mu-law has two zeros; both are silence.
            if (code != 0x7F)
                Assert.Equal(code, G711.ToMuLaw(G711.FromMuLaw((byte)code)));
            Assert.Equal(code, G711.ToALaw(G711.FromALaw((byte)code)));
        }
    }

    [Fact]
    public void Every_sample_becomes_the_code_of_its_step()
    {
        for (int value = short.MinValue; value <= short.MaxValue; value += 7)
        {
            float sample = value / 32768f;
            // A step is a sixteenth of its segment, and a segment begins at half of its end: the error is at most 1/32 of the value, with
            // mu-law's bias of 132 added, and half of A-law's smallest step of 16 at least. What is louder than the loudest code (32124)
            // becomes that code.
            double allowed = Math.Max(8, ((Math.Abs(value) + 132) / 32.0) + 1), clipped = Math.Max(allowed, Math.Abs(value) - 32124);
            Assert.InRange((G711.FromMuLaw(G711.ToMuLaw(sample)) * 32768) - value, -clipped, clipped);
            Assert.InRange((G711.FromALaw(G711.ToALaw(sample)) * 32768) - value, -clipped, clipped);
        }
    }
}

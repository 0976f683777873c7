using System.Text.Json;
using Emova.Models.Speech;
using Xunit;

namespace Emova.Tests.Models;

[Trait("Category", "Golden")]
public sealed class FiniteScalarQuantizerTests
{
    public static TheoryData<string> Cases => Fixtures.Cases("fsq");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void ValuesDigitsAndIndicesAreTheReference(string caseName)
    {
        using FixtureCase golden = Fixtures.Open(caseName);
        foreach (JsonElement entry in golden.Config.GetProperty("cases").EnumerateArray())
        {
            string name = entry.GetProperty("name").GetString()!;
            int[] levels = [.. entry.GetProperty("levels").EnumerateArray().Select(l => l.GetInt32())];
            FiniteScalarQuantizer quantizer = new(levels);
            int dims = levels.Length;
            Assert.Equal(entry.GetProperty("codebook_size").GetInt32(), quantizer.CodebookSize);
            float[] z = golden.Inputs.ReadFloat32($"{name}.z");
            List<float> bounded = [], codes = [];
            List<long> digits = [], indices = [], again = [];
            for (int row = 0; row < z.Length / dims; row++)
            {
                ReadOnlySpan<float> vector = z.AsSpan(row * dims, dims);
                int[] rowDigits = new int[dims], back = new int[dims];
                float[] rowCodes = new float[dims];
                for (int i = 0; i < dims; i++) bounded.Add(quantizer.Bound(i, vector[i]));
                quantizer.Quantize(vector, rowDigits);
                int index = quantizer.Quantize(vector);
                quantizer.Digits(index, back);
                Assert.Equal(rowDigits, back);
                Assert.Equal(index, quantizer.Index(rowDigits));
                quantizer.Codes(index, rowCodes);
                digits.AddRange(rowDigits.Select(d => (long)d));
                codes.AddRange(rowCodes);
                indices.Add(index);
                again.Add(quantizer.Quantize(rowCodes));
            }

            golden.AssertClose($"{name}.bounded", bounded.ToArray(), 1e-6);
            golden.AssertClose($"{name}.codes", codes.ToArray(), 1e-6);
            golden.AssertClose($"{name}.codes_from_index", codes.ToArray(), 1e-6);
            Assert.Equal(golden.Outputs.ReadInt64($"{name}.digits"), digits);
            Assert.Equal(golden.Outputs.ReadInt64($"{name}.index"), indices);
            Assert.Equal(golden.Outputs.ReadInt64($"{name}.index_of_quantized_codes_again"), again);

            List<float> rows = [];
            foreach (long index in golden.Outputs.ReadInt64($"{name}.codebook_rows"))
            {
                float[] row = new float[dims];
                quantizer.Codes((int)index, row);
                rows.AddRange(row);
            }

            golden.AssertClose($"{name}.codebook_sample", rows.ToArray(), 1e-6);
        }
    }

    [Fact]
    public void TheThresholdsOfEightLevelsAreWhereTheReferenceHasThem()
    {
        FiniteScalarQuantizer quantizer = new(8);
        double[] thresholds = [-1.429701, -0.794474, -0.438188, -0.143983, 0.150222, 0.506508, 1.141735];
        for (int digit = 0; digit < thresholds.Length; digit++)
        {
            Assert.Equal(digit, quantizer.Quantize([(float)thresholds[digit] - 1e-5f]));
            Assert.Equal(digit + 1, quantizer.Quantize([(float)thresholds[digit] + 1e-5f]));
        }
    }

    [Theory]
    [InlineData(new[] { 0f, 0, 0, 0 }, 2340)]
    [InlineData(new[] { -9f, -9, -9, -9 }, 0)]
    [InlineData(new[] { 9f, 9, 9, 9 }, 4095)]
    [InlineData(new[] { 0.5f, -0.5f, 1, -1 }, 917)]
    [InlineData(new[] { 0.1f, 0.2f, -0.3f, 0.4f }, 2796)]
    [InlineData(new[] { -0.2f, 0.15f, 2, -2 }, 483)]
    [InlineData(new[] { 1.5f, -1.5f, 0.75f, -0.75f }, 1415)]
    public void KnownVectorsHaveTheirIndex(float[] z, int index) => Assert.Equal(index, new FiniteScalarQuantizer(8, 8, 8, 8).Quantize(z));

    [Fact]
    public void ImpossibleLevelsAndIndicesAreRefused()
    {
        Assert.Throws<ArgumentException>(() => new FiniteScalarQuantizer());
        Assert.Throws<ArgumentOutOfRangeException>(() => new FiniteScalarQuantizer(8, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FiniteScalarQuantizer(8, 8).Codes(64, new float[2]));
    }
}

using Emova.Generation;
using Xunit;

namespace Emova.Tests.Generation;

public sealed class SamplerTests
{
    private static readonly float[] Logits = [1.0f, 3.0f, 2.0f, 3.0f, -5.0f, 0.5f];

    [Fact]
    public void Choose_Greedy_TakesTheFirstOfTheBest() =>
        Assert.Equal(1, new Sampler(SamplingOptions.Greedy, 6).Choose(Logits, []));

    [Fact]
    public void Choose_Mask_IsObeyed()
    {
        Assert.Equal(2, new Sampler(SamplingOptions.Greedy, 6).Choose(Logits, [0b110101u & ~0b001000u]));
        Sampler hot = new(new SamplingOptions { Temperature = 10, Seed = 1 }, 6);
        for (int i = 0; i < 200; i++)
            Assert.Contains(hot.Choose(Logits, [0b110000u]), (int[])[4, 5]);
        Assert.Throws<ArgumentException>(() => hot.Choose(Logits, [0u]));
    }

    [Fact]
    public void Choose_Temperature_FollowsTheSoftmax()
    {
        Sampler sampler = new(new SamplingOptions { Temperature = 2, Seed = 7 }, 6);
        double[] expected = [.. Logits.Select(logit => Math.Exp(logit / 2))];
        double total = expected.Sum();
        int[] counts = Count(sampler, 40_000);
        for (int token = 0; token < 6; token++)
            Assert.InRange(counts[token] / 40_000.0, expected[token] / total - 0.012, expected[token] / total + 0.012);
    }

    [Fact]
    public void Choose_TopK_KeepsTheKBest() =>
        Assert.Equal([1, 3], Used(new SamplingOptions { Temperature = 5, TopK = 2, Seed = 3 }));

    [Theory]
    [InlineData(0.1f, new[] { 1 })]
    [InlineData(0.6f, new[] { 1, 3 })]
    [InlineData(0.85f, new[] { 1, 2, 3 })]
    public void Choose_TopP_KeepsTheShortestListThatReachesIt(float topP, int[] expected) =>
        Assert.Equal(expected, Used(new SamplingOptions { Temperature = 1, TopP = topP, Seed = 3 })); // probabilities: .05 .38 .14 .38 .00 .03

    [Fact]
    public void Choose_TopPOverManyTokens_EqualsSorting()
    {
        Random random = new(11);
        float[] logits = [.. Enumerable.Range(0, 3000).Select(_ => (float)(random.NextDouble() * 3))];
        double total = logits.Sum(logit => Math.Exp(logit));
        HashSet<int> nucleus = [];
        double sum = 0;
        foreach (int token in Enumerable.Range(0, 3000).OrderByDescending(token => logits[token]).ThenBy(token => token))
        {
            nucleus.Add(token);
            sum += Math.Exp(logits[token]);
            if (sum >= 0.3 * total)
                break;
        }

        Assert.True(nucleus.Count > 64, "the first selection would be enough");
        Sampler sampler = new(new SamplingOptions { Temperature = 1, TopP = 0.3f, Seed = 5 }, 3000);
        HashSet<int> seen = [];
        for (int i = 0; i < 20_000; i++)
            seen.Add(sampler.Choose(logits, []));
        Assert.Equal(nucleus.Order(), seen.Order());
    }

    [Fact]
    public void Choose_SameSeed_GivesTheSameTokens()
    {
        SamplingOptions options = new() { Temperature = 1, TopP = 0.9f, TopK = 5, Seed = 99 };
        Sampler first = new(options, 6);
        Sampler second = new(options, 6);
        Sampler other = new(options with { Seed = 100 }, 6);
        int[] Draw(Sampler sampler) => [.. Enumerable.Range(0, 100).Select(_ => sampler.Choose(Logits, []))];
        int[] reference = Draw(first);
        Assert.Equal(reference, Draw(second));
        Assert.NotEqual(reference, Draw(other));
    }

    [Fact]
    public void Choose_ExtremeScores_StillChooses()
    {
        Sampler sampler = new(new SamplingOptions { Temperature = 1, TopP = 0.5f }, 4);
        Assert.Equal(2, sampler.Choose([float.NaN, float.NegativeInfinity, 1e30f, -1e30f], []));
        Assert.Equal(0, sampler.Choose([float.PositiveInfinity, 1, 2, 3], []));
        Assert.InRange(sampler.Choose([float.NaN, float.NaN, float.NaN, float.NaN], []), 0, 3);
    }

    [Fact]
    public void Choose_SpeechTemperature_AppliesToUnitsOnly()
    {
        Sampler sampler = new(new SamplingOptions { Temperature = 10, SpeechTemperature = 0, Seed = 2 }, 6);
        Assert.All(Enumerable.Range(0, 50), _ => Assert.Equal(1, sampler.Choose(Logits, [], speech: true)));
        Assert.Contains(Enumerable.Range(0, 50).Select(_ => sampler.Choose(Logits, [])), token => token != 1);
    }

    [Fact]
    public void Choose_AllocatesNothing()
    {
        Sampler sampler = new(new SamplingOptions { Temperature = 1, TopP = 0.9f, TopK = 4 }, 6);
        uint[] mask = [0b111111];
        sampler.Choose(Logits, mask);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            sampler.Choose(Logits, mask);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [InlineData(-1f, 0, 1f, "temperature")]
    [InlineData(float.NaN, 0, 1f, "temperature")]
    [InlineData(1f, -2, 1f, "top-k")]
    [InlineData(1f, 0, 0f, "top-p")]
    [InlineData(1f, 0, 1.5f, "top-p")]
    public void Constructor_OutOfRange_NamesTheOption(float temperature, int topK, float topP, string name)
    {
        SamplingOptions options = new() { Temperature = temperature, TopK = topK, TopP = topP };
        Assert.Contains(name, Assert.Throws<EmovaException>(() => new Sampler(options, 4)).Message, StringComparison.Ordinal);
    }

    private static int[] Count(Sampler sampler, int draws)
    {
        int[] counts = new int[6];
        for (int i = 0; i < draws; i++)
            counts[sampler.Choose(Logits, [])]++;
        return counts;
    }

    private static int[] Used(SamplingOptions options)
    {
        int[] counts = Count(new Sampler(options, 6), 2000);
        return [.. Enumerable.Range(0, 6).Where(token => counts[token] > 0)];
    }
}

using Emova.Training.DataSets;
using Xunit;

namespace Emova.Training.Tests.DataSets;

public sealed class GroupedSamplerTests
{
    private static readonly Random Source = new(2);
    private static readonly int[] Lengths = [.. Enumerable.Range(0, 400).Select(_ => Source.Next(20, 900))];
    private static readonly byte[] Modalities = [.. Enumerable.Range(0, 400).Select(i => (byte)(i % 3 == 0 ? 1 : 0))];
    private static readonly double[] Ones = [.. Enumerable.Repeat(1.0, 400)];

    /// <summary>Worked by hand after the reference's rule: the next longest goes to the chunk with the smallest total that has room.</summary>
    [Fact]
    public void A_mega_batch_is_split_into_chunks_of_equal_number_and_about_equal_total()
    {
        int[] lengths = [10, 9, 8, 3, 2, 1];
        Assert.Equal([[0, 3, 4], [1, 2, 5]], GroupedSampler.SplitEvenly([0, 1, 2, 3, 4, 5], lengths, 2).Select(c => c.ToArray()));
        Assert.Equal([[0, 2, 4], [1, 3]], GroupedSampler.SplitEvenly([0, 1, 2, 3, 4], lengths, 2).Select(c => c.ToArray()));
    }

    [Theory]
    [InlineData(8, false)]
    [InlineData(0, false)]
    [InlineData(0, true)]
    public void Every_example_is_seen_once_per_epoch_in_an_order_that_follows_from_the_seed(int batchSize, bool packing)
    {
        GroupedSampler sampler = Sampler(batchSize, packing, seed: 1);
        List<int[]> first = sampler.Epoch(0), second = sampler.Epoch(1);
        foreach (List<int[]> epoch in (List<int[]>[])[first, second])
        {
            Assert.Equal(Enumerable.Range(0, 400), epoch.SelectMany(b => b).Order());
        }

        Assert.NotEqual(first, second);
        Assert.Equal(first.Concat(second), Enumerable.Range(0, first.Count + second.Count).Select(i => Sampler(batchSize, packing, 1).Batch(i)));
        Assert.Equal(first[3], sampler.Batch(3)); // back to an earlier epoch
        Assert.NotEqual(first[0], Sampler(batchSize, packing, seed: 2).Epoch(0)[0]);
    }

    [Fact]
    public void Batches_by_tokens_are_of_one_modality_and_keep_to_their_size_with_little_padding()
    {
        List<int[]> batches = Sampler(0, packing: false, 3).Epoch(0);
        Assert.All(batches, b => Assert.Single(b.Select(i => Modalities[i]).Distinct()));
        Assert.All(batches, b => Assert.True(b.Length == 1 || b.Length * b.Max(i => Lengths[i]) <= 4096));
        double filled = Lengths.Sum() / (double)batches.Sum(b => b.Length * b.Max(i => Lengths[i]));
        Assert.InRange(filled, 0.9, 1);

        List<int[]> loose = new GroupedSampler(Lengths, Modalities, Ones, 3) { Tokens = 4096, Group = false, BatchSize = 8 }.Epoch(0);
        Assert.True(Lengths.Sum() / (double)loose.Sum(b => b.Length * b.Max(i => Lengths[i])) < 0.75, "lengths of this case are too alike to show anything");
    }

    [Fact]
    public void Batches_by_size_are_of_one_modality_but_for_the_rest_and_balanced_within_an_update()
    {
        List<int[]> batches = Sampler(8, packing: false, 4, together: 4).Epoch(0);
        int mixed = batches.Count(b => b.Select(i => Modalities[i]).Distinct().Count() > 1);
        Assert.InRange(mixed, 0, 8); // the last mega-batch of either modality
        for (int i = 0; i + 4 <= batches.Count - 8; i += 4)
        {
            int[] totals = [.. batches.Skip(i).Take(4).Select(b => b.Sum(j => Lengths[j]))];
            Assert.True(totals.Max() < 1.35 * totals.Min(), $"an update of {string.Join(", ", totals)} tokens");
        }
    }

    [Fact]
    public void Weights_are_visits_per_epoch()
    {
        double[] weights = [.. Enumerable.Range(0, 400).Select(i => i < 200 ? 2.0 : 0.5)];
        int[] visits = [.. new GroupedSampler(Lengths, Modalities, weights, 5).Epoch(0).SelectMany(b => b)];
        Assert.Equal(400, visits.Count(i => i < 200));
        Assert.InRange(visits.Count(i => i >= 200), 70, 130);
    }

    [Fact]
    public void Speech_counts_by_its_units_and_Chinese_by_its_characters()
    {
        Assert.Equal(300, ExampleEncoder.EstimateTokens(string.Concat(Enumerable.Range(0, 300).Select(u => $"<|speech_{u}|>"))));
        Assert.Equal(4 + 1, ExampleEncoder.EstimateTokens("你好世界 abc"));
        Assert.Equal(3, ExampleEncoder.EstimateTokens("<|speech_1")); // not a unit
    }

    [Fact]
    public void Two_sources_share_the_batches_evenly_without_leaving_any_out()
    {
        BatchSchedule schedule = new(0.3);
        (bool FromDataSets, long Number)[] plan = [.. Enumerable.Range(0, 100).Select(i => schedule.At(i))];
        Assert.Equal(Enumerable.Range(0, 30).Select(i => (long)i), plan.Where(p => p.FromDataSets).Select(p => p.Number));
        Assert.Equal(Enumerable.Range(0, 70).Select(i => (long)i), plan.Where(p => !p.FromDataSets).Select(p => p.Number));
        Assert.All(Enumerable.Range(0, 50), i => Assert.Equal((true, i), new BatchSchedule(1).At(i)));
        Assert.All(Enumerable.Range(0, 50), i => Assert.Equal((false, i), new BatchSchedule(0).At(i)));
    }

    private static GroupedSampler Sampler(int batchSize, bool packing, int seed, int together = 1) =>
        new(Lengths, Modalities, Ones, seed) { Tokens = 4096, BatchSize = batchSize, Packing = packing, Together = together };
}

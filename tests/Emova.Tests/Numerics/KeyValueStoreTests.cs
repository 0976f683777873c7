using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Numerics;

public sealed class KeyValueStoreTests
{
    [Fact]
    public void AttentionAgreesWithTheDoubleReferenceOfTheRoundedKeysAndValues()
    {
        Random random = new(1);
        for (int trial = 0; trial < 60; trial++)
        {
            int queries = random.Next(1, 40), first = random.Next(0, 70), keyValueHeads = random.Next(1, 4), group = random.Next(1, 19);
            int headDim = random.Next(1, 70), valueDim = random.Next(1, 70), heads = keyValueHeads * group, positions = first + queries;
            if (trial % 3 == 0) queries = 1;
            if (trial % 10 == 0) (positions, first) = (positions + 1100, first + 1100); // three blocks of positions
            KeyValueStore store = Filled(random, positions + random.Next(0, 3), keyValueHeads, headDim, valueDim, positions);
            float[] q = Values(random, queries * heads * headDim), y = new float[queries * heads * valueDim];
            AttentionKernel.Causal(q, heads * headDim, store, y, heads * valueDim, queries, first, heads, 0.2f);
            float[] key = new float[keyValueHeads * headDim], value = new float[keyValueHeads * valueDim];
            for (int query = 0; query < queries; query++)
            {
                for (int head = 0; head < heads; head++)
                {
                    double total = 0;
                    double[] sum = new double[valueDim];
                    for (int t = 0; t <= first + query; t++)
                    {
                        store.Get(t, key, value);
                        double score = 0;
                        for (int d = 0; d < headDim; d++) score += (double)BFloat16.ToSingle(BFloat16.FromSingle(0.2f * q[(query * heads + head) * headDim + d])) * key[head / group * headDim + d];
                        double weight = Math.Exp(score);
                        total += weight;
                        for (int d = 0; d < valueDim; d++) sum[d] += weight * value[head / group * valueDim + d];
                    }

                    // The weights are rounded to 8 bits on their way to the values, which are 1 at most.
                    for (int d = 0; d < valueDim; d++) Assert.Equal(sum[d] / total, y[(query * heads + head) * valueDim + d], 1.0 / 256);
                }
            }
        }
    }

    [Theory]
    [InlineData(1, 64, 0)]
    [InlineData(7, 64, 0)]
    [InlineData(3, 40, 490)]
    [InlineData(17, 5, 508)]
    public void QueryCountThreadsAndVectorWidthDoNotChangeABit(int group, int dim, int first)
    {
        Random random = new(2);
        const int queries = 45, keyValueHeads = 2;
        int heads = keyValueHeads * group, width = heads * dim;
        KeyValueStore store = Filled(random, first + queries, keyValueHeads, dim, dim, first + queries);
        float[] q = Values(random, queries * width), expected = new float[queries * width];
        using WorkerTeam one = new(1), three = new(3);
        for (int query = 0; query < queries; query++)
            AttentionKernel.Causal(q.AsSpan(query * width), width, store, expected.AsSpan(query * width), width, 1, first + query, heads, 0.125f, one);
        foreach (WorkerTeam team in (WorkerTeam[])[one, three])
        {
            float[] all = new float[queries * width];
            AttentionKernel.Causal(q, width, store, all, width, queries, first, heads, 0.125f, team);
            Assert.Equal(expected, all);
        }

        foreach (VectorWidth vectors in Enum.GetValues<VectorWidth>())
        {
            if (vectors > VectorWidths.Best) continue;
            float[] all = new float[queries * width];
            AttentionKernel.Causal(q, width, store, all, width, queries, first, heads, 0.125f, one, vectors);
            Assert.Equal(expected, all);
        }
    }

    [Fact]
    public void WeightsAreRoundedWithoutATendency()
    {
        // One value for all positions: whatever the weights are rounded to, they add up to one.
        Random random = new(4);
        KeyValueStore store = new(1500, 1, 16, 16);
        float[] value = [.. Enumerable.Range(0, 16).Select(i => i - 8f)];
        for (int t = 0; t < 1500; t++) store.Set(t, Values(random, 16), value);
        float[] y = new float[16];
        AttentionKernel.Causal(Values(random, 16), 16, store, y, 16, 1, 1499, 1, 1);
        for (int d = 0; d < 16; d++) Assert.Equal(value[d], y[d], 1e-4);
    }

    [Fact]
    public void APositionThatWasNeverSetTakesNoPart()
    {
        // Memory comes back with whatever it held: NaNs here.
        KeyValueStore used = new(64, 1, 3, 3);
        for (int t = 0; t < 64; t++) used.Set(t, [float.NaN, 1, 1], [float.NaN, float.NaN, float.NaN]);
        KeyValueStore copy = new(64, 1, 3, 3);
        copy.CopyFrom(used, 64);
        for (int t = 0; t < 7; t++) copy.Set(t, [1, 2, 3], [4, 5, 6]);
        copy.Set(7, [1, 2, 3], [4, 5, 6]);
        float[] y = new float[3];
        AttentionKernel.Causal([1, 1, 1], 3, copy, y, 3, 1, 7, 1, 1);
        AssertClose([4, 5, 6], y);
        KeyValueStore fresh = new(64, 1, 3, 3);
        for (int t = 0; t < 7; t++) fresh.Set(t, [1, 2, 3], [4, 5, 6]);
        AttentionKernel.Causal([1, 1, 1], 3, fresh, y, 3, 1, 6, 1, 1);
        AssertClose([4, 5, 6], y);

        static void AssertClose(float[] expected, float[] actual)
        {
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-5);
        }
    }

    [Fact]
    public void PositionsAreRoundedReplacedAndCopied()
    {
        Random random = new(3);
        KeyValueStore store = new(70, 2, 5, 33), longer = new(200, 2, 5, 33);
        float[][] keys = [.. Enumerable.Range(0, 70).Select(_ => Values(random, 10))], values = [.. Enumerable.Range(0, 70).Select(_ => Values(random, 66))];
        for (int t = 0; t < 70; t++) store.Set(t, values[0].AsSpan(0, 10), values[0]);
        for (int t = 0; t < 70; t++) store.Set(t, keys[t], values[t]);
        longer.CopyFrom(store, 30);
        byte[] state = new byte[39 * store.PositionBytes];
        store.Export(30, state);
        longer.Import(30, state);
        float[] key = new float[10], value = new float[66];
        for (int t = 0; t < 69; t++)
        {
            foreach (KeyValueStore read in (KeyValueStore[])[store, longer])
            {
                read.Get(t, key, value);
                Assert.Equal(Rounded(keys[t]), key);
                Assert.Equal(Rounded(values[t]), value);
            }
        }

        static float[] Rounded(float[] exact) => [.. exact.Select(x => BFloat16.ToSingle(BFloat16.FromSingle(x)))];
    }

    [Fact]
    public void SizesAndPositionsAreChecked()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new KeyValueStore(0, 1, 1, 1));
        KeyValueStore store = new(4, 2, 8, 8);
        Assert.Equal(store.SizeInBytes, KeyValueStore.SizeFor(4, 2, 8, 8));
        Assert.Throws<ArgumentOutOfRangeException>(() => store.Set(4, new float[16], new float[16]));
        Assert.Throws<ArgumentException>(() => store.Set(0, new float[15], new float[16]));
        Assert.Throws<ArgumentException>(() => store.CopyFrom(new KeyValueStore(4, 2, 8, 9), 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => store.CopyFrom(new KeyValueStore(3, 2, 8, 8), 4));
        Assert.Throws<ArgumentException>(() => store.Export(3, new byte[2 * store.PositionBytes]));
        Assert.Throws<ArgumentException>(() => store.Import(0, new byte[store.PositionBytes - 1]));
        Assert.Throws<ArgumentException>(() => AttentionKernel.Causal(new float[64], 32, store, new float[64], 32, 2, 3, 4, 1));
        Assert.Throws<ArgumentException>(() => AttentionKernel.Causal(new float[64], 24, store, new float[64], 24, 1, 0, 3, 1));
        Assert.Throws<ArgumentException>(() => AttentionKernel.Causal(new float[31], 32, store, new float[32], 32, 1, 0, 4, 1));
    }

    private static KeyValueStore Filled(Random random, int capacity, int heads, int headDim, int valueDim, int count)
    {
        KeyValueStore store = new(capacity, heads, headDim, valueDim);
        for (int t = 0; t < count; t++) store.Set(t, Values(random, heads * headDim), Values(random, heads * valueDim));
        return store;
    }

    private static float[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];
}

using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Numerics;

public sealed class AttentionKernelTests
{
    [Fact]
    public void FullAttentionAgreesWithTheDoubleReferenceAndIgnoresKeysPastTheValidLength()
    {
        Random random = new(1);
        for (int trial = 0; trial < 60; trial++)
        {
            int queries = random.Next(1, 40), keys = random.Next(1, 60), heads = random.Next(1, 5), headDim = random.Next(1, 70);
            int width = heads * headDim, stride = width + random.Next(0, 7);
            float[] q = Values(random, queries * stride), k = Values(random, (keys + 3) * stride), v = Values(random, (keys + 3) * stride);
            float[] y = new float[queries * stride];
            AttentionKernel.Full(q, stride, k, stride, v, stride, y, stride, queries, keys, heads, headDim, 0.3f);
            for (int query = 0; query < queries; query++)
            {
                for (int head = 0; head < heads; head++)
                    Check(q, k, v, y, stride, stride, query, head, head, keys, headDim, 0.3);
            }
        }
    }

    [Fact]
    public void CausalGroupedAttentionOverACacheAgreesWithTheDoubleReference()
    {
        Random random = new(2);
        for (int trial = 0; trial < 60; trial++)
        {
            int queries = random.Next(1, 20), first = random.Next(0, 30), keyValueHeads = random.Next(1, 4), group = random.Next(1, 4), headDim = random.Next(1, 70);
            int heads = keyValueHeads * group, width = heads * headDim, keyWidth = keyValueHeads * headDim;
            float[] q = Values(random, queries * width), k = Values(random, (first + queries) * keyWidth), v = Values(random, (first + queries) * keyWidth);
            float[] y = new float[queries * width];
            AttentionKernel.Causal(q, width, k, keyWidth, v, keyWidth, y, width, queries, first, heads, keyValueHeads, headDim, 0.2f);
            for (int query = 0; query < queries; query++)
            {
                for (int head = 0; head < heads; head++)
                    Check(q, k, v, y, width, keyWidth, query, head, head / group, first + query + 1, headDim, 0.2);
            }
        }
    }

    [Theory]
    [InlineData(64, 32, 13)]
    [InlineData(48, 40, 8)]
    [InlineData(20, 10, 9)]
    [InlineData(192, 128, 5)]
    [InlineData(64, 64, 1)]
    public void ValuesOfAnotherWidthAreThoseOfPaddedValues(int headDim, int valueDim, int queries)
    {
        Random random = new(headDim);
        const int heads = 3, first = 6, guard = 64;
        int keys = first + queries, width = heads * headDim, valueWidth = heads * valueDim;
        float[] q = Values(random, queries * width), k = Values(random, keys * width), v = Values(random, keys * valueWidth), padded = new float[keys * width];
        for (int head = 0; head < keys * heads; head++)
            v.AsSpan(head * valueDim, valueDim).CopyTo(padded.AsSpan(head * headDim));
        float[] y = new float[queries * valueWidth + guard], expected = new float[queries * width];
        y.AsSpan(^guard..).Fill(7);
        AttentionKernel.Causal(q, width, k, width, v, valueWidth, y.AsSpan(..^guard), valueWidth, queries, first, heads, heads, headDim, 0.2f, valueDim: valueDim);
        AttentionKernel.Causal(q, width, k, width, padded, width, expected, width, queries, first, heads, heads, headDim, 0.2f);
        for (int head = 0; head < queries * heads; head++)
            Assert.Equal(expected.AsSpan(head * headDim, valueDim), y.AsSpan(head * valueDim, valueDim));
        Assert.All(y[^guard..], value => Assert.Equal(7, value));
    }

    [Fact]
    public void SegmentsDoNotSeeEachOther()
    {
        Random random = new(3);
        const int heads = 2, headDim = 8, width = heads * headDim;
        float[] q = Values(random, 11 * width), k = Values(random, 11 * width), v = Values(random, 11 * width);
        float[] packed = new float[11 * width], alone = new float[7 * width];
        AttentionKernel.Segmented(q, width, k, width, v, width, packed, width, [4, 4, 11], heads, headDim, 0.5f);
        AttentionKernel.Full(q.AsSpan(4 * width), width, k.AsSpan(4 * width), width, v.AsSpan(4 * width), width, alone, width, 7, 7, heads, headDim, 0.5f);
        Assert.Equal(alone, packed[(4 * width)..]);
    }

    [Fact]
    public void QueryCountAndThreadsDoNotChangeABit()
    {
        Random random = new(4);
        const int queries = 90, heads = 4, headDim = 64, width = heads * headDim;
        float[] q = Values(random, queries * width), k = Values(random, queries * width), v = Values(random, queries * width);
        float[] all = new float[queries * width], threaded = new float[queries * width], single = new float[width];
        using WorkerTeam one = new(1);
        using WorkerTeam three = new(3);
        AttentionKernel.Causal(q, width, k, width, v, width, all, width, queries, 0, heads, heads, headDim, 0.125f, one);
        AttentionKernel.Causal(q, width, k, width, v, width, threaded, width, queries, 0, heads, heads, headDim, 0.125f, three);
        Assert.Equal(all, threaded);
        for (int query = 0; query < queries; query++)
        {
            AttentionKernel.Causal(q.AsSpan(query * width), width, k, width, v, width, single, width, 1, query, heads, heads, headDim, 0.125f, one);
            Assert.Equal(all[(query * width)..((query + 1) * width)], single);
        }
    }

    [Theory]
    [InlineData(8)]
    [InlineData(24)]
    [InlineData(72)]
    [InlineData(80)]
    [InlineData(81)]
    public void FourQueriesTogetherGiveTheBitsOfEachAlone(int headDim)
    {
        Random random = new(5);
        const int queries = 11, keys = 37, heads = 3;
        int width = heads * headDim, stride = 3 * width;
        float[] fused = Values(random, keys * stride), all = new float[queries * width], single = new float[width];
        AttentionKernel.Full(fused, stride, fused.AsSpan(width), stride, fused.AsSpan(2 * width), stride, all, width, queries, keys, heads, headDim, 0.2f);
        for (int query = 0; query < queries; query++)
        {
            AttentionKernel.Full(fused.AsSpan(query * stride), stride, fused.AsSpan(width), stride, fused.AsSpan(2 * width), stride, single, width, 1, keys, heads, headDim, 0.2f);
            Assert.Equal(all[(query * width)..((query + 1) * width)], single);
        }

        // In place of the queries, with a key per query.
        AttentionKernel.Full(fused, stride, fused.AsSpan(width), stride, fused.AsSpan(2 * width), stride, fused, stride, queries, keys, heads, headDim, 0.2f);
        for (int query = 0; query < queries; query++)
            Assert.Equal(all[(query * width)..((query + 1) * width)], fused[(query * stride)..(query * stride + width)]);
    }

    private static void Check(float[] q, float[] k, float[] v, float[] y, int stride, int keyStride, int query, int head, int keyHead, int keys, int headDim, double scale)
    {
        double[] p = new double[keys];
        for (int t = 0; t < keys; t++)
        {
            for (int d = 0; d < headDim; d++) p[t] += scale * q[query * stride + head * headDim + d] * k[t * keyStride + keyHead * headDim + d];
        }

        double max = p.Max(), total = 0;
        for (int t = 0; t < keys; t++) total += p[t] = Math.Exp(p[t] - max);
        for (int d = 0; d < headDim; d++)
        {
            double sum = 0;
            for (int t = 0; t < keys; t++) sum += p[t] / total * v[t * keyStride + keyHead * headDim + d];
            Assert.Equal(sum, y[query * stride + head * headDim + d], 1e-5);
        }
    }

    private static float[] Values(Random random, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) values[i] = random.NextSingle() * 2 - 1;
        return values;
    }
}

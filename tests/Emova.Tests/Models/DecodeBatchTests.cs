using Emova.Checkpoints;
using Emova.Models.Language;
using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Models;

/// <summary>Conversations computed in one pass against the same ones computed alone: no bit may differ.</summary>
[Trait("Category", "Golden")]
public sealed class DecodeBatchTests
{
    public static TheoryData<string> Cases => Fixtures.Cases("llm");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void SeveralConversationsInOnePassChangeNoBit(string name)
    {
        LanguageModel model = Load(name);
        Random random = new(3);
        int[][] texts = [.. Enumerable.Range(0, 5).Select(i => Enumerable.Range(0, 4 + 3 * i).Select(_ => random.Next(model.Config.VocabSize)).ToArray())];
        float[][] expected = [.. texts.Select(text => Alone(model, text))];
        KvCache[] caches = [.. texts.Select((text, i) => model.CreateCache(text.Length + i))];
        DecodeBatch batch = new(model);

        // Every step takes another number of tokens from every conversation: parts of prompts beside single tokens, some not at all.
        for (int step = 0; caches.Zip(texts).Any(pair => pair.First.Length < pair.Second.Length); step++)
        {
            batch.Clear();
            List<(int Conversation, int Entry, int First, int Rows)> entered = [];
            for (int i = 0; i < texts.Length; i++)
            {
                int rows = Math.Min(texts[i].Length - caches[i].Length, (step + i) % 3 == 0 ? 1 : (step * i) % 4);
                if (rows > 0)
                    entered.Add((i, batch.Add(caches[i], texts[i].AsSpan(caches[i].Length, rows), rows), caches[i].Length, rows));
            }

            if (entered.Count == 0)
                continue;
            batch.Run();
            foreach ((int conversation, int entry, int first, int rows) in entered)
            {
                Assert.Equal(first + rows, caches[conversation].Length);
                for (int r = 0; r < rows; r++)
                    Assert.Equal(Row(model, expected[conversation], first + r), batch.Logits(entry, r));
            }
        }
    }

    [Theory]
    [InlineData(WeightFormat.Int4)]
    [InlineData(WeightFormat.Int8)]
    [InlineData(WeightFormat.BFloat16)]
    public void PackedWeightsAndThreadsChangeNoBitEither(WeightFormat format)
    {
        DenseDecoderConfig config = new()
        {
            VocabSize = 100, HiddenSize = 64, IntermediateSize = 96, NumHiddenLayers = 2, NumAttentionHeads = 4, NumKeyValueHeads = 2, TieWordEmbeddings = true,
        };
        LanguageModel model = LanguageModel.Load(config, new WeightLoader(new RandomWeights(7, (_, _) => format)));
        int[] text = [.. Enumerable.Range(0, 21).Select(i => i * 37 % 100)];
        float[] expected = Alone(model, text);
        KvCache[] caches = [.. Enumerable.Range(0, 9).Select(_ => model.CreateCache(text.Length))];
        DecodeBatch batch = new(model, maxRows: 64);
        int threads = WorkerTeam.Shared.ThreadCount;
        try
        {
            for (int step = 0; step < text.Length; step++)
            {
                WorkerTeam.Shared.ThreadCount = 1 + step % 2;
                batch.Clear();
                foreach (KvCache cache in caches)
                    batch.Add(cache, text.AsSpan(step, 1));
                batch.Run();
                for (int i = 0; i < caches.Length; i++)
                    Assert.Equal(Row(model, expected, step), batch.Logits(i));
            }
        }
        finally
        {
            WorkerTeam.Shared.ThreadCount = threads;
        }
    }

    [Fact]
    public void EmbeddingsCountAsTheirTokens()
    {
        LanguageModel model = Load("llm_qwen2_tied");
        int[] text = [5, 9, 1, 7];
        float[] embeddings = new float[text.Length * model.Config.HiddenSize];
        model.Embed(text, embeddings);
        DecodeBatch batch = new(model);
        int first = batch.Add(model.CreateCache(4), embeddings), second = batch.Add(model.CreateCache(4), text, scoredRows: 0);
        batch.Run();
        Assert.Equal(Row(model, Alone(model, text), 3), batch.Logits(first));
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Logits(second).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Logits(2).Length);
    }

    [Fact]
    public void AStepAllocatesNothing()
    {
        LanguageModel model = Load("llm_qwen2_tied");
        KvCache[] caches = [.. Enumerable.Range(0, 6).Select(_ => model.CreateCache(200))];
        DecodeBatch batch = new(model);
        int[] token = [5];
        void Step()
        {
            batch.Clear();
            foreach (KvCache cache in caches)
                batch.Add(cache, token);
            batch.Run();
        }

        for (int i = 0; i < 50; i++)
            Step();
        long allocated = long.MaxValue; // the least of some rounds: a lock that is fought over allocates once
        for (int round = 0; round < 5; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 20; i++)
                Step();
            allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, allocated);
    }

    [Fact]
    public void LimitsAreChecked()
    {
        LanguageModel model = Load("llm_qwen2_tied");
        DecodeBatch batch = new(model, maxRows: 4);
        KvCache cache = model.CreateCache(3);
        Assert.Throws<InvalidOperationException>(batch.Run);
        Assert.Throws<ArgumentException>(() => batch.Add(cache, Array.Empty<int>()));
        Assert.Throws<ArgumentException>(() => batch.Add(cache, [1], scoredRows: 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Add(cache, [-1]));
        Assert.Throws<EmovaException>(() => batch.Add(cache, [1, 2, 3, 4]));
        batch.Add(cache, [1, 2, 3]);
        Assert.Throws<ArgumentException>(() => batch.Add(cache, [1]));
        Assert.Throws<ArgumentException>(() => batch.Add(model.CreateCache(8), [1, 2]));
        Assert.Throws<ArgumentException>(() => batch.Add(Load("llm_llama31").CreateCache(8), [1]));
        Assert.Equal(3, batch.Rows);
        Assert.Equal(0, cache.Length);
        batch.Run();
        Assert.Equal(3, cache.Length);
    }

    [Fact]
    public void AConversationGrowsUpToItsCapacityAndKeepsWhatItHolds()
    {
        LanguageModel model = Load("llm_qwen2_tied");
        int[] text = [.. Enumerable.Range(0, 1300).Select(i => i * 7919 % model.Config.VocabSize)];
        KvCache growing = model.CreateCache(1300), whole = model.CreateCache(1300);
        whole.Reserve(1300);
        float[] expected = new float[model.Config.VocabSize], actual = new float[model.Config.VocabSize];
        model.Forward(whole, text, expected);
        model.Forward(growing, text.AsSpan(0, 10), []);
        Assert.InRange(growing.ReservedBytes, 1, growing.SizeInBytes / 2);
        model.Forward(growing, text.AsSpan(10, 600), []);
        model.Forward(growing, text.AsSpan(610), actual);
        Assert.Equal(expected, actual);
        Assert.Equal(growing.SizeInBytes, growing.ReservedBytes);
        Assert.Equal(whole.SizeInBytes, whole.ReservedBytes);
    }

    [Theory]
    [InlineData(2, 16)]
    [InlineData(3, 40)]
    public void ACacheInBFloat16ChangesNoBitByHowItIsFilledAndLittleOtherwise(int keyValueHeads, int headDim)
    {
        DenseDecoderConfig config = new()
        {
            VocabSize = 100, HiddenSize = 64, IntermediateSize = 96, NumHiddenLayers = 2, NumAttentionHeads = 2 * keyValueHeads, NumKeyValueHeads = keyValueHeads,
            HeadDim = headDim, TieWordEmbeddings = true,
        };
        LanguageModel exact = LanguageModel.Load(config, new WeightLoader(new RandomWeights(9, (_, _) => WeightFormat.Float32)));
        LanguageModel model = LanguageModel.Load(config with { CacheFormat = WeightFormat.BFloat16 }, new WeightLoader(new RandomWeights(9, (_, _) => WeightFormat.Float32)));
        int[] text = [.. Enumerable.Range(0, 80).Select(i => i * 37 % 100)];
        float[] expected = Alone(model, text), reference = Alone(exact, text);
        float largest = reference.Max(Math.Abs);
        Assert.All(expected.Zip(reference), pair => Assert.Equal(pair.Second, pair.First, 0.02f * largest));
        Assert.NotEqual(reference, expected);

        // Token by token with growing memory, going back on the way; then as another conversation that takes over the first half.
        KvCache cache = model.CreateCache(2000), taken = model.CreateCache(80);
        float[] logits = new float[100];
        for (int t = 0; t < text.Length; t++)
        {
            if (t == 50)
            {
                model.Forward(cache, [1, 2, 3], []);
                cache.Truncate(50);
                cache.Reserve(700);
            }

            model.Forward(cache, text.AsSpan(t, 1), logits);
            Assert.Equal(Row(model, expected, t), logits);
        }

        byte[] state = new byte[KvCache.StateBytes(model.Config, 24)];
        model.Forward(taken, text.AsSpan(0, 16), []);
        cache.Export(16, state);
        taken.Import(state);
        model.Forward(taken, text.AsSpan(40), logits);
        Assert.Equal(Row(model, expected, 79), logits);
        Assert.Equal(model.Config.NumHiddenLayers * KeyValueStore.SizeFor(80, keyValueHeads, headDim, headDim), taken.SizeInBytes);
        Assert.True(taken.SizeInBytes < exact.CreateCache(80).SizeInBytes);
    }

    private static float[] Alone(LanguageModel model, int[] text)
    {
        float[] logits = new float[text.Length * model.Config.VocabSize];
        model.Forward(model.CreateCache(text.Length), text, logits);
        return logits;
    }

    private static ReadOnlySpan<float> Row(LanguageModel model, float[] logits, int row) => logits.AsSpan(row * model.Config.VocabSize, model.Config.VocabSize);

    private static LanguageModel Load(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        WeightLoader weights = new([fixture.Weights]);
        return LanguageModel.Load(LanguageConfig.Read(new ConfigSection("config.json", fixture.Config)), weights);
    }
}

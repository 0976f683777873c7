using System.Text.Json;
using Emova.Checkpoints;
using Emova.Models.Language;
using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Models;

public class Qwen2Tests
{
    private const double Tolerance = 5e-5;

    public static TheoryData<string> Cases => ["llm_qwen2_tied", "llm_qwen2_untied"];

    [Theory]
    [MemberData(nameof(Cases))]
    public void LogitsHiddenStatesAndCacheMatchTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        Qwen2Model model = Load(fixture);
        int[] ids = Ids(fixture, "ids");
        float[] embeddings = new float[ids.Length * model.Config.HiddenSize];
        model.Embed(ids, embeddings);
        KvCache cache = model.CreateCache(ids.Length);
        float[] logits = new float[ids.Length * model.Config.VocabSize];
        Dictionary<string, float[]> hidden = [];
        model.Forward(cache, embeddings, logits, (stage, values) => hidden[stage] = values.ToArray());

        double error = fixture.AssertClose("logits", logits, Tolerance);
        TestContext.Current.TestOutputHelper?.WriteLine($"{name} logits: largest error {error:g3}");
        for (int i = 0; i <= model.Config.NumHiddenLayers; i++)
            fixture.AssertClose($"hidden.{i}", hidden[$"hidden.{i}"], Tolerance);
        int last = model.Config.NumHiddenLayers - 1;
        fixture.AssertClose("cache.0.k", HeadMajor(cache.Keys(0), model.Config, ids.Length), Tolerance);
        fixture.AssertClose("cache.0.v", HeadMajor(cache.Values(0), model.Config, ids.Length), Tolerance);
        fixture.AssertClose("cache.last.k", HeadMajor(cache.Keys(last), model.Config, ids.Length), Tolerance);
        fixture.AssertClose("cache.last.v", HeadMajor(cache.Values(last), model.Config, ids.Length), Tolerance);
        Closeness.Assert("loss", fixture.Outputs.ReadFloat32("loss"), [Loss(logits, fixture.Inputs.ReadInt64("labels"))], 1e-5);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void GreedyDecodingMatchesTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        Qwen2Model model = Load(fixture);
        int vocabulary = model.Config.VocabSize;
        long[] expectedTokens = fixture.Outputs.ReadInt64("decode.tokens");
        KvCache cache = model.CreateCache(64);
        float[] logits = new float[vocabulary];
        List<float> all = [];
        List<long> tokens = [];
        model.Forward(cache, Ids(fixture, "ids"), logits);
        all.AddRange(logits);
        while (tokens.Count < expectedTokens.Length)
        {
            tokens.Add(logits.Index().MaxBy(pair => pair.Item).Index);
            model.Forward(cache, [(int)tokens[^1]], logits);
            all.AddRange(logits);
        }

        Assert.Equal(expectedTokens, tokens);
        fixture.AssertClose("decode.logits", all.ToArray(), Tolerance);
        fixture.AssertClose("decode.full_recompute_logits", all.ToArray(), Tolerance);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void InputsGivenAsEmbeddingsMatchTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        Qwen2Model model = Load(fixture);
        float[] embeddings = fixture.Inputs.ReadFloat32("inputs_embeds");
        int count = embeddings.Length / model.Config.HiddenSize;
        float[] logits = new float[count * model.Config.VocabSize];
        model.Forward(model.CreateCache(count), embeddings, logits);
        fixture.AssertClose("inputs_embeds.logits", logits, Tolerance);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void RowsOfPaddedBatchesMatchTheReference(string name)
    {
        // The reference pads its batches; here every row is a session of its own, so only real positions are compared.
        using FixtureCase fixture = Fixtures.Open(name);
        Qwen2Model model = Load(fixture);
        int vocabulary = model.Config.VocabSize;
        foreach (string side in new[] { "right", "left" })
        {
            int length = fixture.ShapeOf($"{side}.logits")[1];
            int[] ids = Ids(fixture, $"{side}.ids");
            long[] mask = fixture.Inputs.ReadInt64($"{side}.attention_mask");
            float[] expected = fixture.Outputs.ReadFloat32($"{side}.logits");
            for (int row = 0; row < ids.Length / length; row++)
            {
                int[] real = [.. Enumerable.Range(row * length, length).Where(i => mask[i] == 1)];
                float[] logits = new float[real.Length * vocabulary];
                model.Forward(model.CreateCache(length), real.Select(i => ids[i]).ToArray(), logits);
                float[] expectedRow = [.. real.SelectMany(i => expected.Skip(i * vocabulary).Take(vocabulary))];
                Closeness.Assert($"{name}/{side}.logits row {row}", expectedRow, logits, Tolerance);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void CuttingThePromptChangesNoBit(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        Qwen2Model model = Load(fixture);
        int vocabulary = model.Config.VocabSize;
        int[] ids = Ids(fixture, "ids");
        float[] whole = new float[ids.Length * vocabulary];
        model.Forward(model.CreateCache(ids.Length), ids, whole);
        for (int cut = 1; cut < ids.Length; cut++)
        {
            KvCache cache = model.CreateCache(ids.Length);
            float[] parts = new float[whole.Length];
            model.Forward(cache, ids.AsSpan(0, cut), parts.AsSpan(0, cut * vocabulary));
            model.Forward(cache, ids.AsSpan(cut), parts.AsSpan(cut * vocabulary));
            Assert.Equal(whole, parts);
            if (ids.Length - cut == fixture.ShapeOf("chunked.logits_second_part")[1])
                fixture.AssertClose("chunked.logits_second_part", parts.AsSpan(cut * vocabulary), Tolerance);
        }
    }

    [Fact]
    public void LongPromptsThreadsAndLastRowOnlyChangeNoBit()
    {
        using FixtureCase fixture = Fixtures.Open("llm_qwen2_tied");
        Qwen2Model model = Load(fixture);
        int vocabulary = model.Config.VocabSize;
        int[] ids = [.. Enumerable.Range(0, 600).Select(i => i * 7919 % vocabulary)]; // three chunks
        float[] batch = new float[ids.Length * vocabulary], last = new float[vocabulary];
        model.Forward(model.CreateCache(600), ids, batch);
        model.Forward(model.CreateCache(600), ids, last);
        Assert.Equal(batch[^vocabulary..], last);

        KvCache cache = model.CreateCache(600);
        foreach (int id in ids)
            model.Forward(cache, [id], last);
        Assert.Equal(batch[^vocabulary..], last);

        int threads = WorkerTeam.Shared.ThreadCount;
        try
        {
            WorkerTeam.Shared.ThreadCount = threads == 1 ? 2 : 1;
            float[] other = new float[batch.Length];
            model.Forward(model.CreateCache(600), ids, other);
            Assert.Equal(batch, other);
        }
        finally
        {
            WorkerTeam.Shared.ThreadCount = threads;
        }
    }

    [Fact]
    public void GoingBackAndSharingWeightsChangeNoBit()
    {
        using FixtureCase fixture = Fixtures.Open("llm_qwen2_untied");
        Qwen2Model model = Load(fixture);
        float[] expected = new float[model.Config.VocabSize], actual = new float[model.Config.VocabSize];
        model.Forward(model.CreateCache(8), [1, 2, 3, 4, 5], expected);

        KvCache first = model.CreateCache(8), second = model.CreateCache(8);
        model.Forward(first, [1, 2, 3, 99, 98], actual);
        model.Forward(second, [7, 7, 7, 7], actual);
        first.Truncate(3);
        Assert.Equal(3, first.Length);
        model.Forward(first, [4, 5], actual);
        Assert.Equal(expected, actual);
        Assert.Throws<ArgumentOutOfRangeException>(() => first.Truncate(6));
    }

    [Fact]
    public void DecodingAllocatesNothingPerToken()
    {
        using FixtureCase fixture = Fixtures.Open("llm_qwen2_tied");
        Qwen2Model model = Load(fixture);
        KvCache cache = model.CreateCache(200);
        float[] logits = new float[model.Config.VocabSize];
        int[] token = [5];
        for (int i = 0; i < 50; i++)
            model.Forward(cache, token, logits);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            model.Forward(cache, token, logits);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void LimitsAreChecked()
    {
        using FixtureCase fixture = Fixtures.Open("llm_qwen2_tied");
        Qwen2Model model = Load(fixture);
        KvCache cache = model.CreateCache(4);
        Assert.Equal(KvCache.SizeFor(model.Config, 4), cache.SizeInBytes);
        Assert.Equal(2 * 4 * 2 * 24 * 4, cache.SizeInBytes); // keys and values, 4 positions, 2 layers, 24 floats
        EmovaException error = Assert.Throws<EmovaException>(() => model.Forward(cache, [1, 2, 3, 4, 5], []));
        Assert.Equal("the conversation needs 5 positions, the context has 4", error.Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => model.Forward(cache, [131], []));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.Forward(cache, [-200], []));
        Assert.Throws<ArgumentException>(() => model.Forward(cache, [1, 2], new float[7]));
        Assert.Equal(0, cache.Length);
    }

    [Theory]
    [InlineData("num_key_value_heads", "4", "must be a multiple of num_key_value_heads 4")]
    [InlineData("hidden_size", "46", "must be an even multiple of num_attention_heads 6")]
    [InlineData("vocab_size", "0", "config.json: vocab_size must be a whole number from 1")]
    [InlineData("use_sliding_window", "true", "use_sliding_window is not supported")]
    [InlineData("rope_scaling", "{}", "rope_scaling is not supported")]
    [InlineData("model_type", "\"llama\"", "must be one of qwen2")]
    public void ConfigurationErrorsNameTheKey(string key, string value, string message)
    {
        using FixtureCase fixture = Fixtures.Open("llm_qwen2_tied");
        Dictionary<string, JsonElement> values = fixture.Config.EnumerateObject().ToDictionary(p => p.Name, p => p.Value);
        values[key] = JsonDocument.Parse(value).RootElement;
        ConfigSection section = new("config.json", JsonSerializer.SerializeToElement(values));
        Assert.Contains(message, Assert.Throws<EmovaException>(() => Qwen2Config.Read(section)).Message);
    }

    private static Qwen2Model Load(FixtureCase fixture)
    {
        WeightLoader weights = new([fixture.Weights]);
        Qwen2Model model = Qwen2Model.Load(Qwen2Config.Read(new ConfigSection("config.json", fixture.Config)), weights);
        weights.Finish();
        return model;
    }

    private static int[] Ids(FixtureCase fixture, string name) => [.. fixture.Inputs.ReadInt64(name).Select(id => (int)id)];

    /// <summary>(T, heads * headDim) -> (heads, T, headDim), the reference's layout.</summary>
    private static float[] HeadMajor(Span<float> cache, Qwen2Config config, int count)
    {
        float[] result = new float[count * config.KeyValueDim];
        for (int t = 0; t < count; t++)
        {
            for (int h = 0; h < config.NumKeyValueHeads; h++)
                cache.Slice(t * config.KeyValueDim + h * config.HeadDim, config.HeadDim).CopyTo(result.AsSpan((h * count + t) * config.HeadDim));
        }

        return result;
    }

    /// <summary>Mean cross entropy of each position's scores against the next label; labels below 0 are not scored.</summary>
    private static float Loss(float[] logits, long[] labels)
    {
        int vocabulary = logits.Length / labels.Length;
        double sum = 0;
        int count = 0;
        for (int t = 0; t + 1 < labels.Length; t++)
        {
            if (labels[t + 1] < 0)
                continue;
            double[] row = [.. logits.Skip(t * vocabulary).Take(vocabulary).Select(x => (double)x)];
            sum += Math.Log(row.Sum(Math.Exp)) - row[labels[t + 1]];
            count++;
        }

        return (float)(sum / count);
    }
}

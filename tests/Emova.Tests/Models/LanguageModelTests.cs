using System.Text.Json;
using Emova.Checkpoints;
using Emova.Models.Language;
using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Models;

/// <summary>Language models against the reference; cases of any decoder, batch size and length. The stages are compared in the
/// order they are computed, so that a failure names the first that differs.</summary>
[Trait("Category", "Golden")]
public class LanguageModelTests
{
    private const double Tolerance = 5e-5;

    public static TheoryData<string> Cases => Fixtures.Cases("llm");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void EveryStageMatchesTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        LanguageModel model = Load(fixture);
        HashSet<string> compared = [];
        void Check(string output, ReadOnlySpan<float> actual)
        {
            if (!fixture.Outputs.Tensors.ContainsKey(output))
                return;
            fixture.AssertClose(output, actual, Tolerance);
            compared.Add(output);
        }

        Check("rope.inv_freq", model.InverseFrequencies);
        Check("rope.attention_scaling", [model.Config.RopeScaling?.RotaryScale ?? 1]);
        Stages stages = Run(model, Rows(fixture, "ids"));
        Check("hidden.0", stages["hidden.0"]);
        for (int i = 0; i < model.Config.NumHiddenLayers; i++)
        {
            if (model.Config is DenseDecoderConfig dense)
            {
                string cache = i == 0 ? "0" : i == model.Config.NumHiddenLayers - 1 ? "last" : $"{i}";
                Check($"cache.{cache}.k", stages[$"cache.{i}.k"]);
                Check($"cache.{cache}.v", stages[$"cache.{i}.v"]);
                Check($"attn.{i}", Attention(stages[$"layer{i}.qkv"], dense, Rows(fixture, "ids")[0].Length));
                if (dense.NumHiddenLayers == 1)
                    Check("cache.last.k", stages["cache.0.k"]);
                if (dense.NumHiddenLayers == 1)
                    Check("cache.last.v", stages["cache.0.v"]);
            }

            Check($"act.layer{i}.attn", stages[$"layer{i}.attn"]);
            if (fixture.Outputs.Tensors.ContainsKey($"act.layer{i}.topk_idx"))
            {
                (long[] experts, float[] weights) = ByExpert(fixture.Outputs.ReadInt64($"act.layer{i}.topk_idx"), fixture.Outputs.ReadFloat32($"act.layer{i}.topk_weight"), fixture);
                (long[] chosen, float[] chosenWeights) = ByExpert([.. stages[$"layer{i}.topk_idx"].Select(e => (long)e)], stages[$"layer{i}.topk_weight"], fixture);
                Assert.Equal(experts, chosen);
                fixture.AssertClose($"act.layer{i}.topk_weight", weights, chosenWeights, Tolerance);
                compared.UnionWith([$"act.layer{i}.topk_idx", $"act.layer{i}.topk_weight"]);
            }

            Check($"act.layer{i}.mlp", stages[$"layer{i}.mlp"]);
            Check($"hidden.{i + 1}", stages[$"hidden.{i + 1}"]);
        }

        Check("logits", stages["logits"]);
        if (fixture.Outputs.Tensors.ContainsKey("loss"))
        {
            float loss = Loss(stages["logits"], Rows(fixture, "labels"));
            if (float.IsNaN(loss) && float.IsNaN(fixture.Outputs.ReadFloat32("loss")[0]))
                compared.Add("loss"); // the mean over no label at all
            else
                Check("loss", [loss]);
        }

        if (fixture.Inputs.Tensors.ContainsKey("inputs_embeds"))
            Check("inputs_embeds.logits", EmbeddingLogits(model, fixture));
        if (fixture.Inputs.Tensors.ContainsKey("offset.position_ids"))
            Check("offset.logits", Run(model, Rows(fixture, "ids"), Rows(fixture, "offset.position_ids")[0][0])["logits"]);
        foreach (string side in new[] { "right", "left" })
        {
            if (fixture.Inputs.Tensors.ContainsKey($"{side}.ids"))
                ComparePadded(fixture, model, side, compared);
        }

        if (fixture.Outputs.Tensors.TryGetValue("chunked.logits_second_part", out TensorInfo? second))
        {
            Check("chunked.logits_second_part", SecondParts(model, Rows(fixture, "ids"), (int)second.Shape[1]));
        }

        Decode(fixture, model, (output, actual) => Check(output, actual), compared);
        Assert.Equal(fixture.Outputs.Tensors.Keys.Order(StringComparer.Ordinal), compared.Order(StringComparer.Ordinal));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void CuttingThePromptChangesNoBit(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        LanguageModel model = Load(fixture);
        int vocabulary = model.Config.VocabSize;
        int[] ids = Rows(fixture, "ids")[0];
        float[] whole = new float[ids.Length * vocabulary];
        model.Forward(model.CreateCache(ids.Length), ids, whole);
        for (int cut = 1; cut < ids.Length; cut++)
        {
            KvCache cache = model.CreateCache(ids.Length);
            float[] parts = new float[whole.Length];
            model.Forward(cache, ids.AsSpan(0, cut), parts.AsSpan(0, cut * vocabulary));
            model.Forward(cache, ids.AsSpan(cut), parts.AsSpan(cut * vocabulary));
            Assert.Equal(whole, parts);
        }
    }

    [Fact]
    public void LongPromptsThreadsAndLastRowOnlyChangeNoBit()
    {
        using FixtureCase fixture = Fixtures.Open("llm_qwen2_tied");
        LanguageModel model = Load(fixture);
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
        LanguageModel model = Load(fixture);
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
        LanguageModel model = Load(fixture);
        KvCache cache = model.CreateCache(200);
        float[] logits = new float[model.Config.VocabSize];
        int[] token = [5];
        // The runtime allocates once here and there, when it compiles a method anew: what a token allocates, every round would.
        long allocated = long.MaxValue;
        for (int round = 0; round < 6 && allocated > 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 30; i++)
                model.Forward(cache, token, logits);
            allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, allocated);
    }

    [Fact]
    public void LimitsAreChecked()
    {
        using FixtureCase fixture = Fixtures.Open("llm_qwen2_tied");
        LanguageModel model = Load(fixture);
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
    [InlineData("llm_qwen2_tied", "num_key_value_heads", "4", "must be a multiple of num_key_value_heads 4")]
    [InlineData("llm_qwen2_tied", "hidden_size", "46", "must be an even multiple of num_attention_heads 6")]
    [InlineData("llm_qwen2_tied", "vocab_size", "0", "config.json: vocab_size must be a whole number from 1")]
    [InlineData("llm_qwen2_tied", "use_sliding_window", "true", "use_sliding_window is not supported")]
    [InlineData("llm_qwen2_tied", "rope_scaling", "{\"type\": \"yarn\"}", "rope_scaling.type must be one of default, linear, llama3")]
    [InlineData("llm_qwen2_tied", "model_type", "\"mpt\"", "must be one of qwen2, emova_qwen2, llama")]
    [InlineData("llm_llama31", "head_dim", "3", "head_dim 3 must be even")]
    [InlineData("llm_llama31", "rope_scaling", "{\"rope_type\": \"llama3\", \"factor\": 0}", "rope_scaling.factor must be a number from 1")]
    [InlineData("llm_llama31", "rope_scaling", "{\"rope_type\": \"llama3\", \"factor\": 8, \"high_freq_factor\": 1}", "high_freq_factor 1 must be above low_freq_factor 1")]
    [InlineData("llm_deepseek_v2", "num_experts_per_tok", "9", "num_experts_per_tok 9 must be 1 to n_routed_experts 8")]
    [InlineData("llm_deepseek_v2", "qk_rope_head_dim", "7", "qk_rope_head_dim 7 must be even")]
    [InlineData("llm_deepseek_v2", "topk_method", "\"random\"", "topk_method must be one of greedy, group_limited_greedy, noaux_tc")]
    public void ConfigurationErrorsNameTheKey(string name, string key, string value, string message)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        Assert.Contains(message, Assert.Throws<EmovaException>(() => LanguageConfig.Read(With(fixture, (key, value)))).Message);
    }

    [Fact]
    public void AbsentKeysHaveTheDefaultsOfTheModelsKind()
    {
        LanguageConfig qwen = LanguageConfig.Read(new ConfigSection("config.json", JsonDocument.Parse("{}").RootElement));
        Assert.Equal((151936, 4096, 22016, 32, 128), (qwen.VocabSize, qwen.HiddenSize, qwen.IntermediateSize, qwen.NumHiddenLayers, qwen.RotaryDim));
        DenseDecoderConfig llama = Assert.IsType<DenseDecoderConfig>(LanguageConfig.Read(new ConfigSection("config.json", JsonDocument.Parse("""{"model_type": "llama"}""").RootElement)));
        Assert.Equal((32000, 11008, 32, false), (llama.VocabSize, llama.IntermediateSize, llama.NumKeyValueHeads, llama.QkvBias));
    }

    /// <summary>Routing rules no recorded case uses, against the rule written out for a row of eight experts.</summary>
    [Theory]
    [InlineData("greedy", "softmax", false, new[] { 6, 1, 5 })]
    [InlineData("greedy", "sigmoid", true, new[] { 6, 1, 5 })]
    [InlineData("group_limited_greedy", "softmax", true, new[] { 6, 1, 7 })] // groups {6, 7} and {0, 1} hold the best experts
    [InlineData("noaux_tc", "sigmoid", true, new[] { 4, 1, 5 })] // the bias lifts expert 4 and drops 7, and with it the group {6, 7}
    public void RoutingChoosesByItsRule(string method, string scoring, bool normalized, int[] expected)
    {
        float[] router = [0.1f, 1.5f, -0.3f, 0.2f, 0.4f, 1.4f, 2f, 0.6f], bias = [0, 0, 0, 0, 0.3f, 0, 0, -0.8f];
        using FixtureCase fixture = Fixtures.Open("llm_deepseek_v2");
        DeepSeekV2Config config = (DeepSeekV2Config)LanguageConfig.Read(With(
            fixture, ("topk_method", $"\"{method}\""), ("scoring_func", $"\"{scoring}\""), ("norm_topk_prob", normalized ? "true" : "false"),
            ("n_group", "4"), ("topk_group", "2"), ("routed_scaling_factor", "2.5")));
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder["router"], [TensorData.F32("gate.e_score_correction_bias", [8], bias)]);
        using SafetensorsFile file = SafetensorsFile.Open(folder["router"]);
        MixtureOfExperts experts = new(config, new WeightLoader([file]), 1);
        int[] chosen = new int[3];
        float[] weights = new float[3];
        experts.Route([.. router], chosen, weights);
        Assert.Equal(expected, chosen);

        double[] scores = [.. router.Select(x => scoring == "softmax" ? Math.Exp(x) / router.Sum(y => Math.Exp(y)) : 1 / (1 + Math.Exp(-x)))];
        double total = normalized ? expected.Sum(e => scores[e]) : 1;
        Closeness.Assert("weights", [.. expected.Select(e => (float)(scores[e] / total * 2.5))], weights, 1e-6);
    }

    /// <summary>DeepSeek-VL2-tiny's decoder attends as LLaMA does: the same weights in both, without experts, give the same scores.</summary>
    [Fact]
    public void DeepSeekWithoutCompressionAttendsLikeLlama()
    {
        using FixtureCase fixture = Fixtures.Open("llm_deepseek_v2");
        (string, string)[] plain = [("n_routed_experts", "null"), ("use_mla", "false"), ("kv_lora_rank", "null"), ("num_key_value_heads", "2")];
        LanguageConfig deepSeek = LanguageConfig.Read(With(fixture, [.. plain, ("model_type", "\"deepseek_v2\"")]));
        LanguageConfig llama = LanguageConfig.Read(With(fixture, [.. plain, ("model_type", "\"llama\"")]));
        WeightLoader wanted = new([]);
        LanguageModel.Load(llama, wanted);
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder["w"], wanted.Missing.Select(tensor => RandomModelFolder.RandomTensor(tensor, new Random(tensor.Length))));
        using SafetensorsFile file = SafetensorsFile.Open(folder["w"]);

        int[] ids = Rows(fixture, "ids")[0];
        float[] expected = new float[llama.VocabSize], actual = new float[llama.VocabSize];
        foreach ((LanguageConfig config, float[] logits) in new[] { (llama, expected), (deepSeek, actual) })
        {
            WeightLoader weights = new([file]);
            LanguageModel model = LanguageModel.Load(config, weights);
            weights.Finish();
            model.Forward(model.CreateCache(ids.Length), ids, logits);
        }

        Assert.Equal(expected, actual);
        Assert.True(expected.Max() > 0.1);
    }

    private static ConfigSection With(FixtureCase fixture, params (string Key, string Value)[] changes)
    {
        Dictionary<string, JsonElement> values = fixture.Config.EnumerateObject().ToDictionary(p => p.Name, p => p.Value);
        foreach ((string key, string value) in changes)
            values[key] = JsonDocument.Parse(value).RootElement;
        return new ConfigSection("config.json", JsonSerializer.SerializeToElement(values));
    }

    private static LanguageModel Load(FixtureCase fixture)
    {
        WeightLoader weights = new([fixture.Weights]);
        LanguageModel model = LanguageModel.Load(LanguageConfig.Read(With(fixture)), weights);
        weights.Finish();
        return model;
    }

    private static int[][] Rows(FixtureCase fixture, string name) =>
        [.. fixture.Inputs.ReadInt64(name).Select(id => (int)id).Chunk((int)fixture.Inputs.Tensors[name].Shape[^1])];

    /// <summary>Results by name, the rows of a batch one after the other.</summary>
    private sealed class Stages
    {
        private readonly Dictionary<string, List<float>> values = [];

        public float[] this[string name] => [.. values[name]];

        public void Add(string name, ReadOnlySpan<float> row)
        {
            if (!values.TryGetValue(name, out List<float>? list))
                values[name] = list = [];
            list.AddRange(row);
        }
    }

    private static Stages Run(LanguageModel model, int[][] batch, int firstPosition = 0)
    {
        Stages stages = new();
        foreach (int[] ids in batch)
        {
            float[] embeddings = new float[ids.Length * model.Config.HiddenSize], logits = new float[ids.Length * model.Config.VocabSize];
            model.Embed(ids, embeddings);
            KvCache cache = model.CreateCache(ids.Length, firstPosition);
            model.Forward(cache, embeddings, logits, (stage, values) => stages.Add(stage, values));
            stages.Add("logits", logits);
            for (int i = 0; i < model.Config.NumHiddenLayers && model.Config is DenseDecoderConfig; i++)
            {
                stages.Add($"cache.{i}.k", HeadMajor(cache.Keys(i), (DenseDecoderConfig)model.Config, ids.Length));
                stages.Add($"cache.{i}.v", HeadMajor(cache.Values(i), (DenseDecoderConfig)model.Config, ids.Length));
            }
        }

        return stages;
    }

    private static float[] EmbeddingLogits(LanguageModel model, FixtureCase fixture)
    {
        int count = (int)fixture.Inputs.Tensors["inputs_embeds"].Shape[1];
        List<float> all = [];
        foreach (float[] embeddings in fixture.Inputs.ReadFloat32("inputs_embeds").Chunk(count * model.Config.HiddenSize))
        {
            float[] logits = new float[count * model.Config.VocabSize];
            model.Forward(model.CreateCache(count), embeddings, logits);
            all.AddRange(logits);
        }

        return [.. all];
    }

    /// <summary>The reference pads its batches; here every row is a session of its own, so only real positions are compared.</summary>
    private static void ComparePadded(FixtureCase fixture, LanguageModel model, string side, HashSet<string> compared)
    {
        int vocabulary = model.Config.VocabSize, length = fixture.ShapeOf($"{side}.logits")[1];
        int[] ids = [.. Rows(fixture, $"{side}.ids").SelectMany(row => row)];
        long[] mask = fixture.Inputs.ReadInt64($"{side}.attention_mask");
        float[] reference = fixture.Outputs.ReadFloat32($"{side}.logits");
        List<float> expected = [], actual = [];
        for (int row = 0; row < ids.Length / length; row++)
        {
            int[] real = [.. Enumerable.Range(row * length, length).Where(i => mask[i] == 1)];
            if (real.Length == 0)
                continue;
            float[] logits = new float[real.Length * vocabulary];
            model.Forward(model.CreateCache(length), real.Select(i => ids[i]).ToArray(), logits);
            actual.AddRange(logits);
            expected.AddRange(real.SelectMany(i => reference.Skip(i * vocabulary).Take(vocabulary)));
        }

        fixture.AssertClose($"{side}.logits", expected.ToArray(), actual.ToArray(), Tolerance);
        compared.Add($"{side}.logits");
    }

    private static float[] SecondParts(LanguageModel model, int[][] batch, int count)
    {
        List<float> all = [];
        foreach (int[] ids in batch)
        {
            KvCache cache = model.CreateCache(ids.Length);
            float[] logits = new float[count * model.Config.VocabSize];
            if (ids.Length > count)
                model.Forward(cache, ids.AsSpan(..^count), []);
            model.Forward(cache, ids.AsSpan(ids.Length - count), logits);
            all.AddRange(logits);
        }

        return [.. all];
    }

    /// <summary>Greedy decoding with the cache, compared with the reference's tokens, scores, recomputation and generate().</summary>
    private static void Decode(FixtureCase fixture, LanguageModel model, Action<string, float[]> check, HashSet<string> compared)
    {
        if (!fixture.Outputs.Tensors.TryGetValue("decode.tokens", out TensorInfo? info))
            return;
        int count = (int)info.Shape[^1];
        List<float> all = [];
        List<long> tokens = [];
        foreach (int[] ids in Rows(fixture, "ids"))
        {
            KvCache cache = model.CreateCache(ids.Length + count);
            float[] logits = new float[model.Config.VocabSize];
            model.Forward(cache, ids, logits);
            all.AddRange(logits);
            for (int i = 0; i < count; i++)
            {
                tokens.Add(logits.Index().MaxBy(pair => pair.Item).Index);
                model.Forward(cache, [(int)tokens[^1]], logits);
                all.AddRange(logits);
            }
        }

        check("decode.logits", [.. all]);
        check("decode.full_recompute_logits", [.. all]);
        foreach (string output in new[] { "decode.tokens", "generate.tokens" })
        {
            if (!fixture.Outputs.Tensors.ContainsKey(output))
                continue;
            Assert.Equal(fixture.Outputs.ReadInt64(output), tokens);
            compared.Add(output);
        }
    }

    /// <summary>Experts of each row in ascending order: their order within a row has no meaning.</summary>
    private static (long[] Experts, float[] Weights) ByExpert(long[] experts, float[] weights, FixtureCase fixture)
    {
        int perRow = fixture.Config.GetProperty("num_experts_per_tok").GetInt32();
        (long, float)[] sorted = [.. experts.Zip(weights).Chunk(perRow).SelectMany(row => row.OrderBy(pair => pair.First))];
        return ([.. sorted.Select(pair => pair.Item1)], [.. sorted.Select(pair => pair.Item2)]);
    }

    /// <summary>Attention probabilities (B, heads, T, T) from rotated queries and keys (B * T, [q | k | v]).</summary>
    private static float[] Attention(float[] qkv, DenseDecoderConfig config, int count)
    {
        int stride = config.QueryDim + 2 * config.KeyDim, dim = config.HeadDim;
        List<float> all = [];
        for (int start = 0; start < qkv.Length; start += count * stride)
        {
            for (int h = 0; h < config.NumAttentionHeads; h++)
            {
                int keyAt = config.QueryDim + h / (config.NumAttentionHeads / config.NumKeyValueHeads) * dim;
                for (int t = 0; t < count; t++)
                {
                    double[] scores = [.. Enumerable.Range(0, t + 1).Select(s => Enumerable.Range(0, dim).Sum(
                        d => (double)qkv[start + t * stride + h * dim + d] * qkv[start + s * stride + keyAt + d]) / Math.Sqrt(dim))];
                    double sum = scores.Sum(score => Math.Exp(score - scores.Max()));
                    all.AddRange(Enumerable.Range(0, count).Select(s => s > t ? 0 : (float)(Math.Exp(scores[s] - scores.Max()) / sum)));
                }
            }
        }

        return [.. all];
    }

    /// <summary>(T, heads * headDim) -> (heads, T, headDim), the reference's layout.</summary>
    private static float[] HeadMajor(Span<float> cache, DenseDecoderConfig config, int count)
    {
        float[] result = new float[count * config.KeyDim];
        for (int t = 0; t < count; t++)
        {
            for (int h = 0; h < config.NumKeyValueHeads; h++)
                cache.Slice(t * config.KeyDim + h * config.HeadDim, config.HeadDim).CopyTo(result.AsSpan((h * count + t) * config.HeadDim));
        }

        return result;
    }

    /// <summary>Mean cross entropy of each position's scores against the next label; labels below 0 are not scored.</summary>
    internal static float Loss(float[] logits, int[][] labels)
    {
        int vocabulary = logits.Length / labels.Sum(row => row.Length), start = 0, count = 0;
        double sum = 0;
        foreach (int[] row in labels)
        {
            for (int t = 0; t + 1 < row.Length; t++)
            {
                if (row[t + 1] < 0)
                    continue;
                double[] scores = [.. logits.Skip((start + t) * vocabulary).Take(vocabulary).Select(x => (double)x)];
                sum += Math.Log(scores.Sum(Math.Exp)) - scores[row[t + 1]];
                count++;
            }

            start += row.Length;
        }

        return (float)(sum / count);
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Models;
using Emova.Models.Language;
using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Models;

public sealed class ModelQuantizerTests : IDisposable
{
    private const int Vocabulary = 100, Hidden = 64, Intermediate = 96, KeyValue = 32;

    private readonly TemporaryFolder temporary = new();

    public void Dispose() => temporary.Dispose();

    [Theory]
    [InlineData("Int4", "Int8", 0.2)]
    [InlineData("Int8", "BFloat16", 0.03)]
    public void AQuantizedFolderLoadsAndAnswersAlmostTheSame(string format, string embeddings, double tolerance)
    {
        using ModelFolder source = ModelFolder.Open(Source(DType.BF16));
        QuantizationOptions options = new() { Format = Enum.Parse<WeightFormat>(format), Embeddings = Enum.Parse<WeightFormat>(embeddings) };
        IReadOnlyList<QuantizedTensor> report = ModelQuantizer.Write(source, temporary["out"], options);
        using ModelFolder target = ModelFolder.Open(temporary["out"]);

        float[] expected = Logits(source), actual = Logits(target);
        double difference = Math.Sqrt(expected.Zip(actual, (a, b) => (double)(a - b) * (a - b)).Sum() / expected.Sum(a => (double)a * a));
        Assert.InRange(difference, 1e-6, tolerance);

        ModelInspection before = ModelInspector.Inspect(source), after = ModelInspector.Inspect(target);
        Assert.Equal(before.Parameters, after.Parameters);
        Assert.True(after.Plan.WeightBytes < before.Plan.WeightBytes);
        Assert.Equal(report.Sum(tensor => tensor.BytesAfter), after.Parts.Sum(part => part.FileBytes));
        Assert.Equal(PackedTensor.NameOf(options.Format), report.Single(tensor => tensor.Name == "model.layers.0.mlp.down_proj.weight").To);
        Assert.Equal("BF16", report.Single(tensor => tensor.Name == "model.norm.weight").To);
        Assert.All(report, tensor => Assert.Equal(tensor.IsQuantized, tensor.Error.Relative > 0));
        Assert.Equal("emova", target.Config.Section("quantization_config").Text("quant_method"));
        Assert.True(File.Exists(Path.Combine(temporary["out"], "tokenizer.json")));
        Assert.Empty(Directory.EnumerateFiles(temporary["out"], "*.tmp"));
    }

    [Fact]
    public void StoredRowsAreTheRoundedOnes()
    {
        using ModelFolder source = ModelFolder.Open(Source(DType.F32));
        ModelQuantizer.Write(source, temporary["out"], new QuantizationOptions());
        using ModelFolder target = ModelFolder.Open(temporary["out"]);
        WeightLoader weights = new(target.OpenWeights());
        const string name = "model.layers.0.mlp.gate_proj.weight";
        float[] exact = source.OpenWeights()[0].ReadFloat32(name), stored = weights.Get(name, Intermediate, Hidden), row = new float[Hidden];
        LinearWeight expected = LinearWeight.Pack(exact, Intermediate, Hidden, default, WeightFormat.Int4);
        LinearWeight fused = weights.Push("model").Push("layers").Push(0).Push("mlp").GetFusedLinear(Hidden, false, ("gate_proj", Intermediate), ("up_proj", Intermediate));
        Assert.Equal(WeightFormat.Int4, fused.Format);
        for (int n = 0; n < Intermediate; n++)
        {
            expected.CopyRow(n, row);
            Assert.Equal(row, stored[(n * Hidden)..((n + 1) * Hidden)]);
            fused.CopyRow(n, row);
            Assert.Equal(row, stored[(n * Hidden)..((n + 1) * Hidden)]);
        }
    }

    [Fact]
    public void LayersStoredInDifferentTypesAreJoinedAsFloats()
    {
        using ModelFolder source = ModelFolder.Open(Source(DType.F32));
        ModelQuantizer.Write(source, temporary["out"], new QuantizationOptions());
        using ModelFolder target = ModelFolder.Open(temporary["out"]);
        WeightLoader layer = new WeightLoader(target.OpenWeights()).Push("model").Push("layers").Push(0);
        LinearWeight mixed = layer.GetFusedLinear(Hidden, false, ("mlp.gate_proj", Intermediate), ("odd", 3));
        Assert.Equal(WeightFormat.Float32, mixed.Format);
        float[] gate = layer.Get("mlp.gate_proj.weight", Intermediate, Hidden), odd = layer.Get("odd.weight", 3, Hidden), row = new float[Hidden];
        mixed.CopyRow(5, row);
        Assert.Equal(gate[(5 * Hidden)..(6 * Hidden)], row);
        mixed.CopyRow(Intermediate + 2, row);
        Assert.Equal(odd[(2 * Hidden)..], row);
    }

    [Fact]
    public void WhatCannotBeDoneIsSaidAndLeavesNothing()
    {
        using ModelFolder source = ModelFolder.Open(Source(DType.F32));
        Directory.CreateDirectory(temporary["full"]);
        File.WriteAllText(Path.Combine(temporary["full"], "x"), "");
        Assert.Contains("not empty", Assert.Throws<EmovaException>(() => ModelQuantizer.Write(source, temporary["full"], new QuantizationOptions())).Message);
        ModelQuantizer.Write(source, temporary["once"], new QuantizationOptions());
        using ModelFolder once = ModelFolder.Open(temporary["once"]);
        Assert.Contains("already quantized", Assert.Throws<EmovaException>(() => ModelQuantizer.Write(once, temporary["twice"], new QuantizationOptions())).Message);
        using CancellationTokenSource stopped = new();
        stopped.Cancel();
        Assert.Throws<OperationCanceledException>(() => ModelQuantizer.Write(source, temporary["stopped"], new QuantizationOptions(), null, stopped.Token));
        Assert.Equal(["full", "once", "source"], Directory.EnumerateFileSystemEntries(temporary.Folder).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void APackedTensorOfAnotherSizeIsReported()
    {
        using ModelFolder source = ModelFolder.Open(Source(DType.F32));
        ModelQuantizer.Write(source, temporary["out"], new QuantizationOptions());
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(temporary["out"], "config.json")))!.AsObject();
        config["text_config"]!["intermediate_size"] = 112;
        File.WriteAllText(Path.Combine(temporary["out"], "config.json"), config.ToJsonString());
        using ModelFolder target = ModelFolder.Open(temporary["out"]);
        Assert.Contains("model.layers.0.mlp.gate_proj.weight is [6, 1, 576], expected [112, 64]", Assert.Throws<EmovaException>(() => EmovaModel.Load(target)).Message);
    }

    [Fact]
    public void TheExactPlanOfARandomModelIsWhatItAllocates()
    {
        using ModelFolder source = ModelFolder.Open(Source(DType.F32));
        QuantizationOptions options = new();
        MemoryPlan plan = ModelInspector.Plan(source.Config, options, 128, 0);
        RandomWeights random = new(1, (name, shape) => ModelInspector.FormatOf(name, shape, options));
        EmovaModel model = EmovaModel.CreateRandom(source.Config, random);
        // Besides matrices: three norms and the biases of query, key and value, which the matrix holds a second time.
        Assert.Equal(random.MatrixBytes + (3 * Hidden + Hidden + 2 * KeyValue) * sizeof(float), plan.WeightBytes);
        float[] logits = new float[Vocabulary];
        model.Language.Forward(model.Language.CreateCache(8), [1, 2, 3], logits);
        Assert.All(logits, logit => Assert.True(float.IsFinite(logit)));
        Assert.InRange(logits.Max() - logits.Min(), 0.1, 100);
    }

    private static float[] Logits(ModelFolder folder)
    {
        LanguageModel model = EmovaModel.Load(folder).Language;
        int[] tokens = [3, 14, 15, 92, 65];
        float[] logits = new float[tokens.Length * Vocabulary];
        model.Forward(model.CreateCache(16), tokens, logits);
        return logits;
    }

    /// <summary>One layer, a tied head, and a matrix no layer has, which inspection and quantization meet but loading ignores.</summary>
    private string Source(DType type)
    {
        string folder = temporary["source"];
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), "{}");
        File.WriteAllText(Path.Combine(folder, "config.json"), JsonSerializer.Serialize(new
        {
            text_config = new
            {
                model_type = "qwen2", vocab_size = Vocabulary, hidden_size = Hidden, intermediate_size = Intermediate, num_hidden_layers = 1,
                num_attention_heads = 4, num_key_value_heads = 2, max_position_embeddings = 128, hidden_act = "silu", tie_word_embeddings = true,
            },
        }));
        Random random = new(1);
        const string layer = "model.layers.0.";
        List<TensorData> tensors =
        [
            Tensor("model.embed_tokens.weight", Vocabulary, Hidden), Tensor("model.norm.weight", Hidden),
            Tensor(layer + "input_layernorm.weight", Hidden), Tensor(layer + "post_attention_layernorm.weight", Hidden),
            Tensor(layer + "self_attn.q_proj.weight", Hidden, Hidden), Tensor(layer + "self_attn.q_proj.bias", Hidden),
            Tensor(layer + "self_attn.k_proj.weight", KeyValue, Hidden), Tensor(layer + "self_attn.k_proj.bias", KeyValue),
            Tensor(layer + "self_attn.v_proj.weight", KeyValue, Hidden), Tensor(layer + "self_attn.v_proj.bias", KeyValue),
            Tensor(layer + "self_attn.o_proj.weight", Hidden, Hidden), Tensor(layer + "mlp.gate_proj.weight", Intermediate, Hidden),
            Tensor(layer + "mlp.up_proj.weight", Intermediate, Hidden), Tensor(layer + "mlp.down_proj.weight", Hidden, Intermediate),
        ];
        if (type == DType.F32)
            tensors.Add(Tensor(layer + "odd.weight", 3, Hidden));
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors);
        return folder;

        TensorData Tensor(string name, params long[] shape)
        {
            long count = shape.Aggregate(1L, (product, size) => product * size);
            float[] values = [.. Enumerable.Range(0, (int)count).Select(_ => (shape.Length == 1 && !name.EndsWith("bias", StringComparison.Ordinal) ? 1 : 0) + 0.3f * (random.NextSingle() - 0.5f))];
            return type == DType.BF16 ? TensorData.BF16(name, shape, values) : TensorData.F32(name, shape, values);
        }
    }
}

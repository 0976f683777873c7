using System.Text.Json;
using Emova.Checkpoints;
using Emova.Models;
using Xunit;

namespace Emova.Tests.Models;

/// <summary>
/// The names and shapes of the published models, listed from their configurations without allocating them, against the lists the
/// reference wrote down (release_shapes) and the names of its layers. The configurations are what the published folders hold: the
/// origin format names the tower's repository only, so its dimensions are the defaults.
/// </summary>
[Trait("Category", "Golden")]
public class FullSizeTests
{
    private const string Origin = """
        {"model_type": "emova_qwen2", "vocab_size": 155776, "hidden_size": $D, "intermediate_size": $I, "num_hidden_layers": $L,
        "num_attention_heads": $H, "num_key_value_heads": $K, "rope_theta": 1000000.0, "rms_norm_eps": 1e-06, "max_position_embeddings": 32768,
        "hidden_act": "silu", "tie_word_embeddings": $T, "use_sliding_window": false, "tokenizer_padding_side": "left", "tokenizer_model_max_length": 8192,
        "mm_vision_tower": {"type": "Qwen2VisionTower", "pretrained_model_name_or_path": "Emova-ollm/qwen2vit600m", "max_pixels": 3211264, "unfreeze_mm_vision_tower": true},
        "mm_projector": {"type": "MLPProjector", "mlp_depth": 2, "trainable": true}, "mm_patch_merge_type": "flat", "image_aspect_ratio": "native_anyres"}
        """;

    private const string HuggingFace = """
        {"architectures": ["EMOVAForConditionalGeneration"], "model_type": "emova", "image_token_index": 155761, "tie_word_embeddings": $T,
        "text_config": {"model_type": "qwen2", "vocab_size": 155776, "hidden_size": $D, "intermediate_size": $I, "num_hidden_layers": $L,
        "num_attention_heads": $H, "num_key_value_heads": $K, "rope_theta": 1000000.0, "max_window_layers": 70, "sliding_window": null},
        "vision_config": {"max_pixels": 3211264, "model_type": "qwen2_vl", "pretrained_model_name_or_path": "Emova-ollm/qwen2vit600m", "trainable": true, "type": "Qwen2VisionTower"},
        "mm_projector_config": {"mlp_depth": 2, "trainable": true, "type": "MLPProjector"}, "torch_dtype": "bfloat16"}
        """;

    private static readonly (string Name, int Hidden, int Intermediate, int Layers, int Heads, int KeyValueHeads, bool IsTied)[] Models =
    [
        ("EMOVA-3B", 2048, 11008, 36, 16, 2, true),
        ("EMOVA-7B", 3584, 18944, 28, 28, 4, false),
        ("EMOVA-72B", 8192, 29568, 80, 64, 8, false),
    ];

    public static TheoryData<string> Cases => Fixtures.Cases("release_shapes");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void EveryNameAndShapeIsThatOfTheReference(string shapes)
    {
        foreach ((string name, int hidden, int intermediate, int layers, int heads, int keyValueHeads, bool isTied) in Models)
            Check(shapes, name, hidden, intermediate, layers, heads, keyValueHeads, isTied);
    }

    private static void Check(string shapes, string name, int hidden, int intermediate, int layers, int heads, int keyValueHeads, bool tied)
    {
        Dictionary<string, string> expected = ExpectedLanguage(hidden, intermediate, layers, keyValueHeads * 128, tied);
        using JsonDocument tower = JsonDocument.Parse(File.ReadAllText(Fixtures.File(shapes, "qwen2vit_default_state_dict.json")));
        foreach (JsonProperty entry in tower.RootElement.EnumerateObject())
            expected["model.vision_tower.vision_tower." + entry.Name] = $"[{string.Join(", ", entry.Value[1].EnumerateArray())}]";
        expected["model.mm_projector.0.weight"] = $"[{hidden}, 3584]";
        expected["model.mm_projector.2.weight"] = $"[{hidden}, {hidden}]";
        expected["model.mm_projector.0.bias"] = expected["model.mm_projector.2.bias"] = $"[{hidden}]";
        Assert.Equal(391 + 4 + 2 + (tied ? 0 : 1) + 12 * layers, expected.Count);

        foreach (string template in new[] { Origin, HuggingFace })
        {
            using TemporaryFolder folder = new();
            File.WriteAllText(folder["config.json"], template.Replace("$D", $"{hidden}").Replace("$I", $"{intermediate}").Replace("$L", $"{layers}")
                .Replace("$H", $"{heads}").Replace("$K", $"{keyValueHeads}").Replace("$T", tied ? "true" : "false"));
            long before = GC.GetAllocatedBytesForCurrentThread(); // other tests allocate at the same time
            using ModelFolder opened = ModelFolder.Open(folder.Folder);
            ModelInspection found = ModelInspector.Inspect(opened);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Equal(
                expected.Select(pair => $"{pair.Key} {pair.Value}").Order(StringComparer.Ordinal),
                found.Wanted.Select(wanted => $"{wanted.Name} [{string.Join(", ", wanted.Shape)}]").Order(StringComparer.Ordinal));
            Assert.Equal(expected.Values.Sum(shape => shape.Trim('[', ']').Split(", ").Aggregate(1L, (product, size) => product * long.Parse(size))), found.Parameters);
            // The published weight files of the 3B model, in bfloat16, have 7.56 GB together.
            if (name == "EMOVA-3B")
                Assert.Equal(7.56, 2 * found.Parameters / 1e9, 0.005);
            Assert.Null(found.Differences);
            Assert.True(allocated < 64 << 20, $"{name}: listing allocated {allocated >> 20} MiB");
        }
    }

    [Fact]
    public void LlamaAndDeepSeekSizesAreListed()
    {
        Assert.Equal(8_030_261_248 + (132353L - 128256) * 4096 * 2, Count("""
            {"model_type": "emova_llama", "vocab_size": 132353, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
            "num_key_value_heads": 8, "rope_theta": 500000.0, "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3"}}
            """));
        // 64 experts of 3 * 1280 * 896, a shared one of twice the width and a router in each of 11 layers, and a dense layer.
        const long attention = 4L * 1280 * 1280 + 2 * 1280, expert = 3L * 1280 * 896;
        Assert.Equal(
            12 * attention + 11 * (66 * expert + 64 * 1280) + 3L * 1280 * 6848 + 1280 + 2L * 133376 * 1280,
            Count("""
            {"model_type": "emova_deepseekv2", "vocab_size": 133376, "hidden_size": 1280, "intermediate_size": 6848, "moe_intermediate_size": 896, "num_hidden_layers": 12,
            "num_attention_heads": 10, "num_key_value_heads": 10, "n_shared_experts": 2, "n_routed_experts": 64, "num_experts_per_tok": 6, "first_k_dense_replace": 1,
            "kv_lora_rank": null, "q_lora_rank": null, "qk_nope_head_dim": 0, "qk_rope_head_dim": 0, "v_head_dim": 0, "use_mla": false, "n_group": 1, "topk_group": 1, "topk_method": "greedy"}
            """));

        static long Count(string config)
        {
            using TemporaryFolder folder = new();
            File.WriteAllText(folder["config.json"], config);
            using ModelFolder opened = ModelFolder.Open(folder.Folder);
            return ModelInspector.Inspect(opened).Parameters;
        }
    }

    [Theory]
    [InlineData("""{"model_type": "qwen2", "hidden_size": 65536, "num_hidden_layers": 1000, "num_attention_heads": 1024, "num_key_value_heads": 1024}""")]
    [InlineData("""{"model_type": "deepseek_v2", "num_hidden_layers": 1000, "n_routed_experts": 4096, "num_experts_per_tok": 1, "hidden_size": 2, "moe_intermediate_size": 1}""")]
    public void HugeConfigurationsAllocateLittle(string config)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["config.json"], config);
        SafetensorsWriter.Write(folder["model.safetensors"], [TensorData.F32("model.norm.weight", [2], [1, 1])]);
        long before = GC.GetAllocatedBytesForCurrentThread(); // other tests allocate at the same time
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        Assert.DoesNotContain('\n', Assert.Throws<EmovaException>(() => EmovaModel.Load(opened)).Message);
        try
        {
            Assert.NotNull(ModelInspector.Inspect(opened).Differences);
        }
        catch (EmovaException e)
        {
            Assert.Contains("configuration", e.Message, StringComparison.Ordinal);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < 512 << 20, $"{allocated >> 20} MiB");
    }

    private static Dictionary<string, string> ExpectedLanguage(int hidden, int intermediate, int layers, int keyValueDim, bool tied)
    {
        Dictionary<string, string> expected = new()
        {
            ["model.embed_tokens.weight"] = $"[155776, {hidden}]",
            ["model.norm.weight"] = $"[{hidden}]",
        };
        if (!tied)
            expected["lm_head.weight"] = $"[155776, {hidden}]";
        for (int i = 0; i < layers; i++)
        {
            foreach ((string part, int outputs, int inputs, bool bias) in new[]
            {
                ("self_attn.q_proj", hidden, hidden, true), ("self_attn.k_proj", keyValueDim, hidden, true), ("self_attn.v_proj", keyValueDim, hidden, true),
                ("self_attn.o_proj", hidden, hidden, false), ("mlp.gate_proj", intermediate, hidden, false), ("mlp.up_proj", intermediate, hidden, false),
                ("mlp.down_proj", hidden, intermediate, false),
            })
            {
                expected[$"model.layers.{i}.{part}.weight"] = $"[{outputs}, {inputs}]";
                if (bias)
                    expected[$"model.layers.{i}.{part}.bias"] = $"[{outputs}]";
            }

            expected[$"model.layers.{i}.input_layernorm.weight"] = expected[$"model.layers.{i}.post_attention_layernorm.weight"] = $"[{hidden}]";
        }

        return expected;
    }
}

using Emova.Checkpoints;
using Emova.Models;

namespace Emova.Fuzz.Targets;

/// <summary>config.json: the dimensions of every kind of model, and the tensors they ask for.</summary>
public sealed class ConfigTarget : IFuzzTarget
{
    public static string Name => "config";

    public static IReadOnlyList<byte[]> Seeds() =>
    [
        """
        {"text_config": {"model_type": "qwen2", "vocab_size": 90, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "rope_theta": 10000.0, "rms_norm_eps": 1e-06, "max_position_embeddings": 128,
        "tie_word_embeddings": true}, "vision_config": {"type": "Qwen2VisionTower", "depth": 1, "embed_dim": 16, "hidden_size": 24,
        "mlp_ratio": 2, "num_heads": 2}, "mm_projector_config": {"type": "MLPProjector", "mlp_depth": 2}, "conversation_template": "qwen2"}
        """u8.ToArray(),
        """
        {"model_type": "emova_llama", "vocab_size": 90, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "attention_bias": true, "rope_scaling": {"rope_type": "llama3",
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}
        """u8.ToArray(),
        """
        {"model_type": "emova_deepseekv2", "vocab_size": 90, "hidden_size": 32, "intermediate_size": 48, "moe_intermediate_size": 24,
        "num_hidden_layers": 3, "num_attention_heads": 4, "n_shared_experts": 2, "n_routed_experts": 8, "num_experts_per_tok": 3,
        "first_k_dense_replace": 1, "topk_method": "group_limited_greedy", "n_group": 2, "topk_group": 1, "kv_lora_rank": 16,
        "q_lora_rank": null, "qk_rope_head_dim": 8, "v_head_dim": 10, "qk_nope_head_dim": 12}
        """u8.ToArray(),
        Tiled("InternVisionTower", """{"type": "SelfMiningMMProjector", "downsample_rate": 4, "downsample_size": 2, "num_input_token": 16}"""),
        Tiled("CLIPVisionTower", """{"type": "CAbstractorMMProjector", "conv_block_depth": 1, "downsample_rate": 4, "downsample_size": [2, 2], "num_input_token": 16}"""),
        Tiled("SigLipVisionTower", """{"type": "MLPProjector", "mlp_depth": 2}"""),
    ];

    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        using TemporaryModel model = new(data, "config.json");
        using ModelFolder folder = ModelFolder.Open(model.Folder);
        ModelInspector.Inspect(folder);
    }

    /// <summary>A model that looks at tiles.</summary>
    private static byte[] Tiled(string tower, string projector) => System.Text.Encoding.UTF8.GetBytes($$"""
        {"model_type": "emova_llama", "vocab_size": 90, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1,
        "num_attention_heads": 4, "num_key_value_heads": 2, "mm_vision_tower": {"type": "{{tower}}", "hidden_size": 64, "intermediate_size": 24,
        "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8, "mm_vision_select_layer": -2}, "mm_projector": {{projector}},
        "image_aspect_ratio": "anyres", "mm_patch_merge_type": "spatial_unpad", "image_grid_pinpoints": [[32, 64], [64, 64]]}
        """);
}

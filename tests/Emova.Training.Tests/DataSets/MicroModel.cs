using Emova.Text;
using Emova.Training.Modules;
using Emova.Training.Stages;
using Emova.Training.Stages.Language;

namespace Emova.Training.Tests.DataSets;

/// <summary>A model small enough to train a few steps in a test, in the folders that a stage expects.</summary>
internal static class MicroModel
{
    public static readonly string Tokenizer = Path.Combine(Repository.Root, "models", "emova-tiny", "tokenizer.json");

    private const string Description = """
        {
          "architectures": ["EmovaForConditionalGeneration"], "model_type": "emova",
          "text_config": {
            "model_type": "qwen2", "vocab_size": 0, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 1, "rope_theta": 10000.0, "rms_norm_eps": 1e-06, "max_position_embeddings": 2048, "hidden_act": "silu", "tie_word_embeddings": true
          },
          "vision_config": {
            "type": "Qwen2VisionTower", "depth": 1, "embed_dim": 32, "hidden_size": 32, "hidden_act": "quick_gelu", "mlp_ratio": 2, "num_heads": 2, "in_channels": 3,
            "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "min_pixels": 3136, "max_pixels": 9408
          },
          "mm_projector_config": { "type": "MLPProjector", "mlp_depth": 2 }
        }
        """;

    /// <summary>Writes the description and random weights of a vision run; returns the description's path and the folder of runs.</summary>
    public static (string Model, string Runs) Write(DataSetFolder folder)
    {
        string model = folder.Text(Description, "micro.json"), runs = folder.File("runs", "x")[..^2];
        TinyModelConfig config = TinyModelConfig.Load(model);
        config = config with { Text = config.Text with { VocabSize = HuggingFaceTokenizer.Load(Tokenizer).VocabularySize } };
        using OmniModel weights = new(config, TwinOptions.Exact);
        weights.Store.Save(folder.File("runs", "vision", "checkpoint", "weights.safetensors"));
        folder.Text("""{"Step":1,"Seed":1,"TotalSteps":1,"Seconds":0}""", "runs", "vision", "checkpoint", "state.json");
        return (model, runs);
    }
}

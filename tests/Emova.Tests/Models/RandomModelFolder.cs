using System.Globalization;
using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models;
using Emova.Models.Language;
using Emova.Models.Speech;
using Emova.Models.Vision;
using Emova.Tests.Text;

namespace Emova.Tests.Models;

/// <summary>
/// A complete model folder with very small dimensions, random weights and the toy tokenizer. The loaders themselves say which
/// tensors they want, so the folder always fits them. What it says is nonsense; that it parses, streams and sounds is not.
/// </summary>
internal sealed class RandomModelFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public RandomModelFolder(int seed = 1, int maxPositions = 2048)
    {
        byte[] tokenizer = ToyTokenizer.Json();
        File.WriteAllBytes(_folder["tokenizer.json"], tokenizer);
        JsonObject config = Config(Emova.Text.HuggingFaceTokenizer.Parse(tokenizer, "toy").VocabularySize, maxPositions);
        File.WriteAllText(_folder["config.json"], config.ToJsonString());
        Random random = new(seed);
        SafetensorsWriter.Write(_folder["model.safetensors"], WantedTensors().Select(wanted => RandomTensor(wanted, random)));
        SafetensorsWriter.Write(_folder["styles.safetensors"], StyleNames().Select(style => RandomTensor($"{style} [8]", random)));
    }

    public string Folder => _folder.Folder;

    public string this[string file] => _folder[file];

    /// <summary>The 24 styles of EMOVA-Tiny.</summary>
    public static IEnumerable<string> StyleNames() =>
        from gender in SpeechStyle.Genders
        from emotion in SpeechStyle.Emotions.Take(4)
        from pitch in SpeechStyle.Pitches
        select $"{gender}-{emotion}-{pitch}";

    /// <summary>A second of a wavering tone.</summary>
    public static AudioClip Tone(int sampleRate = 16000, double seconds = 1) => new(
        [.. Enumerable.Range(0, (int)(sampleRate * seconds)).Select(i => 0.3f * MathF.Sin(i * (0.05f + 0.00001f * (i % 3000))))], sampleRate);

    public static RgbImage Picture(int width = 90, int height = 60)
    {
        byte[] pixels = new byte[3 * width * height];
        new Random(5).NextBytes(pixels);
        return new RgbImage(width, height, pixels);
    }

    /// <summary>Writes random values for every tensor that a loader asks for.</summary>
    public static SafetensorsFile WriteWeights(string path, Action<WeightLoader> load, int seed)
    {
        WeightLoader weights = new([]);
        load(weights);
        Random random = new(seed);
        SafetensorsWriter.Write(path, weights.Missing.Distinct().Select(wanted => RandomTensor(wanted, random)));
        return SafetensorsFile.Open(path);
    }

    public void Dispose() => _folder.Dispose();

    private List<string> WantedTensors()
    {
        using ModelFolder folder = ModelFolder.Open(Folder);
        WeightLoader weights = new([]);
        EmovaConfig config = EmovaConfig.Read(folder.Config);
        LanguageModel.Load(config.Language, weights);
        ImageEncoder.Load(config.Vision!, config.Language.HiddenSize, weights.Push("model"));
        SpiralEncoder.Load(config.SpeechEncoder!, weights.Push("speech_encoder"));
        config.SpeechDecoder!.Load(weights.Push("speech_decoder"));
        return [.. weights.Missing.Distinct()];
    }

    /// <summary>A tensor for an entry of <see cref="WeightLoader.Missing"/>, <c>name [shape]</c>.</summary>
    public static TensorData RandomTensor(string wanted, Random random)
    {
        string name = wanted[..wanted.IndexOf(' ', StringComparison.Ordinal)];
        long[] shape = [.. wanted[(name.Length + 1)..].Trim('[', ']').Split(',', StringSplitOptions.RemoveEmptyEntries)
            .Select(size => long.Parse(size, CultureInfo.InvariantCulture))];
        long count = shape.Aggregate(1L, (product, size) => product * size);
        bool gain = shape.Length == 1 && name.EndsWith("weight", StringComparison.Ordinal);
        float scale = shape.Length > 1 ? 1.5f / MathF.Sqrt(count / shape[0]) : 0.2f;
        return TensorData.F32(name, shape, [.. Enumerable.Range(0, (int)count)
            .Select(_ => (gain ? 1 : 0) + scale * (float)(random.NextDouble() * 2 - 1))]);
    }

    private static JsonObject Config(int vocabularySize, int maxPositions) => JsonNode.Parse($$"""
        {
          "conversation_template": "qwen2",
          "text_config": {
            "model_type": "qwen2", "vocab_size": {{vocabularySize}}, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "rope_theta": 10000.0, "rms_norm_eps": 1e-06,
            "max_position_embeddings": {{maxPositions}}, "hidden_act": "silu", "tie_word_embeddings": true
          },
          "vision_config": {
            "type": "Qwen2VisionTower", "depth": 1, "embed_dim": 16, "hidden_size": 24, "hidden_act": "quick_gelu", "mlp_ratio": 2,
            "num_heads": 2, "in_channels": 3, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "min_pixels": 3136, "max_pixels": 6272
          },
          "mm_projector_config": { "type": "MLPProjector", "mlp_depth": 2 },
          "speech_encoder_config": {
            "type": "SpiralFsqCtc", "sample_rate": 16000, "features": 80, "levels": [8, 8, 8, 8], "dec_filters": 8, "n_labels": 5,
            "blocks": [
              { "filters": [8, 16, 16], "conv_pos": 8, "conv_pos_groups": 4, "layers": 1, "ffn": 16, "heads": 2 },
              { "filters": [16, 16], "conv_pos": 8, "conv_pos_groups": 4, "layers": 1, "ffn": 16, "heads": 2 }
            ]
          },
          "speech_decoder_config": {
            "type": "SourceFilterVocoder", "sample_rate": 16000, "levels": [8, 8, 8, 8], "hidden_size": 16, "intermediate_size": 24,
            "style_dim": 8, "kernel_size": 7, "encoder_layers": 2, "duration_layers": 1, "max_run": 12, "frame_layers": 1,
            "prosody_layers": 1, "decoder_layers": 1, "frames_per_unit": 4, "hop": 160, "n_fft": 512
          }
        }
        """)!.AsObject();
}

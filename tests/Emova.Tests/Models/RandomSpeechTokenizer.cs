using System.Globalization;
using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Models.Speech;
using Emova.Models.Speech.Vits;

namespace Emova.Tests.Models;

/// <summary>A folder of the layout of EMOVA's speech tokenizer repository with small dimensions and random weights.</summary>
internal sealed class RandomSpeechTokenizer : IDisposable
{
    private static readonly string[] Emotions = ["angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"];

    private readonly TemporaryFolder folder = new();

    public RandomSpeechTokenizer(DType type = DType.F32, Func<TensorData, IEnumerable<TensorData>>? change = null, bool stochastic = true)
    {
        JsonObject config = Config(stochastic);
        System.IO.File.WriteAllText(folder["config.json"], config.ToJsonString());
        Random random = new(7);
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        SafetensorsWriter.Write(folder["model.safetensors"], Names(opened.Config).Select(wanted => RandomTensor(wanted, random, type)).SelectMany(t => change?.Invoke(t) ?? [t]));
    }

    public string Folder => folder.Folder;

    /// <summary>The 126 conditions of the published table in its order.</summary>
    public static IEnumerable<string> Conditions() =>
        from gender in (string[])["female", "male"]
        from emotion in Emotions
        from speed in (string[])["fast", "normal", "slow"]
        from pitch in (string[])["high", "low", "normal"]
        select $"gender-{gender}_emotion-{emotion}_speed-{speed}_pitch-{pitch}";

    /// <summary>Name and shape of every tensor the loader asks for.</summary>
    public static IReadOnlyList<string> Names(ConfigSection config)
    {
        WeightLoader weights = WeightLoader.ForListing([], CheckpointNames.Detect([]));
        try
        {
            SpeechTokenizer.LoadRepository(config, weights);
        }
        catch (EmovaException)
        {
            // Everything is missing, which is what we want to know.
        }

        return [.. weights.Wanted.Select(wanted => $"{wanted.Name} [{string.Join(", ", wanted.Shape)}]").Distinct()];
    }

    public static JsonObject ReleasedConfig()
    {
        JsonObject index = [];
        foreach ((string condition, int i) in Conditions().Select((condition, i) => (condition, i))) index[condition] = i;
        return new JsonObject
        {
            ["model_type"] = "EMOVASpeechTokenizer",
            ["s2u_unit_type"] = "40ms_multilingual_8888",
            ["u2s_unit_type"] = "40ms_multilingual_8888_xujing_cosyvoice_FT",
            ["u2s_num_styles"] = 126,
            ["u2s_dim_styles"] = 256,
            ["u2s_style2idx"] = index,
        };
    }

    public void Dispose() => folder.Dispose();

    private static TensorData RandomTensor(string wanted, Random random, DType type)
    {
        string name = wanted[..wanted.IndexOf(' ', StringComparison.Ordinal)];
        long[] shape = [.. wanted[(name.Length + 1)..].Trim('[', ']').Split(',', StringSplitOptions.RemoveEmptyEntries).Select(size => long.Parse(size, CultureInfo.InvariantCulture))];
        long count = shape.Aggregate(1L, (product, size) => product * size);
        bool gain = name.EndsWith("GAMMA", StringComparison.Ordinal) || name.EndsWith("weight_g", StringComparison.Ordinal)
            || (shape.Length == 1 && name.EndsWith("weight", StringComparison.Ordinal));
        float scale = shape.Length > 1 ? 1.5f / MathF.Sqrt(count / shape[0]) : 0.2f;
        float[] values = [.. Enumerable.Range(0, (int)count).Select(_ => (gain ? 1 : 0) + scale * (float)(random.NextDouble() * 2 - 1))];
        if (name.EndsWith("featurizer.fb", StringComparison.Ordinal)) values = Emova.Media.SlaneyMelFilterbank.Create(16000, 512, (int)shape[1]);
        byte[] bytes = type switch
        {
            DType.F16 => [.. values.SelectMany(value => BitConverter.GetBytes((Half)value))],
            DType.BF16 => [.. values.SelectMany(value => BitConverter.GetBytes((ushort)(BitConverter.SingleToUInt32Bits(value) >> 16)))],
            _ => [.. values.SelectMany(BitConverter.GetBytes)],
        };
        return new TensorData(name, type, shape, bytes);
    }

    private static JsonObject Config(bool stochastic)
    {
        JsonObject config = ReleasedConfig();
        config["u2s_dim_styles"] = 6;
        config["speech_encoder_config"] = JsonNode.Parse("""
            {
              "features": 40, "levels": [8, 8, 8, 8], "dec_filters": 8, "n_labels": 5,
              "blocks": [
                { "filters": [8, 16, 16], "conv_pos": 8, "conv_pos_groups": 4, "layers": 1, "ffn": 16, "heads": 2 },
                { "filters": [16, 16], "conv_pos": 8, "conv_pos_groups": 4, "layers": 1, "ffn": 16, "heads": 2 }
              ]
            }
            """);
        config["speech_decoder_config"] = JsonNode.Parse($$"""
            {
              "type": "SynthesizerTrn", "n_speakers": 3,
              "model": {
                "inter_channels": 8, "hidden_channels": 8, "filter_channels": 12, "n_heads": 2, "n_layers": 2, "kernel_size": 3,
                "resblock": "1", "resblock_kernel_sizes": [3, 7, 11], "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
                "upsample_rates": [8, 8, 2, 2], "upsample_initial_channel": 16, "upsample_kernel_sizes": [16, 16, 4, 4],
                "gin_channels": 6, "use_ref_enc": true, "use_sdp": {{(stochastic ? "true" : "false")}}
              },
              "data": { "sampling_rate": 22050, "filter_length": 1024, "hop_length": 256, "win_length": 1024 }
            }
            """);
        return config;
    }
}

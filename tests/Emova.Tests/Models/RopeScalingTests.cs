using System.Text.Json;
using Emova.Checkpoints;
using Emova.Models;
using Emova.Models.Language;
using Xunit;

namespace Emova.Tests.Models;

/// <summary>Scalings of rotary frequencies that no recorded case uses, against their rules written out.</summary>
public class RopeScalingTests
{
    /// <summary>The published configuration of DeepSeek-V2: of 32 pairs, the first 11 are kept and those from 23 on are divided.</summary>
    [Fact]
    public void YarnBlendsByDimension()
    {
        DeepSeekV2Config config = (DeepSeekV2Config)Read("""
            {"model_type": "deepseek_v2", "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096, "beta_fast": 32, "beta_slow": 1,
            "mscale": 0.707, "mscale_all_dim": 0.707}}
            """);
        RopeScaling scaling = config.RopeScaling!;
        float[] plain = RotaryEmbedding.InverseFrequencies(config.QkRopeHeadDim, config.RopeTheta), scaled = [.. plain];
        scaling.Apply(scaled, config.RopeTheta);
        for (int i = 0; i < plain.Length; i++)
        {
            double divided = Math.Clamp((i - 10) / 13.0, 0, 1);
            Assert.Equal(plain[i] / 40 * divided + plain[i] * (1 - divided), scaled[i], 1e-6 * plain[i]);
        }

        double strength = 0.1 * 0.707 * Math.Log(40) + 1;
        Assert.Equal(1, scaling.RotaryScale);
        Assert.Equal(strength * strength, scaling.ScoreScale, 1e-6);
        Assert.Equal(0.1 * Math.Log(40) + 1, (scaling with { MScale = 1, MScaleAllDim = 0 }).RotaryScale, 1e-6);
    }

    [Fact]
    public void LinearDividesAllFrequencies()
    {
        LanguageConfig config = Read("""{"model_type": "llama", "rope_scaling": {"rope_type": "linear", "factor": 4}}""");
        float[] plain = RotaryEmbedding.InverseFrequencies(config.RotaryDim, config.RopeTheta), scaled = [.. plain];
        config.RopeScaling!.Apply(scaled, config.RopeTheta);
        Assert.Equal(plain.Select(frequency => frequency / 4), scaled);
    }

    private static LanguageConfig Read(string json) => LanguageConfig.Read(new ConfigSection("config.json", JsonDocument.Parse(json).RootElement));
}

using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models;
using Emova.Models.Vision;
using Xunit;

namespace Emova.Tests.Models;

/// <summary>Configurations of the reference's recipes, and small models of every combination from picture to vectors.</summary>
public class ImageEncoderTests
{
    private const int Hidden = 8;

    private const string SmallClip = """
        "mm_vision_tower": {"type": "CLIPVisionTower", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
          "image_size": 32, "patch_size": 8, "mm_vision_select_layer": -2}
        """;

    private const string SmallAbstractor = """
        "mm_projector": {"type": "CAbstractorMMProjector", "conv_block_depth": 1, "conv_hidden_size": 12, "downsample_rate": 4, "downsample_size": [2, 2], "num_input_token": 16}
        """;

    [Fact]
    public void RecipesOfTheReferenceAreUnderstood()
    {
        VisionConfig config = Read("""
            {"mm_vision_tower": {"type": "InternVisionTower", "pretrained_model_name_or_path": "OpenGVLab/InternViT-6B-448px-V1-5", "unfreeze_mm_vision_tower": true, "tune_vit_from_layer": 24},
             "mm_projector": {"type": "CAbstractorMMProjector", "conv_block_depth": 2, "downsample_rate": 4, "downsample_size": [16, 16], "num_input_token": 1024, "add_pos_embed": false},
             "image_aspect_ratio": "anyres", "mm_patch_merge_type": "spatial_unpad", "image_grid_pinpoints": [[448, 896], [1344, 448]]}
            """);
        InternVisionConfig intern = Assert.IsType<InternVisionConfig>(config.Tower);
        Assert.Equal((3200, 45, 25, 32, true, true, false), (intern.HiddenSize, intern.UsedLayers, intern.NumAttentionHeads, intern.PatchesPerSide, intern.UseRmsNorm, intern.QkNormalization, intern.QkvBias));
        Assert.Equal((ImageFit.Tiles, PatchMergeType.SpatialUnpad, 2, 1024), (config.Fit, config.PatchMerge, config.Projector.ConvBlockDepth, config.Projector.ConvHiddenSize));
        Assert.Equal([(448, 896), (1344, 448)], config.GridPinpoints);

        config = Read("""
            {"mm_vision_tower": {"type": "InternVisionTower", "pretrained_model_name_or_path": "OpenGVLab/InternViT-300M-448px"},
             "mm_projector": {"type": "SelfMiningMMProjector", "downsample_rate": 4, "downsample_size": [16, 16], "num_input_token": 1024},
             "image_aspect_ratio": "anyres", "mm_patch_merge_type": "spatial_unpad"}
            """);
        Assert.Equal(InternVisionConfig.Intern300M, config.Tower);
        Assert.Equal(7, config.GridPinpoints.Count);

        config = Read("""
            {"mm_vision_tower": {"type": "CLIPVisionTower", "pretrained_model_name_or_path": "openai/clip-vit-large-patch14-336", "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch"},
             "mm_projector": {"type": "MLPProjector", "mlp_depth": 2}, "image_aspect_ratio": "pad", "mm_patch_merge_type": "flat"}
            """);
        Assert.Equal((23, 576, ImageFit.Pad), (((ClipVisionConfig)config.Tower).UsedLayers, ((ClipVisionConfig)config.Tower).PatchesPerSide * 24, config.Fit));

        config = Read("""{"vision_config": {"type": "SigLipVisionTower"}, "mm_projector_config": {"type": "CAbstractorMMProjector", "downsample_rate": 2.84, "downsample_size": 16, "num_input_token": 729}}""");
        Assert.Equal((26, 1152, ImageFit.Crop), (((SiglipVisionConfig)config.Tower).UsedLayers, config.Tower.FeatureSize, config.Fit));

        // The released models: the serializer leaves out what is default.
        config = Read("""
            {"vision_config": {"max_pixels": 3211264, "model_type": "qwen2_vl", "pretrained_model_name_or_path": "Emova-ollm/qwen2vit600m", "trainable": true, "type": "Qwen2VisionTower"},
             "mm_projector_config": {"mlp_depth": 2, "trainable": true, "type": "MLPProjector"}}
            """);
        Assert.Equal(new Qwen2VisionConfig(), config.Tower);
        Assert.Equal(3584, config.Tower.FeatureSize);
    }

    [Theory]
    [InlineData("flat", "pad")]
    [InlineData("flat", "square")]
    [InlineData("flat", "anyres")]
    [InlineData("spatial", "anyres")]
    [InlineData("spatial_unpad", "anyres")]
    public void PicturesBecomeTheTokensOfTheirTiles(string merge, string fit)
    {
        using RandomImageEncoder model = new($$"""{ {{SmallClip}}, {{SmallAbstractor}}, "image_aspect_ratio": "{{fit}}", "mm_patch_merge_type": "{{merge}}" }""");
        RgbImage image = RandomModelFolder.Picture(90, 60); // fits 2 x 2 tiles of 32 pixels as 64 x 43
        float[] result = model.Encoder.Encode(image);
        TiledImageEncoder encoder = (TiledImageEncoder)model.Encoder;
        if (fit != "anyres")
        {
            float[] pixels = fit == "pad" ? encoder.ImageProcessor.ProcessPadded(image) : encoder.ImageProcessor.Process(image);
            Assert.Equal(encoder.Projector.Forward(encoder.Tower.Encode(pixels)), result);
            Assert.Equal(2 * 2 * Hidden, result.Length);
            return;
        }

        float[][] tiles = [.. encoder.ImageProcessor.ProcessTiles(image, (64, 64)).Select(pixels => encoder.Projector.Forward(encoder.Tower.Encode(pixels)))];
        Assert.Equal(5, tiles.Length);
        float[][] tokens = [.. tiles.SelectMany(tile => tile.Chunk(Hidden))];
        int[] order = merge switch
        {
            "flat" => [.. Enumerable.Range(0, 20)],
            // Four tiles of 2 x 2 tokens as one map of 4 x 4, after the four tokens of the whole picture.
            "spatial" => [0, 1, 2, 3, 4, 5, 8, 9, 6, 7, 10, 11, 12, 13, 16, 17, 14, 15, 18, 19],
            // 60 / 90 of the four rows is 2 after rounding down: the first and the last row are border.
            _ => [0, 1, 2, 3, 6, 7, 10, 11, -1, 12, 13, 16, 17, -1],
        };
        Assert.Equal(order.SelectMany(i => i < 0 ? model.Newline! : tokens[i]), result);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 500)]
    [InlineData(500, 1)]
    [InlineData(3, 200)]
    [InlineData(33, 31)]
    public void AnyShapeOfPictureIsEncoded(int width, int height)
    {
        using RandomImageEncoder model = new($$"""{ {{SmallClip}}, {{SmallAbstractor}}, "image_aspect_ratio": "anyres", "mm_patch_merge_type": "spatial_unpad" }""");
        float[] result = model.Encoder.Encode(RandomModelFolder.Picture(width, height));
        Assert.True(result.Length >= 4 * Hidden && result.Length % Hidden == 0);
        Assert.All(result, value => Assert.True(float.IsFinite(value)));
    }

    [Theory]
    [InlineData("InternVisionTower", "SelfMiningMMProjector", 64)]
    [InlineData("InternVisionTower", "MLPProjector", 20)]
    [InlineData("SigLipVisionTower", "CAbstractorMMProjector", 20)]
    public void EveryCombinationRuns(string tower, string projector, int width)
    {
        using RandomImageEncoder model = new($$"""
            {"mm_vision_tower": {"type": "{{tower}}", "hidden_size": {{width}}, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 30, "patch_size": 7},
             "mm_projector": {"type": "{{projector}}", "conv_block_depth": 1, "conv_hidden_size": 12, "downsample_rate": 4, "downsample_size": 2, "num_input_token": 16},
             "image_aspect_ratio": "anyres", "mm_patch_merge_type": "spatial_unpad", "image_grid_pinpoints": [[30, 30], [60, 30]]}
            """);
        // One tile of one: the whole picture and itself once more.
        int tokens = projector == "MLPProjector" ? 16 : 4, side = (int)Math.Sqrt(tokens);
        Assert.Equal((tokens + side * (side + 1)) * Hidden, model.Encoder.Encode(RandomModelFolder.Picture(30, 30)).Length);
        Assert.Equal((tokens + side * (2 * side + 1)) * Hidden, model.Encoder.Encode(RandomModelFolder.Picture(60, 30)).Length);
    }

    [Theory]
    [InlineData(""" "image_grid_pinpoints": [] """, "image_grid_pinpoints must be a list of 1 to 1000 sizes")]
    [InlineData(""" "image_grid_pinpoints": "(1x1),...,(6x6)" """, "image_grid_pinpoints must be a list of 1 to 1000 sizes")]
    [InlineData(""" "image_grid_pinpoints": [[32, 33]] """, "in multiples of the 32 pixels of a tile")]
    [InlineData(""" "image_grid_pinpoints": [[0, 32]] """, "in multiples of the 32 pixels of a tile")]
    [InlineData(""" "image_grid_pinpoints": [[32, 2147483616]] """, "at most 1024 tiles and 64000000 pixels, holds [32,2147483616]")]
    [InlineData(""" "image_grid_pinpoints": [[1024, 1056]] """, "at most 1024 tiles")]
    [InlineData(""" "image_grid_pinpoints": [[32]] """, "sizes [width, height]")]
    [InlineData(""" "mm_patch_merge_type": "spiral" """, "mm_patch_merge_type must be one of flat, spatial, spatial_unpad")]
    [InlineData(""" "mm_projector": {"type": "CAbstractorMMProjector", "downsample_rate": 4, "downsample_size": 4, "num_input_token": 64} """, "num_input_token is 64, but the encoder gives 4 x 4 tokens")]
    [InlineData(""" "mm_vision_tower": {"type": "Qwen2VisionTower"} """, "CAbstractorMMProjector needs an encoder of square tiles")]
    public void PartsThatDoNotFitAreRefused(string change, string message)
    {
        JsonObject config = JsonNode.Parse($$"""{ {{SmallClip}}, {{SmallAbstractor}}, "image_aspect_ratio": "anyres" }""")!.AsObject();
        foreach ((string key, JsonNode? value) in JsonNode.Parse("{" + change + "}")!.AsObject())
            config[key] = value!.DeepClone();
        string error = Assert.Throws<EmovaException>(() => Read(config.ToJsonString())).Message;
        Assert.Contains(message, error);
        Assert.DoesNotContain('\n', error);
    }

    [Fact]
    public void AnyConfigurationIsLoadedOrRefusedCleanly()
    {
        string[] values = ["0", "1", "2", "-1", "3", "16", "64", "4096", "65536", "2147483647", "1e300", "1.5", "\"x\"", "null", "[]", "[1, 1]", "{}", "true"];
        string[] towers = ["InternVisionTower", "CLIPVisionTower", "SigLipVisionTower"], projectors = ["CAbstractorMMProjector", "SelfMiningMMProjector", "MLPProjector"];
        int loaded = 0, refused = 0;
        Gen.Select(Gen.Int[0, 8], Gen.Select(Gen.Int[0, 2], Gen.Int[0, 100], Gen.Int[0, values.Length - 1]).Array[0, 2]).Sample((kind, changes) =>
        {
            JsonObject config = JsonNode.Parse($$"""
                {"mm_vision_tower": {"type": "{{towers[kind % 3]}}", "hidden_size": 64, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
                  "image_size": 32, "patch_size": 8, "hidden_act": "gelu", "layer_norm_eps": 1e-6, "norm_type": "rms_norm", "qk_normalization": true, "qkv_bias": false,
                  "mm_vision_select_layer": -1, "mm_vision_select_feature": "patch"},
                 "mm_projector": {"type": "{{projectors[kind / 3]}}", "mlp_depth": 2, "conv_block_depth": 1, "conv_hidden_size": 12, "downsample_rate": 4, "downsample_size": 2,
                  "num_input_token": 16, "add_pos_embed": true, "add_pre_norm": true},
                 "image_aspect_ratio": "anyres", "mm_patch_merge_type": "spatial_unpad", "image_grid_pinpoints": [[32, 64], [64, 64]]}
                """)!.AsObject();
            foreach ((int section, int key, int value) in changes)
            {
                JsonObject target = section == 0 ? config : config[section == 1 ? "mm_vision_tower" : "mm_projector"] as JsonObject ?? config;
                string name = target.ElementAt(key % target.Count).Key;
                if (name is not ("mm_vision_tower" or "mm_projector"))
                    target[name] = JsonNode.Parse(values[value]);
            }

            try
            {
                // Weights that are missing are read as zeros until someone complains.
                ImageEncoder encoder = ImageEncoder.Load(Read(config.ToJsonString()), Hidden, new WeightLoader([]));
                Assert.Equal(0, encoder.Encode(new RgbImage(3, 2, new byte[18])).Length % Hidden);
                loaded++;
            }
            catch (EmovaException e)
            {
                Assert.DoesNotContain('\n', e.Message);
                refused++;
            }
        }, iter: 200, threads: 1);
        Assert.True(loaded > 0 && refused > 0, $"{loaded} loaded, {refused} refused");
    }

    private static VisionConfig Read(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        ConfigSection config = new("config.json", document.RootElement.Clone());
        ConfigSection? Find(string name) => config.Has(name) ? config.Section(name) : null;
        return VisionConfig.Read(config, Find("vision_config") ?? Find("mm_vision_tower")!, Find("mm_projector_config") ?? Find("mm_projector"));
    }

    /// <summary>An image encoder with random weights.</summary>
    private sealed class RandomImageEncoder : IDisposable
    {
        private readonly TemporaryFolder folder = new();
        private readonly SafetensorsFile file;

        public RandomImageEncoder(string json)
        {
            VisionConfig config = Read(json);
            file = RandomModelFolder.WriteWeights(folder["model.safetensors"], weights => ImageEncoder.Load(config, Hidden, weights), seed: 3);
            WeightLoader weights = new([file]);
            Encoder = ImageEncoder.Load(config, Hidden, weights);
            weights.Finish();
            Newline = config.PatchMerge == PatchMergeType.SpatialUnpad ? file.ReadFloat32("image_newline") : null;
        }

        public ImageEncoder Encoder { get; }

        public float[]? Newline { get; }

        public void Dispose()
        {
            file.Dispose();
            folder.Dispose();
        }
    }
}

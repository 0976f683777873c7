using Emova.Checkpoints;
using Emova.Models;
using Xunit;

namespace Emova.Tests.Models;

/// <summary>
/// The names and shapes of the encoders and projectors of the reference's other recipes, at their full size, listed from
/// configurations without allocating them, against lists written from the layers' definitions. The released models' Qwen2-ViT is
/// in <see cref="FullSizeTests"/>.
/// </summary>
[Trait("Category", "Golden")]
public class FullSizeVisionTests
{
    private const int Hidden = 4096; // of Llama-3.1-8B

    private readonly Dictionary<string, string> expected = [];

    [Fact]
    public void InternVit6BWithCAbstractor()
    {
        InternVit(dim: 3200, intermediate: 12800, layers: 45, rms: true, qkNorm: true, qkvBias: false);
        Assert.Equal(5.54, Count("model.vision_tower.") / 1e9, 0.005); // "5540M" on the encoder's page
        CAbstractor(inputs: 3200);
        Check("""
            "mm_vision_tower": {"type": "InternVisionTower", "pretrained_model_name_or_path": "OpenGVLab/InternViT-6B-448px-V1-5", "unfreeze_mm_vision_tower": true},
            "mm_projector": {"type": "CAbstractorMMProjector", "conv_block_depth": 2, "downsample_rate": 4, "downsample_size": [16, 16], "num_input_token": 1024, "add_pos_embed": false}
            """);
    }

    [Fact]
    public void InternVit300MWithSelfMining()
    {
        InternVit(dim: 1024, intermediate: 4096, layers: 24, rms: false, qkNorm: false, qkvBias: true);
        Assert.Equal(0.304, Count("model.vision_tower.") / 1e9, 0.0005);
        foreach (string norm in new[] { "norm_media", "norm_context" })
            Norm($"model.mm_projector.downsampler.{norm}", 1024);
        Add("model.mm_projector.downsampler.to_q.weight", 1024, 1024);
        Add("model.mm_projector.downsampler.to_kv.weight", 2048, 1024);
        Mlp("model.mm_projector.mlp.", 1024);
        Check("""
            "mm_vision_tower": {"type": "InternVisionTower", "pretrained_model_name_or_path": "OpenGVLab/InternViT-300M-448px"},
            "mm_projector": {"type": "SelfMiningMMProjector", "conv_block_depth": 2, "downsample_rate": 4, "downsample_size": [16, 16], "num_input_token": 1024}
            """);
    }

    [Fact]
    public void ClipWithMlp()
    {
        const string model = "model.vision_tower.vision_tower.vision_model.";
        Add(model + "embeddings.class_embedding", 1024);
        Add(model + "embeddings.patch_embedding.weight", 1024, 3, 14, 14);
        Add(model + "embeddings.position_embedding.weight", 577, 1024);
        Norm(model + "pre_layrnorm", 1024);
        HuggingFaceLayers(model, dim: 1024, intermediate: 4096, layers: 24);
        Norm(model + "post_layernorm", 1024);
        Assert.Equal(303_507_456, Count("model.vision_tower."));
        Mlp("model.mm_projector.", 1024);
        Assert.Equal(20.98, Count("model.mm_projector.") / 1e6, 0.005);
        Check("""
            "mm_vision_tower": {"type": "CLIPVisionTower", "pretrained_model_name_or_path": "openai/clip-vit-large-patch14-336", "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch"},
            "mm_projector": {"type": "MLPProjector", "mlp_depth": 2}
            """, newline: false);
    }

    [Fact]
    public void SiglipWithCAbstractor()
    {
        const string model = "model.vision_tower.vision_tower.vision_model.";
        Add(model + "embeddings.patch_embedding.weight", 1152, 3, 14, 14);
        Add(model + "embeddings.patch_embedding.bias", 1152);
        Add(model + "embeddings.position_embedding.weight", 729, 1152);
        HuggingFaceLayers(model, dim: 1152, intermediate: 4304, layers: 26);
        Norm(model + "post_layernorm", 1152);
        CAbstractor(inputs: 1152);
        Check("""
            "mm_vision_tower": {"type": "SigLipVisionTower", "pretrained_model_name_or_path": "google/siglip-so400m-patch14-384"},
            "mm_projector": {"type": "CAbstractorMMProjector", "conv_block_depth": 2, "downsample_rate": 2.84, "downsample_size": [16, 16], "num_input_token": 729}
            """);
    }

    private void InternVit(int dim, int intermediate, int layers, bool rms, bool qkNorm, bool qkvBias)
    {
        const string model = "model.vision_tower.vision_tower.";
        Add(model + "embeddings.class_embedding", 1, 1, dim);
        Add(model + "embeddings.patch_embedding.weight", dim, 3, 14, 14);
        Add(model + "embeddings.patch_embedding.bias", dim);
        Add(model + "embeddings.position_embedding", 1, 1025, dim);
        for (int i = 0; i < layers; i++)
        {
            string layer = $"{model}encoder.layers.{i}.";
            Add(layer + "attn.qkv.weight", 3 * dim, dim);
            if (qkvBias)
                Add(layer + "attn.qkv.bias", 3 * dim);
            foreach (string name in qkNorm ? new[] { "q_norm", "k_norm" } : [])
                Add($"{layer}attn.{name}.weight", dim);
            Linear(layer + "attn.proj", dim, dim);
            foreach (string name in new[] { "norm1", "norm2" })
            {
                Add($"{layer}{name}.weight", dim);
                if (!rms)
                    Add($"{layer}{name}.bias", dim);
            }

            Linear(layer + "mlp.fc1", intermediate, dim);
            Linear(layer + "mlp.fc2", dim, intermediate);
            Add(layer + "ls1", dim);
            Add(layer + "ls2", dim);
        }
    }

    private void HuggingFaceLayers(string model, int dim, int intermediate, int layers)
    {
        for (int i = 0; i < layers; i++)
        {
            string layer = $"{model}encoder.layers.{i}.";
            foreach (string name in new[] { "q_proj", "k_proj", "v_proj", "out_proj" })
                Linear($"{layer}self_attn.{name}", dim, dim);
            Norm(layer + "layer_norm1", dim);
            Norm(layer + "layer_norm2", dim);
            Linear(layer + "mlp.fc1", intermediate, dim);
            Linear(layer + "mlp.fc2", dim, intermediate);
        }
    }

    private void CAbstractor(int inputs)
    {
        foreach ((string block, int width) in new[] { ("0.b1", inputs), ("0.b2", 1024), ("2.b1", 1024), ("2.b2", 1024) })
        {
            string name = $"model.mm_projector.downsampler.{block}.";
            Convolution(name + "conv1", width, 1);
            Add(name + "conv2.conv.weight", 1024, 1, 3, 3);
            Norm(name + "conv2.bn", 1024);
            Add(name + "se.fc1.weight", width / 4, 1024, 1, 1);
            Add(name + "se.fc1.bias", width / 4);
            Add(name + "se.fc2.weight", 1024, width / 4, 1, 1);
            Add(name + "se.fc2.bias", 1024);
            Convolution(name + "conv3", 1024, 1);
            if (width != 1024)
                Convolution(name + "downsample", width, 1);
        }

        Mlp("model.mm_projector.mlp.", 1024);

        void Convolution(string name, int channels, int kernel)
        {
            Add(name + ".conv.weight", 1024, channels, kernel, kernel);
            Norm(name + ".bn", 1024);
        }
    }

    private void Mlp(string prefix, int inputs)
    {
        Linear(prefix + "0", Hidden, inputs);
        Linear(prefix + "2", Hidden, Hidden);
    }

    private void Linear(string name, int outputs, int inputs)
    {
        Add(name + ".weight", outputs, inputs);
        Add(name + ".bias", outputs);
    }

    private void Norm(string name, int width)
    {
        Add(name + ".weight", width);
        Add(name + ".bias", width);
    }

    private void Add(string name, params int[] shape) => expected.Add(name, $"[{string.Join(", ", shape)}]");

    private long Count(string prefix) => expected.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal))
        .Sum(pair => pair.Value.Trim('[', ']').Split(", ").Aggregate(1L, (product, size) => product * long.Parse(size)));

    private void Check(string sections, bool newline = true)
    {
        if (newline)
            Add("model.image_newline", Hidden);
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["config.json"], $$"""
            {"model_type": "emova_llama", "vocab_size": 132353, "hidden_size": {{Hidden}}, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
            "num_key_value_heads": 8, "rope_theta": 500000.0, "max_position_embeddings": 131072, "image_aspect_ratio": "anyres",
            "mm_patch_merge_type": "{{(newline ? "spatial_unpad" : "flat")}}", {{sections}} }
            """);
        long before = GC.GetAllocatedBytesForCurrentThread();
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        ModelInspection found = ModelInspector.Inspect(opened);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(
            expected.Select(pair => $"{pair.Key} {pair.Value}").Order(StringComparer.Ordinal),
            found.Wanted.Where(wanted => expected.ContainsKey(wanted.Name) || wanted.Name.Contains("vision", StringComparison.Ordinal) || wanted.Name.Contains("projector", StringComparison.Ordinal))
                .Select(wanted => $"{wanted.Name} [{string.Join(", ", wanted.Shape)}]").Order(StringComparer.Ordinal));
        Assert.Equal(found.Wanted.Count, found.Wanted.Select(wanted => wanted.Name).Distinct().Count());
        Assert.True(allocated < 128 << 20, $"listing allocated {allocated >> 20} MiB");
    }
}

using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Models;
using Emova.Tests.Models;
using Xunit;

namespace Emova.Tests.Checkpoints;

public class CheckpointNamesTests
{
    [Theory]
    [InlineData("language_model.model.layers.3.mlp.up_proj.weight", "model.layers.3.mlp.up_proj.weight")]
    [InlineData("language_model.lm_head.weight", "lm_head.weight")]
    [InlineData("vision_tower.blocks.0.attn.qkv.bias", "model.vision_tower.vision_tower.blocks.0.attn.qkv.bias")]
    [InlineData("mm_projector.2.bias", "model.mm_projector.2.bias")]
    [InlineData("model.image_newline", "model.image_newline")]
    [InlineData("speech_encoder.a", "speech_encoder.a")]
    [InlineData("something.else", "something.else")]
    public void HuggingFacePrefixesBecomeThoseOfTheOriginFormat(string stored, string origin)
    {
        CheckpointNames names = CheckpointNames.Detect([
            "language_model.model.embed_tokens.weight", "language_model.lm_head.weight", "vision_tower.patch_embed.proj.weight",
            "mm_projector.0.weight", "model.image_newline", stored]);
        Assert.False(names.IsOrigin);
        Assert.Equal(origin, names.ToOrigin(stored));
        Assert.Equal(stored, names.ToStored(origin));
    }

    [Theory]
    [InlineData("", "", "visual.", "multi_modal_projector.")]
    [InlineData("model.language_model.", "", "model.visual.", "model.connector.")]
    [InlineData("llm.model.", "llm.", "encoder.vision_model.", "projector.")]
    [InlineData("model.", "", "model.vision_tower.vision_tower.", "model.mm_projector.")]
    public void AnyPrefixesAreAccepted(string language, string head, string vision, string projector)
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        (string, string)[] prefixes = [("model.vision_tower.vision_tower.", vision), ("model.mm_projector.", projector), ("lm_head.", head + "lm_head."), ("model.", language)];
        using TinyModelFolder origin = new(fixture), renamed = new(fixture);
        renamed.Rename(name => prefixes.Where(p => name.StartsWith(p.Item1, StringComparison.Ordinal)).Select(p => p.Item2 + name[p.Item1.Length..]).First());
        EmovaModel expected = Load(origin), actual = Load(renamed);
        int[] ids = [1, 2, 3];
        float[] expectedLogits = new float[expected.Language.Config.VocabSize], logits = new float[expectedLogits.Length];
        expected.Language.Forward(expected.Language.CreateCache(4), ids, expectedLogits);
        actual.Language.Forward(actual.Language.CreateCache(4), ids, logits);
        Assert.Equal(expectedLogits, logits);
        Assert.Equal(expected.EncodeImage(RandomModelFolder.Picture()), actual.EncodeImage(RandomModelFolder.Picture()));
        using ModelFolder opened = ModelFolder.Open(renamed.Folder);
        Assert.Equal(["language", "projector", "vision"], ModelInspector.Inspect(opened).Parts.Select(part => part.Name).Order());
    }

    [Fact]
    public void DifferencesAreReportedUnderTheNamesInTheFile()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder folder = new(fixture);
        folder.Rename(name => name == "model.norm.weight" ? "model.norm.weights" : name.Replace("model.layers", "language_model.model.layers", StringComparison.Ordinal)
            .Replace("model.embed", "language_model.model.embed", StringComparison.Ordinal));
        string message = Assert.Throws<EmovaException>(() => Load(folder)).Message;
        Assert.Contains("1 missing: language_model.model.norm.weight [48]", message, StringComparison.Ordinal);
        Assert.Contains("1 unexpected: model.norm.weights [48]", message, StringComparison.Ordinal);
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        Assert.Equal(message, ModelInspector.Inspect(opened).Differences);
    }

    [Fact]
    public void TwoLanguageModelsInOneCheckpointAreRefused() => Assert.Contains(
        "two tensors ending with embed_tokens.weight",
        Assert.Throws<EmovaException>(() => CheckpointNames.Detect(["a.embed_tokens.weight", "b.embed_tokens.weight"])).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(DType.F32, 0)]
    [InlineData(DType.BF16, 0.1)]
    [InlineData(DType.F16, 0.02)]
    public void EveryFloatingTypeLoadsSingleAndSharded(DType type, double tolerance)
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder exact = new(fixture), stored = new(fixture);
        stored.Store(type);
        float[] expected = Logits(Load(exact)), single = Logits(Load(stored));
        Closeness.Assert($"{type}", expected, single, tolerance);
        Assert.Equal(type == DType.F32, expected.SequenceEqual(single));
        stored.Shard();
        Assert.Equal(single, Logits(Load(stored)));

        static float[] Logits(EmovaModel model)
        {
            float[] logits = new float[model.Language.Config.VocabSize];
            model.Language.Forward(model.Language.CreateCache(4), [1, 2, 3], logits);
            return logits;
        }
    }

    [Fact]
    public void TiedEmbeddingsMayBeSaidAtTheRootOnly()
    {
        using FixtureCase fixture = Fixtures.Open("llm_qwen2_tied");
        using TemporaryFolder folder = new();
        JsonObject text = JsonNode.Parse(fixture.Config.GetRawText())!.AsObject();
        text.Remove("tie_word_embeddings");
        File.WriteAllText(folder["config.json"], new JsonObject { ["tie_word_embeddings"] = true, ["text_config"] = text }.ToJsonString());
        File.Copy(fixture.PathOf("weights.safetensors"), folder["model.safetensors"]);
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        Assert.True(EmovaModel.Load(opened).Language.Config.TieWordEmbeddings);
    }

    private static EmovaModel Load(TinyModelFolder folder)
    {
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        return EmovaModel.Load(opened);
    }
}

using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Tests.Models;
using Xunit;

namespace Emova.Tests.Checkpoints;

public class ModelFolderTests
{
    [Fact]
    public void ShardsTogetherHaveEveryTensor()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder folder = new(fixture);
        folder.Shard();
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        IReadOnlyList<SafetensorsFile> shards = opened.OpenWeights();
        Assert.Equal(2, shards.Count);
        Assert.Equal(fixture.Weights.Tensors.Keys.Order(), shards.SelectMany(shard => shard.Tensors.Keys).Order());
    }

    [Theory]
    [InlineData("../outside.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    [InlineData("")]
    [InlineData("sub/model.safetensors")]
    [InlineData("..\\model.safetensors")]
    [InlineData("model\n.safetensors")]
    public void AnIndexCannotPointOutsideTheFolder(string file)
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder folder = new(fixture);
        folder.WriteIndex(new JsonObject { ["a"] = file });
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        Assert.Contains("'a' does not name a file of this folder", Assert.Throws<EmovaException>(opened.OpenWeights).Message);
    }

    [Fact]
    public void AnIndexThatDiffersFromItsShardsIsRefused()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder folder = new(fixture);
        folder.WriteIndex(new JsonObject { ["no.such.tensor"] = "model.safetensors" });
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        Assert.Contains("'no.such.tensor' should be in model.safetensors", Assert.Throws<EmovaException>(opened.OpenWeights).Message);
        folder.WriteIndex(new JsonObject { ["a"] = "absent.safetensors" });
        Assert.Contains("has no absent.safetensors", Assert.Throws<EmovaException>(opened.OpenWeights).Message);
    }

    [Fact]
    public void StylesAndGenerationConfigAreOptional()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder folder = new(fixture);
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        Assert.Empty(opened.ReadStyles(2));
        Assert.Null(opened.ReadGenerationConfig());
        Assert.Contains("has no tokenizer.json", Assert.Throws<EmovaException>(() => opened.TokenizerPath).Message);

        SafetensorsWriter.Write(folder["styles.safetensors"], [TensorData.F32("female-happy-high", [2], [1, 2])]);
        File.WriteAllText(folder["generation_config.json"], """{"eos_token_id": 5}""");
        Assert.Equal([1, 2], opened.ReadStyles(2)["female-happy-high"]);
        Assert.Contains("'female-happy-high' has 2 values, expected 64", Assert.Throws<EmovaException>(() => opened.ReadStyles(64)).Message);
        Assert.Equal(5, opened.ReadGenerationConfig()!.WholeNumber("eos_token_id", 0, 10));
    }

    [Theory]
    [InlineData("{", "not valid JSON")]
    [InlineData("[]", "must be a JSON object")]
    [InlineData("", "not valid JSON")]
    [InlineData("deep", "not valid JSON")]
    public void DamagedConfigurationsAreRefused(string config, string reason)
    {
        using TemporaryFolder folder = new();
        if (config == "deep")
            config = string.Concat(Enumerable.Repeat("{\"a\":", 1000)) + "1" + new string('}', 1000);
        File.WriteAllText(folder["config.json"], config);
        string message = Assert.Throws<EmovaException>(() => ModelFolder.Open(folder.Folder)).Message;
        Assert.StartsWith(folder["config.json"], message);
        Assert.Contains(reason, message);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void MissingFoldersAndFilesAreNamed()
    {
        using TemporaryFolder folder = new();
        Assert.Contains("no such model folder", Assert.Throws<EmovaException>(() => ModelFolder.Open(folder["none"])).Message);
        Assert.Contains("config.json: cannot read", Assert.Throws<EmovaException>(() => ModelFolder.Open(folder.Folder)).Message);
        File.WriteAllText(folder["config.json"], "{}");
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        Assert.Contains("has no model.safetensors", Assert.Throws<EmovaException>(opened.OpenWeights).Message);
    }
}

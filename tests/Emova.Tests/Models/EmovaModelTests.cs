using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models;
using Emova.Models.Language;
using Emova.Models.Speech;
using Emova.Models.Vision;
using Xunit;

namespace Emova.Tests.Models;

public class EmovaModelTests
{
    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    [Fact]
    public void SpeechEncoderIsLoadedFromTheSameFolder()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e"), speech = Fixtures.Open("s2u_basic");
        using TinyModelFolder folder = new(fixture);
        Assert.Null(Load(folder).SpeechEncoder);
        folder.AddPart("speech_encoder_config", TinyModelFolder.Section(speech, "dims"), "speech_encoder.", speech.Weights);
        EmovaModel model = Load(folder);
        AudioClip clip = WavFile.Read(speech.PathOf("speech_en.wav"));
        int[] units = model.SpeechEncoder!.Encode(clip.Samples);
        int index = Array.IndexOf(Files(speech), "speech_en.wav");
        Assert.Equal(speech.Outputs.ReadInt64($"single{index}.unit_ids").Take(units.Length), units.Select(unit => (long)unit));
        Assert.Equal((clip.Samples.Length + 639) / 640, units.Length);

        static string[] Files(FixtureCase speech)
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllText(speech.PathOf("units.json")));
            return [.. json.RootElement.GetProperty("files").EnumerateArray().Select(file => file.GetString()!)];
        }
    }

    [Fact]
    public void SpeechDecoderIsLoadedFromTheSameFolder()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder folder = new(fixture);
        using RandomVocoder voice = new(RandomVocoder.Small);
        Assert.Null(Load(folder).SpeechDecoder);
        JsonObject section = JsonSerializer.SerializeToNode(voice.Config, SnakeCase)!.AsObject();
        folder.AddPart("speech_decoder_config", section, "", voice.File);
        SourceFilterVocoder decoder = Assert.IsType<SourceFilterVocoder>(Load(folder).SpeechDecoder);
        Assert.Equal(voice.Config with { Levels = decoder.Config.Levels }, decoder.Config);
        int[] units = [5, 77, 4000];
        VoiceSettings settings = new([0.1f, -0.2f, 0.3f, 0, 1]);
        Assert.Equal(voice.Vocoder.Synthesize(units, settings).Samples, decoder.Synthesize(units, settings).Samples);

        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        ModelPart part = ModelInspector.Inspect(opened).Parts.Single(part => part.Name == "speech decoder");
        Assert.Equal(voice.File.Tensors.Values.Sum(tensor => tensor.ElementCount), part.Parameters);
    }

    [Fact]
    public void DifferencesBetweenConfigurationAndWeightsAreListed()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder folder = new(fixture);
        folder.Config["text_config"]!["num_hidden_layers"] = 3;
        folder.Config["text_config"]!["intermediate_size"] = 71;
        folder.Config["vision_config"]!["depth"] = 1;
        folder.WriteConfig();
        string message = Assert.Throws<EmovaException>(() => Load(folder)).Message;
        Assert.Contains("12 missing: model.layers.2.self_attn.q_proj.weight [48, 48]", message);
        Assert.Contains("model.layers.0.mlp.gate_proj.weight is [72, 48], expected [71, 48]", message);
        Assert.Contains("12 unexpected: model.vision_tower.vision_tower.blocks.1.", message);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void AnyConfigurationIsLoadedOrRefusedCleanly()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder folder = new(fixture);
        string original = folder.Config.ToJsonString();
        string[] sections = ["text_config", "vision_config", "mm_projector_config"];
        string[] values = ["0", "1", "2", "-1", "3", "64", "65536", "1000000", "2147483647", "1e300", "1.5", "\"x\"", "null", "[]", "{}", "true"];
        int loaded = 0, refused = 0;
        Gen.Select(Gen.Int[0, sections.Length - 1], Gen.Int[0, 100], Gen.Int[0, values.Length - 1]).Array[1, 3].Sample(changes =>
        {
            JsonObject config = JsonNode.Parse(original)!.AsObject();
            foreach ((int section, int key, int value) in changes)
            {
                JsonObject target = config[sections[section]]!.AsObject();
                target[target.ElementAt(key % target.Count).Key] = JsonNode.Parse(values[value]);
            }

            File.WriteAllText(folder["config.json"], config.ToJsonString());
            try
            {
                Load(folder);
                loaded++;
            }
            catch (EmovaException e)
            {
                Assert.DoesNotContain('\n', e.Message);
                refused++;
            }
        }, iter: 300, threads: 1);
        Assert.True(loaded > 0 && refused > 0, $"{loaded} loaded, {refused} refused");
    }

    [Fact]
    public void PromptsNeedOnePicturePerPlaceholder()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder folder = new(fixture);
        EmovaModel model = Load(folder);
        float[] features = new float[2 * 48];
        Assert.Contains("2 image placeholders, but 1 pictures", Assert.Throws<EmovaException>(() => model.EmbedPrompt([-200, 1, -200], [features])).Message);
        Assert.Contains("0 image placeholders, but 1 pictures", Assert.Throws<EmovaException>(() => model.EmbedPrompt([1], [features])).Message);
        Assert.Equal(5 * 48, model.EmbedPrompt([-200, 1, -200], [features, features]).Length);
    }

    [Fact]
    public void ModelsWithoutVisionSaySo()
    {
        using FixtureCase fixture = Fixtures.Open("llm_qwen2_tied");
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["config.json"], new JsonObject { ["text_config"] = JsonNode.Parse(fixture.Config.GetRawText()) }.ToJsonString());
        File.Copy(fixture.PathOf("weights.safetensors"), folder["model.safetensors"]);
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        EmovaModel model = EmovaModel.Load(opened);
        Assert.Contains("no vision encoder", Assert.Throws<EmovaException>(() => model.EncodeImage(new RgbImage(1, 1, new byte[3]))).Message);
    }

    [Fact]
    public void InspectionCountsWithoutLoading()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder folder = new(fixture);
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        ModelInspection inspection = ModelInspector.Inspect(opened, contextLength: 100);
        Assert.Equal(131128, inspection.Parameters); // the number recorded with the case
        Assert.InRange(inspection.Plan.WeightBytes, 131128 * 4, 131128 * 5); // panels of 16 rows and a place for every bias
        Assert.Equal(["language", "projector", "vision"], inspection.Parts.Select(part => part.Name).Order());
        Assert.Equal(48 * 40 + 48 + 48 * 48 + 48, inspection.Parts.Single(part => part.Name == "projector").Parameters);
        EmovaModel model = Load(folder);
        Assert.Equal(model.Language.CreateCache(100).SizeInBytes, inspection.Plan.CacheBytes);
        Assert.Contains("1 to 4096", Assert.Throws<EmovaException>(() => ModelInspector.Inspect(opened, 4097)).Message);
    }

    private static EmovaModel Load(TinyModelFolder folder)
    {
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        return EmovaModel.Load(opened);
    }
}

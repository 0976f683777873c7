using Emova.Checkpoints;
using Emova.Models;
using Emova.Models.Language;
using Emova.Training.Infrastructure;
using Emova.Training.Modules;
using Emova.Training.Stages;
using Emova.Training.Stages.Language;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests.Stages;

/// <summary>Adapters: what is trained is what the runtime computes, beside the model, merged, and for several conversations at once.</summary>
public sealed class AdapterTests : IDisposable
{
    private const double Tolerance = 1e-4;
    private static readonly int[] Ids = [1, 5, 39, 0, 7, 7, 22];

    private static readonly TinyModelConfig Config = new(
        new Emova.Models.Vision.Qwen2VisionConfig { Depth = 1, EmbedDim = 16, HiddenSize = 16, NumHeads = 2, MinPixels = 1, MaxPixels = 1 << 20 },
        new DenseDecoderConfig
        {
            VocabSize = 40, HiddenSize = 32, IntermediateSize = 48, NumHiddenLayers = 2, NumAttentionHeads = 4, NumKeyValueHeads = 2,
            RopeTheta = 10000, MaxPositionEmbeddings = 64, TieWordEmbeddings = true,
        },
        2);

    private readonly string _folder = Directory.CreateTempSubdirectory("emova-adapter").FullName;

    private string Base => Path.Combine(_folder, "base");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_runtime_computes_what_was_trained(bool dora)
    {
        float[] trained = Train("mine", dora, seed: 1);
        LanguageModel model = Load(Base);
        float[] untouched = Logits(model, null);
        LoraAdapter adapter = LoraAdapter.Load(AdapterFile.Open(Path.Combine(_folder, "mine")), model);
        AssertClose(trained, Logits(model, adapter));
        Assert.Equal(untouched, Logits(model, null));
        Assert.True(untouched.Zip(trained, (a, b) => Math.Abs(a - b)).Max() > 0.05, "training changed nothing");

        Assert.Equal(14, AdapterMerger.Merge(Base, Path.Combine(_folder, "mine"), Path.Combine(_folder, "merged")));
        AssertClose(trained, Logits(Load(Path.Combine(_folder, "merged")), null));
        Assert.Contains("own folder", Assert.Throws<EmovaException>(() => AdapterMerger.Merge(Base, Path.Combine(_folder, "mine"), Base)).Message);
    }

    [Fact]
    public void Conversations_with_different_adapters_share_a_pass()
    {
        Train("first", dora: false, seed: 1);
        Train("second", dora: true, seed: 2);
        LanguageModel model = Load(Base);
        LoraAdapter?[] adapters = [.. new[] { "first", "second" }.Select(name => LoraAdapter.Load(AdapterFile.Open(Path.Combine(_folder, name)), model)), null];
        float[][] alone = [.. adapters.Select(adapter => Logits(model, adapter)[^Config.Text.VocabSize..])];

        DecodeBatch batch = new(model);
        int[] entries = [.. adapters.Select(adapter => batch.Add(model.CreateCache(64, adapter: adapter), Ids))];
        batch.Run();
        for (int i = 0; i < entries.Length; i++) Assert.Equal(alone[i], batch.Logits(entries[i]).ToArray());
        Assert.NotEqual(alone[0], alone[1]);
        Assert.Throws<ArgumentException>(() => Load(Base).CreateCache(8, adapter: adapters[0]));
    }

    [Fact]
    public void A_damaged_adapter_is_named()
    {
        Train("mine", dora: false, seed: 1);
        string folder = Path.Combine(_folder, "mine"), config = Path.Combine(folder, AdapterFile.ConfigName), good = File.ReadAllText(config);
        LanguageModel model = Load(Base);
        Refused(good.Replace("\"LORA\"", "\"IA3\""), "peft_type");
        Refused(good.Replace("\"r\": 3", "\"r\": 4"), "rank 4");
        Refused(good.Replace("\"use_dora\": false", "\"use_dora\": true"), "lora_magnitude_vector");
        Refused(good.Replace("\"bias\": \"none\"", "\"bias\": \"all\""), "bias");
        Refused(good.Insert(1, "\"rank_pattern\": {\"q_proj\": 2},"), "rank_pattern");
        File.WriteAllText(config, good);
        using (SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, AdapterFile.WeightsName)))
        {
            SafetensorsWriter.Write(Path.Combine(folder, "other.safetensors"), file.Tensors.Values.Select(t =>
                TensorData.F32(t.Name.Replace("layers.1.", "layers.7.", StringComparison.Ordinal), [.. t.Shape], file.ReadFloat32(t.Name))));
        }
        File.Move(Path.Combine(folder, "other.safetensors"), Path.Combine(folder, AdapterFile.WeightsName), overwrite: true);
        Assert.Contains("layer 7", Assert.Throws<EmovaException>(() => LoraAdapter.Load(AdapterFile.Open(folder), model)).Message);
        Assert.Contains("no such adapter folder", Assert.Throws<EmovaException>(() => AdapterFile.Open(Path.Combine(_folder, "none"))).Message);

        void Refused(string text, string reason)
        {
            File.WriteAllText(config, text);
            Assert.Contains(reason, Assert.Throws<EmovaException>(() => AdapterFile.Open(folder)).Message);
        }
    }

    [Theory]
    [InlineData("rank", "-1")]
    [InlineData("alpha", "0")]
    [InlineData("dropout", "1")]
    [InlineData("targets", "[lm_head]")]
    public void Settings_out_of_range_are_named(string key, string value)
    {
        LoraSettings settings = StageConfig.Load<LanguageSettings>(null, ["lora.rank=2", $"lora.{key}={value}"]).Lora;
        Assert.Contains($"lora.{key}", Assert.Throws<EmovaException>(settings.Validate).Message);
    }

    /// <summary>Trains an adapter for some steps on the same random model and returns the logits of the training twin.</summary>
    private float[] Train(string name, bool dora, int seed)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(3);
        using OmniModel model = new(Config, TwinOptions.Exact);
        Directory.CreateDirectory(Base);
        File.WriteAllText(Path.Combine(Base, "config.json"), "{}");
        model.Store.Save(Path.Combine(Base, "model.safetensors"));
        random.manual_seed(seed);
        LoraSettings settings = new() { Rank = 3, Alpha = 6, Dropout = 0, Dora = dora };
        LanguageAdapter adapter = LanguageAdapter.Attach(model.Language, settings);
        Dictionary<string, float[]> before = model.Store.Parameters.ToDictionary(p => p.Key, p => ParameterStore.Values(p.Value).ToArray());
        AdamW optimizer = new(adapter.Store);
        Tensor ids = tensor(Ids.Select(id => (long)id).ToArray()).unsqueeze(0);
        for (int i = 0; i < 6; i++)
        {
            optimizer.ZeroGradients();
            Tensor targets = tensor(Enumerable.Range(0, Ids.Length).Select(k => (long)((k + seed) * 5 % 40)).ToArray());
            model.Language.Loss(model.Language.Hidden(model.Language.Embed(ids)), arange(Ids.Length, ScalarType.Int64), targets).backward();
            optimizer.Step(0.02, 100);
        }
        Assert.All(model.Store.Parameters, p => Assert.Equal(before[p.Key], ParameterStore.Values(p.Value).ToArray()));
        string checkpoint = Path.Combine(_folder, "checkpoint.safetensors");
        adapter.Store.Save(checkpoint);
        adapter.Export(checkpoint, Path.Combine(_folder, name), Base);
        using IDisposable noGrad = no_grad();
        return model.Language.Logits(model.Language.Hidden(model.Language.Embed(ids))).data<float>().ToArray();
    }

    private static LanguageModel Load(string folder)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors"));
        return LanguageModel.Load(Config.Text, new WeightLoader([file]));
    }

    private static float[] Logits(LanguageModel model, LoraAdapter? adapter)
    {
        float[] logits = new float[Ids.Length * Config.Text.VocabSize];
        model.Forward(model.CreateCache(64, adapter: adapter), Ids, logits);
        return logits;
    }

    private static void AssertClose(float[] expected, float[] actual)
    {
        double difference = expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max();
        Assert.True(difference <= Tolerance, $"largest difference {difference}");
    }
}

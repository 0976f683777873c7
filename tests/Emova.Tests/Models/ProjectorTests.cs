using System.Text.Json;
using Emova.Checkpoints;
using Emova.Models.Vision;
using Xunit;

namespace Emova.Tests.Models;

[Trait("Category", "Golden")]
public class ProjectorTests
{
    private const double Tolerance = 5e-5;

    public static TheoryData<string> Cases => Fixtures.Cases("projectors");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void ProjectorsMatchTheReferenceAtEveryStage(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        HashSet<string> compared = [];
        foreach (JsonElement item in fixture.Config.GetProperty("projectors").EnumerateArray())
        {
            string key = item.GetProperty("name").GetString()!;
            WeightLoader weights = new WeightLoader([fixture.Weights]).Push(key);
            ProjectorConfig config = ProjectorConfig.Read(new ConfigSection($"{name}/config.json: {key}", item.GetProperty("cfg")));
            Projector projector = Projector.Load(config, item.GetProperty("mm_hidden_size").GetInt32(), item.GetProperty("hidden_size").GetInt32(), weights);
            weights.Finish();
            Assert.Equal(item.GetProperty("downsample_rate_per_side").GetDouble(), projector.DownsampleRatePerSide, 9);

            // Stages are probed tile by tile; the recorded ones hold all tiles, as (tiles, C, rows, columns) or (tokens, 1, C).
            float[] x = fixture.Inputs.ReadFloat32($"{key}.x");
            int tiles = (int)fixture.Inputs.Tensors[$"{key}.x"].Shape[0], tile = 0;
            List<float> y = [];
            for (; tile < tiles; tile++)
            {
                int length = x.Length / tiles;
                y.AddRange(projector.Forward(x.AsSpan(tile * length, length), (stage, values) =>
                {
                    string output = $"{key}.act.{stage}";
                    fixture.AssertClose(output, TileOf(fixture, output, tile, tiles), values, Tolerance);
                    compared.Add(output);
                }));
            }

            fixture.AssertClose($"{key}.y", y.ToArray(), Tolerance);
            Assert.Equal(y, projector.Forward(x)); // bit for bit
            compared.Add($"{key}.y");
        }

        Assert.Equal(fixture.Outputs.Tensors.Keys.Order(), compared.Order());
    }

    [Theory]
    [InlineData("""{"num_input_token": 0}""", "num_input_token must be a whole number from 1 to 1048576, is 0")]
    [InlineData("""{"num_input_token": 63}""", "num_input_token 63 must be a square number")]
    [InlineData("""{"downsample_size": [12, 12]}""", "num_input_token 64 divided by downsample_rate 4 must give the 12 x 12 tokens")]
    [InlineData("""{"downsample_size": [4]}""", "downsample_size must be one or two whole numbers from 1 to 1024, is [4]")]
    [InlineData("""{"downsample_size": [4, 1e9]}""", "downsample_size must be one or two whole numbers")]
    [InlineData("""{"downsample_size": 2147483648}""", "downsample_size must be a whole number from 1 to 1024")]
    [InlineData("""{"downsample_rate": 0}""", "downsample_rate must be a number from 1 to 65536")]
    [InlineData("""{"conv_block_depth": 65}""", "conv_block_depth must be a whole number from 1 to 64")]
    [InlineData("""{"conv_hidden_size": -1}""", "conv_hidden_size must be a whole number from 1 to 65536")]
    [InlineData("""{"type": "SelfMiningMMProjector"}""", "a multiple of 64 channels, the vision encoder gives 48")]
    [InlineData("""{"type": "SelfMiningMMProjector", "num_input_token": 49, "downsample_rate": 3, "downsample_size": 4}""", "must divide the 7 x 7 tokens", 64)]
    [InlineData("""{"type": "QFormer"}""", "type must be one of MLPProjector, CAbstractorMMProjector, SelfMiningMMProjector")]
    public void HostileConfigurationsAreRefused(string changes, string message, int inputs = 48)
    {
        Dictionary<string, JsonElement> config = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(
            """{"type": "CAbstractorMMProjector", "downsample_rate": 4, "downsample_size": 4, "num_input_token": 64}""")!;
        foreach ((string key, JsonElement value) in JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(changes)!)
            config[key] = value;
        ConfigSection section = new("config.json: mm_projector", JsonSerializer.SerializeToElement(config));
        EmovaException error = Assert.Throws<EmovaException>(() => Projector.Load(ProjectorConfig.Read(section), inputs, 40, new WeightLoader([])));
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void RatesThatAreNotWholeAreRoundedDownToTheSize()
    {
        // SigLIP's 27 x 27 tokens at rate 2.84 become 16 x 16, as in the reference's configuration.
        using JsonDocument json = JsonDocument.Parse("""{"type": "CAbstractorMMProjector", "downsample_rate": 2.84, "downsample_size": [16, 16], "num_input_token": 729}""");
        ProjectorConfig config = ProjectorConfig.Read(new ConfigSection("config.json: mm_projector", json.RootElement));
        Assert.Equal((27, (16, 16)), (config.InputSide, config.DownsampleSize));
        config = config with { ConvHiddenSize = 8, ConvBlockDepth = 1 };
        Projector projector = Projector.Load(config, 6, 5, new WeightLoader([]));
        Assert.Equal(16, (int)(27 / projector.DownsampleRatePerSide));
        Assert.Equal(2 * 16 * 16 * 5, projector.Forward(new float[2 * 729 * 6]).Length);
        Assert.Throws<ArgumentException>(() => projector.Forward(new float[728 * 6]));
    }

    /// <summary>One tile of a recorded stage, channel-last.</summary>
    private static float[] TileOf(FixtureCase fixture, string output, int tile, int tiles)
    {
        int[] shape = fixture.ShapeOf(output);
        float[] all = fixture.Outputs.ReadFloat32(output);
        float[] values = all[(tile * all.Length / tiles)..((tile + 1) * all.Length / tiles)];
        if (shape is not [_, var channels, _, _])
            return values;
        int area = values.Length / channels;
        return [.. Enumerable.Range(0, values.Length).Select(i => values[i % channels * area + i / channels])];
    }
}

using System.Text.Json;
using Emova.Training.Modules;
using Emova.Training.Modules.Vision;
using TorchSharp;
using Qwen2VisionConfig = Emova.Models.Vision.Qwen2VisionConfig;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests.Modules;

public sealed class VisionTwinTests
{
    private const double Tolerance = 5e-5;

    [Fact]
    public void Vision_tower_and_projector_reproduce_the_reference()
    {
        using GoldenCase golden = new("qwen2vit");
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        JsonElement vision = golden.Config.GetProperty("vision");
        int hidden = vision.GetProperty("hidden_size").GetInt32();
        Qwen2VisionTransformer tower = new(
            new Qwen2VisionConfig
            {
                Depth = vision.GetProperty("depth").GetInt32(),
                EmbedDim = vision.GetProperty("embed_dim").GetInt32(),
                HiddenSize = hidden,
                MlpRatio = vision.GetProperty("mlp_ratio").GetInt32(),
                NumHeads = vision.GetProperty("num_heads").GetInt32(),
            },
            TwinOptions.Exact);
        golden.Load(tower, "vision_tower.");
        MlpProjector projector = new(hidden, golden.Config.GetProperty("projector").GetProperty("hidden_size").GetInt32(), 2, TwinOptions.Exact);
        golden.Load(projector, "mm_projector.");

        Tensor pixels = golden.Input("pixel_values");
        (int Rows, int Columns)[] grids = [(4, 4), (10, 8)];
        Tensor features = tower.Forward(pixels, grids);
        GoldenCase.AssertClose(golden.Output("features"), features, Tolerance);
        GoldenCase.AssertClose(golden.Output("projected"), projector.Forward(features), Tolerance);

        // Equal images share one batch; neither that nor their neighbors may change the result.
        Tensor first = pixels.narrow(0, 0, 16);
        Tensor thrice = tower.Forward(cat([first, first, pixels.narrow(0, 16, 80), first]), [grids[0], grids[0], grids[1], grids[0]]);
        Tensor alone = features.narrow(0, 0, 4);
        GoldenCase.AssertClose(cat([alone, alone, features.narrow(0, 4, 20), alone]), thrice, Tolerance);
    }

    [Fact]
    public void Mlp_projector_reproduces_the_reference()
    {
        using GoldenCase golden = new("projectors");
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        MlpProjector projector = new(48, 40, 2, TwinOptions.Exact);
        golden.Load(projector, "mlp.");
        Tensor input = golden.Input("mlp.x");
        GoldenCase.AssertClose(golden.Output("mlp.y"), projector.Forward(input), Tolerance);
    }
}

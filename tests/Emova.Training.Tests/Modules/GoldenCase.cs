using System.Text.Json;
using Emova.Checkpoints;
using Emova.Tests;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests.Modules;

/// <summary>One folder of reference tensors: weights, inputs and outputs of a module of the reference implementation.</summary>
internal sealed class GoldenCase : IDisposable
{
    private readonly SafetensorsFile _inputs;
    private readonly SafetensorsFile _outputs;
    private readonly SafetensorsFile _weights;
    private readonly JsonDocument _config;

    public GoldenCase(string name)
    {
        _inputs = SafetensorsFile.Open(Fixtures.File(name, "inputs.safetensors"));
        _outputs = SafetensorsFile.Open(Fixtures.File(name, "outputs.safetensors"));
        _weights = SafetensorsFile.Open(Fixtures.File(name, "weights.safetensors"));
        _config = JsonDocument.Parse(File.ReadAllBytes(Fixtures.File(name, "config.json")));
    }

    public JsonElement Config => _config.RootElement;

    public Tensor Input(string name) => Read(_inputs, name);

    public Tensor Output(string name) => Read(_outputs, name);

    /// <summary>Copies the weights below a prefix into a module; both sides must have exactly the same names and shapes.</summary>
    public void Load(nn.Module module, string prefix = "")
    {
        using IDisposable noGrad = no_grad();
        Dictionary<string, Tensor> state = module.state_dict();
        string[] names = [.. _weights.Tensors.Keys.Where(k => k.StartsWith(prefix, StringComparison.Ordinal)).Select(k => k[prefix.Length..])];
        Assert.Equal(names.Order(StringComparer.Ordinal), state.Keys.Order(StringComparer.Ordinal));
        foreach (string name in names)
        {
            Tensor value = Read(_weights, prefix + name);
            Assert.Equal(value.shape, state[name].shape);
            state[name].copy_(value);
        }
    }

    public static void AssertClose(Tensor expected, Tensor actual, double tolerance)
    {
        Assert.Equal(expected.shape, actual.shape);
        float difference = (expected - actual).abs().max().item<float>();
        Assert.True(difference <= tolerance, $"largest difference {difference}, allowed {tolerance}");
    }

    public void Dispose()
    {
        _inputs.Dispose();
        _outputs.Dispose();
        _weights.Dispose();
        _config.Dispose();
    }

    private static Tensor Read(SafetensorsFile file, string name)
    {
        TensorInfo info = file.Tensors[name];
        long[] shape = [.. info.Shape];
        return info.DType == DType.I64 ? tensor(file.ReadInt64(name), shape) : tensor(file.ReadFloat32(name), shape);
    }
}

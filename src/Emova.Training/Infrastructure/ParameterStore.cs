using System.Runtime.InteropServices;
using Emova.Checkpoints;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Emova.Training.Infrastructure;

/// <summary>
/// The trainable tensors of a model under their checkpoint names, in the order of creation. Models are written as functions
/// over these tensors, so the names in the training code, the runtime code and the file are the same strings.
/// </summary>
public sealed class ParameterStore
{
    private readonly List<KeyValuePair<string, Tensor>> _parameters = [];
    private readonly List<KeyValuePair<string, Tensor>> _constants = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);

    /// <summary>Trainable tensors (float32, on the CPU, contiguous).</summary>
    public IReadOnlyList<KeyValuePair<string, Tensor>> Parameters => _parameters;

    /// <summary>Tensors that are stored but not trained (filter banks).</summary>
    public IReadOnlyList<KeyValuePair<string, Tensor>> Constants => _constants;

    /// <summary>Number of trainable values.</summary>
    public long Count => _parameters.Sum(pair => pair.Value.numel());

    /// <summary>The scope whose names have no prefix.</summary>
    public ParameterScope Root => new(this, "");

    /// <summary>Takes over the parameters of TorchSharp modules under the names given by <paramref name="rename"/>.</summary>
    public void AddModule(nn.Module module, Func<string, string> rename)
    {
        foreach ((string name, Parameter parameter) in module.named_parameters()) Add(rename(name), parameter);
    }

    internal Tensor Add(string name, Tensor value, bool trainable = true)
    {
        if (!_names.Add(name)) throw new ArgumentException($"parameter '{name}' exists twice", nameof(name));
        Tensor tensor = trainable && value is not Parameter ? new Parameter(value.detach()) : value;
        tensor.DetachFromDisposeScope();
        (trainable ? _parameters : _constants).Add(new(name, tensor));
        return tensor;
    }

    /// <summary>
    /// All tensors, <paramref name="prefix"/> before each name. Trained ones are stored as <paramref name="type"/> (F32 or
    /// BF16), constants always as F32: filter banks must stay what training used.
    /// </summary>
    public IEnumerable<TensorData> Export(DType type = DType.F32, string prefix = "")
    {
        foreach ((string name, Tensor tensor) in _parameters)
            yield return type == DType.BF16
                ? TensorData.BF16(prefix + name, tensor.shape, Values(tensor))
                : TensorData.F32(prefix + name, tensor.shape, Values(tensor));
        foreach ((string name, Tensor tensor) in _constants)
            yield return TensorData.F32(prefix + name, tensor.shape, Values(tensor));
    }

    /// <summary>Rounds all trained values to what bfloat16 storage keeps of them.</summary>
    public void RoundToBrainFloat()
    {
        using IDisposable inference = no_grad();
        foreach ((_, Tensor tensor) in _parameters)
        {
            using Tensor rounded = tensor.to(ScalarType.BFloat16);
            tensor.copy_(rounded);
        }
    }

    /// <summary>Writes all tensors as float32.</summary>
    public void Save(string path) => SafetensorsWriter.Write(path, Export());

    /// <summary>
    /// Reads every tensor; <paramref name="prefix"/> is put before each name. Missing, unexpected or misshapen tensors are
    /// errors; names in <paramref name="ignored"/> may be in the file without a counterpart here.
    /// </summary>
    public void Load(string path, string prefix = "", params IEnumerable<string> ignored)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        foreach ((string name, Tensor tensor) in _parameters.Concat(_constants))
        {
            if (!file.Tensors.TryGetValue(prefix + name, out TensorInfo? info)) throw new EmovaException($"{path}: tensor '{prefix + name}' is missing");
            if (!info.Shape.SequenceEqual(tensor.shape))
                throw new EmovaException($"{path}: tensor '{prefix + name}' has shape {info.ShapeText}, expected [{string.Join(", ", tensor.shape)}]");
            file.ReadFloat32(prefix + name, Values(tensor));
        }
        string? extra = file.Tensors.Keys.FirstOrDefault(name => name.StartsWith(prefix, StringComparison.Ordinal) && !_names.Contains(name[prefix.Length..]) && !ignored.Contains(name[prefix.Length..]));
        if (extra is not null) throw new EmovaException($"{path}: unexpected tensor '{extra}'");
    }

    /// <summary>The memory of a contiguous float32 CPU tensor.</summary>
    public static Span<float> Values(Tensor tensor)
    {
        if (tensor.dtype != ScalarType.Float32 || !tensor.is_contiguous()) throw new ArgumentException("a contiguous float32 tensor is needed", nameof(tensor));
        return MemoryMarshal.Cast<byte, float>(tensor.bytes);
    }
}

/// <summary>Creates parameters below a name prefix; <c>scope.Push("layers.0")</c> goes one level down.</summary>
public readonly record struct ParameterScope(ParameterStore Store, string Prefix)
{
    /// <summary>The scope "prefix.name.".</summary>
    public ParameterScope Push(string name) => new(Store, $"{Prefix}{name}.");

    /// <summary>The scope of list element <paramref name="index"/>.</summary>
    public ParameterScope Push(int index) => Push(index.ToString(System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>Gaussian values with the given standard deviation.</summary>
    public Tensor Normal(string name, double deviation, params long[] shape)
    {
        using (no_grad()) return Store.Add(Prefix + name, randn(shape) * deviation);
    }

    /// <summary>A constant start value (biases, norm scales).</summary>
    public Tensor Full(string name, double value, params long[] shape)
    {
        using (no_grad()) return Store.Add(Prefix + name, full(shape, value, ScalarType.Float32));
    }

    /// <summary>A tensor that is stored with the model but not trained.</summary>
    public Tensor Constant(string name, ReadOnlySpan<float> values, params long[] shape) =>
        Store.Add(Prefix + name, tensor(values.ToArray(), shape), trainable: false);
}

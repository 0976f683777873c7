using System.Numerics;
using System.Runtime.InteropServices;
using Emova.Checkpoints;
using Emova.Training.Distributed;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Infrastructure;

/// <summary>
/// AdamW with decoupled weight decay (arXiv 1711.05101) over a <see cref="ParameterStore"/>, in one pass per tensor. Vectors
/// and scalars (biases, norms) are not decayed. The state is plain named tensors, so it is stored like weights. Where several processes train
/// together, each keeps the state of its shard only.
/// </summary>
public sealed class AdamW
{
    private readonly ParameterStore _store;
    private readonly ParameterShards _shards;
    private readonly float[][] _first; // per slice of the own shard; alone: per parameter
    private readonly float[][] _second;
    private (float[][] First, float[][] Second)? _collected;

    /// <summary>An optimizer without history; <c>group</c> = the processes that train together, null = those this one was started with.</summary>
    public AdamW(ParameterStore store, double beta1 = 0.9, double beta2 = 0.98, double weightDecay = 0.01, double epsilon = 1e-8, ProcessGroup? group = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        _store = store;
        (Beta1, Beta2, WeightDecay, Epsilon) = (beta1, beta2, weightDecay, epsilon);
        _shards = new ParameterShards(store, group ?? ProcessGroup.World);
        _first = [.. _shards.Own.Select(slice => new float[slice.Length])];
        _second = [.. _shards.Own.Select(slice => new float[slice.Length])];
    }

    /// <summary>The processes that train together.</summary>
    public ProcessGroup Group => _shards.Group;

    public double Beta1 { get; private set; }

    public double Beta2 { get; private set; }

    public double WeightDecay { get; }

    public double Epsilon { get; private set; }

    /// <summary>Updates made so far.</summary>
    public long Steps { get; private set; }

    /// <summary>Learning-rate factor per parameter name, for parts that train slower; null: all 1. A factor of 0 freezes.</summary>
    public Func<string, double>? RateFactor { get; set; }

    /// <summary>Takes over the constants that settings give.</summary>
    public void Apply(OptimizerSettings constants) =>
        (Beta1, Beta2, Epsilon) = (constants.Beta1 ?? Beta1, constants.Beta2 ?? Beta2, constants.Epsilon ?? Epsilon);

    /// <summary>Forgets all gradients.</summary>
    public void ZeroGradients()
    {
        foreach ((_, Tensor parameter) in _store.Parameters)
        {
            using Tensor? gradient = parameter.grad;
            gradient?.zero_();
        }
    }

    /// <summary>
    /// One update with the sum of the gradients of all processes, scaled so that their overall norm is at most
    /// <paramref name="clipNorm"/>. A step whose gradients are not finite is skipped. Returns the norm before clipping.
    /// </summary>
    public double Step(double learningRate, double clipNorm)
    {
        Tensor?[] gradients = [.. _store.Parameters.Select(pair => Gradient(pair.Value))];
        _shards.Reduce(gradients);
        double norm = Math.Sqrt(_shards.SumOfSquares(gradients));
        if (double.IsFinite(norm))
        {
            Steps++;
            float scale = (float)(norm > clipNorm ? clipNorm / (norm + 1e-6) : 1.0);
            double correction1 = 1 - Math.Pow(Beta1, Steps), correction2 = 1 - Math.Pow(Beta2, Steps);
            for (int i = 0; i < _first.Length; i++)
            {
                Slice slice = _shards.Own[i];
                if (gradients[slice.Tensor] is not Tensor gradient) continue;
                (string name, Tensor parameter) = (_store.Parameters[slice.Tensor].Key, _store.Parameters[slice.Tensor].Value);
                double rate = learningRate * (RateFactor?.Invoke(name) ?? 1.0);
                if (rate == 0) continue;
                double decay = parameter.dim() >= 2 ? WeightDecay : 0;
                Update(ParameterStore.Values(parameter).Slice(slice.Start, slice.Length), ParameterStore.Values(gradient).Slice(slice.Start, slice.Length),
                    _first[i], _second[i], scale, (float)(rate / correction1), (float)(1 / Math.Sqrt(correction2)), (float)(1 - rate * decay));
            }
            _shards.Publish();
        }
        foreach (Tensor? gradient in gradients) gradient?.Dispose();
        return norm;
    }

    /// <summary>Brings the state of all processes to the first one, which <see cref="Save"/> then writes. Nothing to do alone.</summary>
    public void Collect()
    {
        if (Group.Size == 1) return;
        float[][]? first = _shards.Collect(_first), second = _shards.Collect(_second);
        _collected = first is null || second is null ? null : (first, second);
    }

    /// <summary>The state as tensors named "first.NAME" and "second.NAME", the same whatever number of processes trained.</summary>
    public void Save(string path)
    {
        (float[][] first, float[][] second) = Group.Size == 1
            ? (_first, _second)
            : _collected ?? throw new InvalidOperationException("the state of the other processes has not been collected");
        IEnumerable<TensorData> state = _store.Parameters.SelectMany((pair, i) => new[]
        {
            TensorData.F32("first." + pair.Key, [first[i].Length], first[i]),
            TensorData.F32("second." + pair.Key, [second[i].Length], second[i]),
        });
        SafetensorsWriter.Write(path, state.Append(TensorData.I64("steps", [1], [Steps])));
        _collected = null;
    }

    /// <summary>Restores what <see cref="Save"/> wrote, on any number of processes.</summary>
    public void Load(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        for (int i = 0; i < _first.Length; i++)
        {
            Slice slice = _shards.Own[i];
            (string name, Tensor parameter) = (_store.Parameters[slice.Tensor].Key, _store.Parameters[slice.Tensor].Value);
            Read("first." + name, _first[i]);
            Read("second." + name, _second[i]);

            // What once had a gradient has one of zeros in steps that do not touch it, and is updated; it must be so after a resume, too.
            using Tensor? gradient = parameter.grad;
            if (gradient is null && parameter.requires_grad && _second[i].AsSpan().ContainsAnyExcept(0f)) ParameterShards.GiveZeroGradient(parameter).Dispose();

            void Read(string tensor, float[] target)
            {
                float[] whole = slice.Length == parameter.numel() ? target : new float[parameter.numel()];
                file.ReadFloat32(tensor, whole);
                if (whole != target) whole.AsSpan(slice.Start, slice.Length).CopyTo(target);
            }
        }
        Steps = file.ReadInt64("steps")[0];
    }

    private static Tensor? Gradient(Tensor parameter)
    {
        Tensor? gradient = parameter.grad;
        if (gradient is null || gradient.is_contiguous()) return gradient;
        using (gradient) return gradient.contiguous();
    }

    private void Update(Span<float> weight, ReadOnlySpan<float> gradient, float[] first, float[] second, float scale, float rate, float rootCorrection, float keep)
    {
        float b1 = (float)Beta1, b2 = (float)Beta2, epsilon = (float)Epsilon;
        int lanes = Vector<float>.Count, i = 0;
        Vector<float> one1 = new(1 - b1), one2 = new(1 - b2);
        for (; i <= weight.Length - lanes; i += lanes)
        {
            Vector<float> g = new Vector<float>(gradient[i..]) * scale;
            Vector<float> m = new Vector<float>(first, i) * b1 + g * one1;
            Vector<float> v = new Vector<float>(second, i) * b2 + g * g * one2;
            m.CopyTo(first, i);
            v.CopyTo(second, i);
            Vector<float> step = m * rate / (Vector.SquareRoot(v) * rootCorrection + new Vector<float>(epsilon));
            (new Vector<float>(weight[i..]) * keep - step).CopyTo(weight[i..]);
        }
        for (; i < weight.Length; i++)
        {
            float g = gradient[i] * scale;
            first[i] = first[i] * b1 + g * (1 - b1);
            second[i] = second[i] * b2 + g * g * (1 - b2);
            weight[i] = weight[i] * keep - first[i] * rate / (MathF.Sqrt(second[i]) * rootCorrection + epsilon);
        }
    }
}

using System.Numerics;
using System.Runtime.InteropServices;
using Emova.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Infrastructure;

/// <summary>
/// AdamW with decoupled weight decay (arXiv 1711.05101) over a <see cref="ParameterStore"/>, in one pass per tensor. Vectors
/// and scalars (biases, norms) are not decayed. The state is plain named tensors, so it is stored like weights.
/// </summary>
public sealed class AdamW
{
    private readonly ParameterStore _store;
    private readonly float[][] _first;
    private readonly float[][] _second;

    public AdamW(ParameterStore store, double beta1 = 0.9, double beta2 = 0.98, double weightDecay = 0.01, double epsilon = 1e-8)
    {
        ArgumentNullException.ThrowIfNull(store);
        _store = store;
        (Beta1, Beta2, WeightDecay, Epsilon) = (beta1, beta2, weightDecay, epsilon);
        _first = [.. store.Parameters.Select(pair => new float[pair.Value.numel()])];
        _second = [.. store.Parameters.Select(pair => new float[pair.Value.numel()])];
    }

    public double Beta1 { get; }

    public double Beta2 { get; }

    public double WeightDecay { get; }

    public double Epsilon { get; }

    /// <summary>Updates made so far.</summary>
    public long Steps { get; private set; }

    /// <summary>Learning-rate factor per parameter name, for parts that train slower; null: all 1. A factor of 0 freezes.</summary>
    public Func<string, double>? RateFactor { get; set; }

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
    /// One update. Gradients are scaled so that their overall norm is at most <paramref name="clipNorm"/>. A step whose
    /// gradients are not finite is skipped. Returns the norm before clipping.
    /// </summary>
    public double Step(double learningRate, double clipNorm)
    {
        Tensor?[] gradients = [.. _store.Parameters.Select(pair => Gradient(pair.Value))];
        double squares = 0;
        foreach (Tensor? gradient in gradients)
            if (gradient is not null) squares += SumOfSquares(ParameterStore.Values(gradient));
        double norm = Math.Sqrt(squares);
        if (double.IsFinite(norm))
        {
            Steps++;
            float scale = (float)(norm > clipNorm ? clipNorm / (norm + 1e-6) : 1.0);
            double correction1 = 1 - Math.Pow(Beta1, Steps), correction2 = 1 - Math.Pow(Beta2, Steps);
            for (int i = 0; i < gradients.Length; i++)
            {
                if (gradients[i] is not Tensor gradient) continue;
                (string name, Tensor parameter) = (_store.Parameters[i].Key, _store.Parameters[i].Value);
                double rate = learningRate * (RateFactor?.Invoke(name) ?? 1.0);
                if (rate == 0) continue;
                double decay = parameter.dim() >= 2 ? WeightDecay : 0;
                Update(ParameterStore.Values(parameter), ParameterStore.Values(gradient), _first[i], _second[i], scale,
                    (float)(rate / correction1), (float)(1 / Math.Sqrt(correction2)), (float)(1 - rate * decay));
            }
        }
        foreach (Tensor? gradient in gradients) gradient?.Dispose();
        return norm;
    }

    /// <summary>The state as tensors named "first.NAME" and "second.NAME".</summary>
    public void Save(string path)
    {
        IEnumerable<TensorData> state = _store.Parameters.SelectMany((pair, i) => new[]
        {
            TensorData.F32("first." + pair.Key, [_first[i].Length], _first[i]),
            TensorData.F32("second." + pair.Key, [_second[i].Length], _second[i]),
        });
        SafetensorsWriter.Write(path, state.Append(TensorData.I64("steps", [1], [Steps])));
    }

    /// <summary>Restores what <see cref="Save"/> wrote.</summary>
    public void Load(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        for (int i = 0; i < _first.Length; i++)
        {
            file.ReadFloat32("first." + _store.Parameters[i].Key, _first[i]);
            file.ReadFloat32("second." + _store.Parameters[i].Key, _second[i]);
        }
        Steps = file.ReadInt64("steps")[0];
    }

    private static Tensor? Gradient(Tensor parameter)
    {
        Tensor? gradient = parameter.grad;
        if (gradient is null || gradient.is_contiguous()) return gradient;
        using (gradient) return gradient.contiguous();
    }

    private static double SumOfSquares(ReadOnlySpan<float> values)
    {
        double total = 0;
        // Partial sums in float32 over short pieces, in double over pieces: exact enough for a norm and fully vectorized.
        for (int start = 0; start < values.Length; start += 4096)
            total += System.Numerics.Tensors.TensorPrimitives.SumOfSquares(values.Slice(start, Math.Min(4096, values.Length - start)));
        return total;
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

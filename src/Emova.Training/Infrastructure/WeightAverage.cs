using Emova.Checkpoints;
using static TorchSharp.torch;

namespace Emova.Training.Infrastructure;

/// <summary>
/// Exponential moving average of the trained weights: average = d * average + (1 - d) * weight after every update, with
/// d = min(decay, (1 + n) / (10 + n)) after n updates, so that the random start is soon forgotten.
/// </summary>
public sealed class WeightAverage
{
    private readonly (string Name, Tensor Weight, float[] Average)[] _entries;
    private readonly double _decay;

    /// <param name="store">the weights; the average begins with what they are now</param>
    /// <param name="decay">0 to 1 (exclusive)</param>
    public WeightAverage(ParameterStore store, double decay)
    {
        _decay = decay;
        _entries = [.. store.Parameters.Where(p => p.Value.requires_grad).Select(p => (p.Key, p.Value, ParameterStore.Values(p.Value).ToArray()))];
    }

    /// <summary>Takes in the weights after update number <paramref name="updates"/>.</summary>
    public void Update(long updates)
    {
        float keep = (float)Math.Min(_decay, (1.0 + updates) / (10.0 + updates));
        foreach ((_, Tensor weight, float[] average) in _entries)
            System.Numerics.Tensors.TensorPrimitives.Lerp(ParameterStore.Values(weight), average, keep, average);
    }

    /// <summary>Runs something with the average in the place of the weights.</summary>
    public T With<T>(Func<T> run)
    {
        Swap();
        try
        {
            return run();
        }
        finally
        {
            Swap();
        }
    }

    /// <summary>Reads the averages that a checkpoint of the whole model holds.</summary>
    public void Load(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        foreach ((string name, _, float[] average) in _entries) file.ReadFloat32(name, average);
    }

    private void Swap()
    {
        foreach ((_, Tensor weight, float[] average) in _entries)
        {
            Span<float> values = ParameterStore.Values(weight);
            for (int i = 0; i < average.Length; i++) (values[i], average[i]) = (average[i], values[i]);
        }
    }
}

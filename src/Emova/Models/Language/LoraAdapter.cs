using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>
/// A trained change of a language model that stays beside its weights: low-rank updates of its linear layers (see
/// <see cref="AdapterFile"/>). Any number of adapters can be loaded for one model, while it runs; each conversation uses one or none
/// (<see cref="KvCache.Adapter"/>), also side by side in one <see cref="DecodeBatch"/>. Read only.
/// </summary>
public sealed class LoraAdapter
{
    private readonly Dictionary<LinearWeight, List<LowRankUpdate>> _updates = [];

    private LoraAdapter(LanguageModel model) => Model = model;

    /// <summary>Values of all updates.</summary>
    public long ParameterCount { get; private init; }

    /// <summary>The model it was loaded for.</summary>
    internal LanguageModel Model { get; }

    /// <summary>Loads an adapter for a model.</summary>
    /// <param name="file">The adapter's folder.</param>
    /// <param name="model">Stays as it is.</param>
    /// <exception cref="EmovaException">The adapter changes layers that the model does not have, or in other sizes.</exception>
    public static LoraAdapter Load(AdapterFile file, LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(model);
        Dictionary<(int, string), AdaptableLinear> linears = model.Linears.ToDictionary(linear => (linear.Layer, linear.Name));
        LoraAdapter adapter = new(model) { ParameterCount = file.Layers.Sum(layer => layer.ParameterCount) };
        foreach (AdapterLayer layer in file.Layers)
        {
            if (!linears.TryGetValue((layer.Index, layer.Name), out AdaptableLinear? linear))
                throw new EmovaException($"{file.Path}: changes layer {layer.Index} {layer.Name}, which this model does not have");
            if (layer.Inputs != linear.Weight.Inputs || layer.Outputs != linear.Outputs)
            {
                throw new EmovaException(
                    $"{file.Path}: layer {layer.Index} {layer.Name} is {layer.Outputs} x {layer.Inputs}, but the model's is {linear.Outputs} x {linear.Weight.Inputs}");
            }

            if (!adapter._updates.TryGetValue(linear.Weight, out List<LowRankUpdate>? updates))
                adapter._updates[linear.Weight] = updates = [];
            updates.Add(new LowRankUpdate(linear.Weight, linear.FirstOutput, layer.Down, layer.Up, file.Rank, file.Scaling, layer.Magnitudes));
        }

        return adapter;
    }

    /// <summary>Adds what the adapter changes to the finished outputs of a layer.</summary>
    internal void Apply(LinearWeight weight, ReadOnlySpan<float> x, int rows, int xStride, Span<float> y, int yStride)
    {
        if (!_updates.TryGetValue(weight, out List<LowRankUpdate>? updates))
            return;
        foreach (LowRankUpdate update in updates)
            update.Apply(x, rows, xStride, y, yStride);
    }
}

/// <summary>A linear layer that adapters can change; several may be packed into one weight.</summary>
/// <param name="Layer">Number of the decoder layer.</param>
/// <param name="Name">Its name there, such as <c>self_attn.q_proj</c>.</param>
/// <param name="Weight">Holds it.</param>
/// <param name="FirstOutput">First of its outputs in the weight.</param>
/// <param name="Outputs">Number of its outputs.</param>
internal sealed record AdaptableLinear(int Layer, string Name, LinearWeight Weight, int FirstOutput, int Outputs);

/// <summary>A part of a decoder layer that adapters can change.</summary>
internal interface IAdaptable
{
    /// <summary>Its linear layers.</summary>
    /// <param name="layer">Number of the decoder layer.</param>
    IEnumerable<AdaptableLinear> Linears(int layer);
}

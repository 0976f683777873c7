using static TorchSharp.torch;

namespace Emova.Training.Modules.Language;

/// <summary>Keys (after rotary) and values of one layer, (B, kv heads, S, H) each, for decoding during evaluation.</summary>
public sealed class Qwen2LayerCache : IDisposable
{
    private Tensor? _keys;
    private Tensor? _values;

    /// <summary>Adds the keys and values of new positions and returns those of all positions.</summary>
    public (Tensor Keys, Tensor Values) Append(Tensor keys, Tensor values)
    {
        Tensor allKeys = _keys is null ? keys.clone() : cat([_keys, keys], 2);
        Tensor allValues = _values is null ? values.clone() : cat([_values, values], 2);
        Dispose();
        _keys = allKeys.DetachFromDisposeScope();
        _values = allValues.DetachFromDisposeScope();
        return (_keys, _values);
    }

    /// <summary>Keeps only the given rows of the batch.</summary>
    public void Select(Tensor rows)
    {
        if (_keys is null || _values is null)
        {
            return;
        }

        Tensor keys = _keys.index_select(0, rows).DetachFromDisposeScope();
        Tensor values = _values.index_select(0, rows).DetachFromDisposeScope();
        Dispose();
        (_keys, _values) = (keys, values);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _keys?.Dispose();
        _values?.Dispose();
        (_keys, _values) = (null, null);
    }
}

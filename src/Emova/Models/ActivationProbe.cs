namespace Emova.Models;

/// <summary>Receives named intermediate results of a model, for tests and for looking inside. The values are valid during the call.</summary>
/// <param name="name">Where the values occur, for example <c>blocks.0.attn</c>.</param>
/// <param name="values">The values, (rows, channels).</param>
public delegate void ActivationProbe(string name, ReadOnlySpan<float> values);

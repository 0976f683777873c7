using System.Text;
using Emova.Numerics;

namespace Emova.Checkpoints;

/// <summary>
/// Strict loading of named weights. Every tensor a model asks for must exist with the expected shape, and every tensor under
/// the loader's path must be asked for; <see cref="Finish"/> reports all differences at once.
/// <code>
/// WeightLoader layer = loader.Push("layers").Push("0");
/// float[] weight = layer.Get("self_attn.q_proj.weight", 256, 256);
/// </code>
/// </summary>
public sealed class WeightLoader
{
    // A model with missing tensors is built to the end with zeros, so that one run reports everything. Sizes come from
    // config.json, which may be wrong or hostile, so beyond this many zeros the report is given at once.
    private const long MaxPlaceholderElements = 1 << 24;
    private const int MaxListed = 12;

    private readonly Index index;
    private readonly string prefix;

    /// <summary>A loader over all tensors of one file, or of the shards of one checkpoint.</summary>
    /// <exception cref="EmovaException">Two shards contain the same tensor.</exception>
    public WeightLoader(params IEnumerable<SafetensorsFile> files) : this(new Index(files), "")
    {
    }

    private WeightLoader(Index index, string prefix) => (this.index, this.prefix) = (index, prefix);

    /// <summary>A loader for the names below <c>name.</c>; it shares the bookkeeping with this one.</summary>
    public WeightLoader Push(string name) => new(index, $"{prefix}{name}.");

    /// <summary>A loader for element <paramref name="i"/> of a list, <c>i.</c></summary>
    public WeightLoader Push(int i) => Push(i.ToString());

    /// <summary>Whether the checkpoint has this tensor.</summary>
    public bool Contains(string name) => index.Tensors.ContainsKey(prefix + name);

    /// <summary>Whether the checkpoint has any tensor below <c>name.</c></summary>
    public bool ContainsAny(string name) =>
        index.Tensors.Keys.Any(key => key.StartsWith($"{prefix}{name}.", StringComparison.Ordinal));

    /// <summary>The stored shape of a tensor, or null when it is absent.</summary>
    public IReadOnlyList<long>? ShapeOf(string name) =>
        index.Tensors.TryGetValue(prefix + name, out var entry) ? entry.Info.Shape : null;

    /// <summary>
    /// Reads a floating-point tensor as float, row-major. A missing tensor or another shape is noted for <see cref="Finish"/>
    /// and zeros are returned.
    /// </summary>
    /// <exception cref="EmovaException">The tensor is not floating-point, or cannot be read.</exception>
    public float[] Get(string name, params ReadOnlySpan<long> shape)
    {
        string full = prefix + name;
        index.Used.Add(full);
        string expected = TensorInfo.FormatShape(shape.ToArray());
        if (!index.Tensors.TryGetValue(full, out var entry))
        {
            index.Missing.Add((full, $"{full} {expected}"));
            return Placeholder(shape);
        }

        if (!entry.Info.Shape.SequenceEqual(shape.ToArray()))
        {
            index.Misshapen.Add((full, $"{full} is {entry.Info.ShapeText}, expected {expected}"));
            return Placeholder(shape);
        }

        return entry.File.ReadFloat32(full);
    }

    /// <summary>Like <see cref="Get"/> for a tensor that a checkpoint may leave out; null when it is absent.</summary>
    public float[]? GetOptional(string name, params ReadOnlySpan<long> shape) => Contains(name) ? Get(name, shape) : null;

    /// <summary>Reads and packs <c>name.weight</c> (outputs, inputs) and, if wanted, <c>name.bias</c> (outputs).</summary>
    public LinearWeight GetLinear(string name, int outputs, int inputs, bool bias = true) => LinearWeight.Pack(
        Get($"{name}.weight", outputs, inputs), outputs, inputs, bias ? Get($"{name}.bias", outputs) : default);

    /// <summary>
    /// Like <see cref="GetLinear"/> for several layers with the same input, packed as one with their outputs one after the other.
    /// </summary>
    public LinearWeight GetFusedLinear(int inputs, bool bias, params ReadOnlySpan<(string Name, int Outputs)> parts)
    {
        // Read first, then allocate the whole: what was read is bounded by the file, the sizes asked for are not.
        List<float[]> weights = [], biases = [];
        int outputs = 0;
        foreach ((string name, int count) in parts)
        {
            weights.Add(Get($"{name}.weight", count, inputs));
            if (bias)
                biases.Add(Get($"{name}.bias", count));
            outputs += count;
        }

        return LinearWeight.Pack(Concatenate(weights), outputs, inputs, Concatenate(biases));
    }

    /// <summary>Accepts a tensor, or everything below <c>name.</c>, without reading it (training-only buffers).</summary>
    public void Ignore(string name)
    {
        foreach (string key in index.Tensors.Keys)
        {
            if (key == prefix + name || key.StartsWith($"{prefix}{name}.", StringComparison.Ordinal))
                index.Used.Add(key);
        }
    }

    /// <summary>Name and shape of everything that was asked for and is not there, such as <c>norm.weight [16]</c>.</summary>
    internal IReadOnlyList<string> Missing => Below(index.Missing);

    /// <summary>Checks that everything below this loader's path was found, had its shape and was used.</summary>
    /// <exception cref="EmovaException">Lists missing, misshapen and unexpected tensors.</exception>
    public void Finish()
    {
        List<string> missing = Below(index.Missing);
        List<string> misshapen = Below(index.Misshapen);
        List<string> unexpected = [.. index.Tensors
            .Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal) && !index.Used.Contains(pair.Key))
            .Select(pair => $"{pair.Key} {pair.Value.Info.ShapeText}")];
        if (missing.Count + misshapen.Count + unexpected.Count == 0)
            return;

        StringBuilder text = new($"{index.Source}: weights do not fit the configuration");
        Append(text, "missing", missing);
        Append(text, "wrong shape", misshapen);
        Append(text, "unexpected", unexpected);
        throw new EmovaException(text.ToString());
    }

    private static float[] Concatenate(List<float[]> parts)
    {
        float[] whole = new float[parts.Sum(part => (long)part.Length)];
        int position = 0;
        foreach (float[] part in parts)
        {
            part.CopyTo(whole, position);
            position += part.Length;
        }

        return whole;
    }

    private List<string> Below(List<(string Name, string Text)> entries) =>
        [.. entries.Where(e => e.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(e => e.Text)];

    private static void Append(StringBuilder text, string what, List<string> names)
    {
        if (names.Count == 0)
            return;
        text.Append($"; {names.Count} {what}: {string.Join(", ", names.Take(MaxListed))}");
        if (names.Count > MaxListed)
            text.Append(", ...");
    }

    private float[] Placeholder(ReadOnlySpan<long> shape)
    {
        double elements = 1;
        foreach (long size in shape)
            elements *= size;
        index.PlaceholderElements += elements;
        if (!(index.PlaceholderElements <= MaxPlaceholderElements))
        {
            // What was not asked for yet is not "unexpected".
            index.Used.UnionWith(index.Tensors.Keys);
            Finish();
        }

        return new float[(int)elements];
    }

    /// <summary>All tensors of a checkpoint and what happened to them; shared by the loaders of all paths.</summary>
    private sealed class Index
    {
        public Index(IEnumerable<SafetensorsFile> files)
        {
            foreach (SafetensorsFile file in files)
            {
                Source ??= file.Path;
                foreach (TensorInfo info in file.Tensors.Values)
                {
                    if (!Tensors.TryAdd(info.Name, (file, info)))
                        throw new EmovaException($"{file.Path}: tensor '{info.Name}' is already in {Tensors[info.Name].File.Path}");
                }
            }
        }

        public string? Source { get; }

        public Dictionary<string, (SafetensorsFile File, TensorInfo Info)> Tensors { get; } = new(StringComparer.Ordinal);

        public HashSet<string> Used { get; } = new(StringComparer.Ordinal);

        public List<(string Name, string Text)> Missing { get; } = [];

        public List<(string Name, string Text)> Misshapen { get; } = [];

        public double PlaceholderElements { get; set; }
    }
}

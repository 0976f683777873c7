using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
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

    // A hostile configuration can ask for a thousand layers of thousands of experts; DeepSeek-V2 has 30,000 tensors.
    private const int MaxTensors = 1 << 18;

    // Matrices are packed by so many values at a time: no second copy of a model is ever held.
    private const int ValuesPerRead = 1 << 19;

    // Panels are written fastest as a whole: reads end where panels do.
    private const int RowsTogether = 2 * WeightLayout.GroupRows;

    private readonly Index index;
    private readonly string prefix;

    /// <summary>A loader over all tensors of one file, or of the shards of one checkpoint.</summary>
    /// <exception cref="EmovaException">Two shards contain the same tensor.</exception>
    public WeightLoader(params IEnumerable<SafetensorsFile> files) : this(new Index([.. files], null, isListing: false), "")
    {
    }

    /// <summary>A loader for names of the origin format over a checkpoint with any prefixes.</summary>
    /// <param name="files">The file or the shards of one checkpoint.</param>
    /// <param name="names">What the checkpoint calls its tensors.</param>
    /// <exception cref="EmovaException">Two shards contain the same tensor.</exception>
    public WeightLoader(IReadOnlyList<SafetensorsFile> files, CheckpointNames names) : this(new Index(files, names, isListing: false), "")
    {
    }

    /// <summary>A loader without files: every tensor asked for exists, and is random.</summary>
    public WeightLoader(RandomWeights random) : this(new Index([], null, isListing: false) { Random = random }, "")
    {
    }

    private WeightLoader(Index index, string prefix) => (this.index, this.prefix) = (index, prefix);

    /// <summary>
    /// A loader that reads nothing: models built with it only leave behind what they asked for (<see cref="Wanted"/>) and how it differs
    /// from the checkpoint (<see cref="Finish"/>), whatever their size. They are of no other use.
    /// </summary>
    /// <param name="files">A checkpoint to compare with; may be empty.</param>
    /// <param name="names">What the checkpoint calls its tensors.</param>
    public static WeightLoader ForListing(IReadOnlyList<SafetensorsFile> files, CheckpointNames names) => new(new Index(files, names, isListing: true), "");

    /// <summary>Every tensor asked for so far, in order; only with <see cref="ForListing"/>.</summary>
    public IReadOnlyList<(string Name, IReadOnlyList<long> Shape)> Wanted => index.Wanted;

    /// <summary>
    /// How <see cref="GetConvolution"/> packs, on all paths: <see cref="WeightFormat.Float32"/>, or <see cref="WeightFormat.BFloat16Pairs"/>,
    /// which is faster and rounds weights and inputs.
    /// </summary>
    public WeightFormat ConvolutionFormat
    {
        get => index.ConvolutionFormat;
        set => index.ConvolutionFormat = value;
    }

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
    /// Reads a tensor as float, row-major; packed matrices are unpacked. A missing tensor or another shape is noted for
    /// <see cref="Finish"/> and zeros are returned.
    /// </summary>
    /// <exception cref="EmovaException">The tensor holds something else, or cannot be read.</exception>
    public float[] Get(string name, params ReadOnlySpan<long> shape)
    {
        if (index.Random is { } random)
            return random.Values(prefix + name, shape);
        if (!TryFind(prefix + name, shape, out SafetensorsFile? file, out WeightFormat format))
            return index.IsListing ? index.Zeros(prefix + name, shape) : new float[Placeholder(shape)];
        if (index.IsListing)
            return index.Zeros(prefix + name, shape);
        if (!format.IsQuantized())
            return file.ReadFloat32(Stored(prefix + name));
        LinearWeight packed = LinearWeight.CreateTemporary(format, (int)shape[0], (int)shape[1]);
        Fill(packed, 0, Stored(prefix + name), file, packed.Outputs, format);
        float[] values = new float[shape[0] * shape[1]];
        for (int row = 0; row < packed.Outputs; row++)
            packed.CopyRow(row, values.AsSpan(row * packed.Inputs));
        return values;
    }

    /// <summary>Like <see cref="Get"/> for a tensor that a checkpoint may leave out; null when it is absent.</summary>
    public float[]? GetOptional(string name, params ReadOnlySpan<long> shape) => Contains(name) ? Get(name, shape) : null;

    /// <summary>
    /// Reads and packs <c>name.weight</c> (outputs, inputs) and, if wanted, <c>name.bias</c> (outputs). Values stay as they are stored:
    /// bfloat16 and packed integers in memory too, anything else as float.
    /// </summary>
    public LinearWeight GetLinear(string name, int outputs, int inputs, bool bias = true) => GetFusedLinear(inputs, bias, (name, outputs));

    /// <summary>Packs a convolution's weight that was read and perhaps rearranged.</summary>
    /// <param name="weight">(outputs, inputs, kernel).</param>
    /// <param name="outputs">Output channels.</param>
    /// <param name="inputs">Input channels.</param>
    /// <param name="kernel">Taps.</param>
    /// <param name="bias">One value per output, or empty for none.</param>
    public ConvolutionWeight GetConvolution(ReadOnlySpan<float> weight, int outputs, int inputs, int kernel, ReadOnlySpan<float> bias) =>
        index.IsListing ? index.NoConvolution : ConvolutionWeight.Pack(weight, outputs, inputs, kernel, bias, ConvolutionFormat);

    /// <summary>
    /// Like <see cref="GetLinear"/> for a convolution whose windows do not overlap, as one layer over the flattened window:
    /// <c>name.weight</c> (outputs, inputs, kernel...).
    /// </summary>
    public LinearWeight GetKernel(string name, bool bias, params ReadOnlySpan<long> shape)
    {
        float[] weight = Get($"{name}.weight", shape);
        int outputs = checked((int)shape[0]);
        float[] biases = bias ? Get($"{name}.bias", outputs) : [];
        return index.IsListing ? index.Nothing : LinearWeight.Pack(weight, outputs, weight.Length / outputs, biases);
    }

    /// <summary>
    /// Like <see cref="GetLinear"/> for several layers with the same input, packed as one with their outputs one after the other.
    /// Layers stored in different types are held as float.
    /// </summary>
    public LinearWeight GetFusedLinear(int inputs, bool bias, params ReadOnlySpan<(string Name, int Outputs)> parts)
    {
        if (index.Random is { } random)
            return random.Linear(prefix, inputs, parts);
        // Look first, then allocate: what exists with its shape is bounded by the file, the sizes asked for are not.
        List<(string Name, SafetensorsFile? File, WeightFormat Format, int Outputs)> found = [];
        int outputs = 0;
        WeightFormat? common = null;
        foreach ((string name, int count) in parts)
        {
            string full = $"{prefix}{name}.weight";
            if (!TryFind(full, [count, inputs], out SafetensorsFile? file, out WeightFormat format) && !index.IsListing)
                Placeholder([count, inputs]);
            if (index.IsListing && bias)
                TryFind($"{prefix}{name}.bias", [count], out _, out _);
            if (common is not null && (common != format || (format.IsQuantized() && outputs % WeightLayout.GroupRows != 0)))
                format = WeightFormat.Float32;
            common = format;
            found.Add((full, file, format, count));
            outputs += count;
        }

        if (index.IsListing)
            return index.Nothing;
        LinearWeight weight = LinearWeight.Create(common ?? WeightFormat.Float32, outputs, inputs);
        int first = 0;
        for (int i = 0; i < found.Count; i++)
        {
            (string full, SafetensorsFile? file, _, int count) = found[i];
            if (file is null)
                weight.SetRows(first, new float[(long)count * inputs]);
            else
                Fill(weight, first, Stored(full), file, count, StoredFormat(full, count, inputs));
            if (bias)
                weight.SetBias(first, Get($"{parts[i].Name}.bias", count));
            first += count;
        }

        return weight;
    }

    /// <summary>Requires a tensor of this shape without reading it: the model does not use it, but a checkpoint without it is damaged.</summary>
    public void Expect(string name, params ReadOnlySpan<long> shape) => TryFind(prefix + name, shape, out _, out _);

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
        if (Differences() is { } differences)
            throw new EmovaException(differences);
    }

    /// <summary>What <see cref="Finish"/> would report, or null when the checkpoint fits.</summary>
    public string? Differences()
    {
        List<string> missing = Below(index.Missing);
        List<string> misshapen = Below(index.Misshapen);
        List<string> unexpected = [.. index.Tensors
            .Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal) && !index.Used.Contains(pair.Key))
            .Select(pair => $"{SafetensorsHeader.Shorten(pair.Value.Info.Name)} {SafetensorsHeader.Shorten(pair.Value.Info.ShapeText)}")];
        if (missing.Count + misshapen.Count + unexpected.Count == 0)
            return null;

        StringBuilder text = new($"{index.Source}: weights do not fit config.json");
        Append(text, "missing", missing);
        Append(text, "wrong shape", misshapen);
        Append(text, "unexpected", unexpected);
        return text.ToString();
    }

    /// <summary>Sets rows of a weight from a stored matrix (count, Inputs), a few at a time.</summary>
    private static void Fill(LinearWeight weight, int first, string name, SafetensorsFile file, int count, WeightFormat stored)
    {
        if (stored.IsQuantized() && stored == weight.Format)
        {
            long offset = 0;
            for (int row = 0; row < count; row += WeightLayout.GroupRows)
            {
                Span<byte> panel = weight.Panel(first + row);
                file.ReadBytes(name, offset, panel);
                offset += panel.Length;
            }

            return;
        }

        int inputs = weight.Inputs, rowsPerRead = Math.Min(count, Math.Max(1, ValuesPerRead / inputs / RowsTogether) * RowsTogether);
        if (stored.IsQuantized())
        {
            float[] unpacked = new float[inputs];
            LinearWeight packed = LinearWeight.CreateTemporary(stored, count, inputs);
            Fill(packed, 0, name, file, count, stored);
            for (int row = 0; row < count; row++)
            {
                packed.CopyRow(row, unpacked);
                weight.SetRows(first + row, unpacked);
            }

            return;
        }

        if (stored == WeightFormat.BFloat16 && stored == weight.Format)
        {
            ushort[] same = new ushort[rowsPerRead * inputs];
            for (int row = 0; row < count; row += rowsPerRead)
            {
                Span<ushort> part = same.AsSpan(0, Math.Min(rowsPerRead, count - row) * inputs);
                file.ReadBytes(name, (long)row * inputs * sizeof(ushort), MemoryMarshal.AsBytes(part));
                weight.SetRows(first + row, part);
            }

            return;
        }

        float[] rows = new float[rowsPerRead * inputs];
        for (int row = 0; row < count; row += rowsPerRead)
        {
            Span<float> part = rows.AsSpan(0, Math.Min(rowsPerRead, count - row) * inputs);
            file.ReadFloat32(name, (long)row * inputs, part);
            weight.SetRows(first + row, part);
        }
    }

    /// <summary>Finds a tensor of a shape and notes its use, or what is wrong with it.</summary>
    private bool TryFind(string full, ReadOnlySpan<long> shape, [NotNullWhen(true)] out SafetensorsFile? file, out WeightFormat format)
    {
        (file, format) = (null, WeightFormat.Float32);
        index.Used.Add(full);
        if (index.IsListing)
        {
            if (index.Wanted.Count == MaxTensors)
                throw new EmovaException($"configuration: asks for more than {MaxTensors} tensors");
            index.Wanted.Add((full, shape.ToArray()));
        }

        if (!index.Tensors.TryGetValue(full, out var entry))
        {
            index.Missing.Add((full, $"{index.StoredName(full)} {TensorInfo.FormatShape(shape.ToArray())}"));
            return false;
        }

        bool isPacked = shape.Length == 2 && PackedTensor.FormatOf(entry.Info, shape[0], shape[1]) is not null;
        if (!isPacked && !entry.Info.Shape.SequenceEqual(shape.ToArray()))
        {
            index.Misshapen.Add((full, $"{entry.Info.Name} is {SafetensorsHeader.Shorten(entry.Info.ShapeText)}, expected {TensorInfo.FormatShape(shape.ToArray())}"));
            return false;
        }

        file = entry.File;
        if (shape.Length == 2)
            format = StoredFormat(full, shape[0], shape[1]);
        return true;
    }

    private string Stored(string full) => index.Tensors[full].Info.Name;

    private WeightFormat StoredFormat(string full, long outputs, long inputs)
    {
        TensorInfo info = index.Tensors[full].Info;
        return PackedTensor.FormatOf(info, outputs, inputs) ?? (info.DType == DType.BF16 ? WeightFormat.BFloat16 : WeightFormat.Float32);
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

    /// <summary>The number of zeros that stand for a tensor which is not there.</summary>
    private int Placeholder(ReadOnlySpan<long> shape)
    {
        double elements = 1;
        foreach (long size in shape)
            elements *= size;
        index.PlaceholderElements += elements;
        if (!(index.PlaceholderElements <= MaxPlaceholderElements) || index.Missing.Count + index.Misshapen.Count > MaxTensors)
        {
            // What was not asked for yet is not "unexpected".
            index.Used.UnionWith(index.Tensors.Keys);
            Finish();
        }

        return (int)elements;
    }

    /// <summary>All tensors of a checkpoint and what happened to them; shared by the loaders of all paths.</summary>
    private sealed class Index
    {
        // Beyond this no part of a model is a single tensor outside of a linear layer.
        private const double MaxListedElements = 1 << 24;

        private readonly CheckpointNames? names;
        private readonly Dictionary<long, float[]> zeros = [];

        public Index(IReadOnlyList<SafetensorsFile> files, CheckpointNames? names, bool isListing)
        {
            (this.names, IsListing) = (names, isListing);
            foreach (SafetensorsFile file in files)
            {
                Source ??= file.Path;
                foreach (TensorInfo info in file.Tensors.Values)
                {
                    string name = names?.ToOrigin(info.Name) ?? info.Name;
                    if (!Tensors.TryAdd(name, (file, info)))
                        throw new EmovaException($"{file.Path}: tensor '{SafetensorsHeader.Shorten(info.Name)}' is already in {Tensors[name].File.Path}");
                }
            }
        }

        public string? Source { get; }

        public bool IsListing { get; }

        public RandomWeights? Random { get; init; }

        /// <summary>Tensors by the name they are asked for; <see cref="TensorInfo.Name"/> is the one in the file.</summary>
        public Dictionary<string, (SafetensorsFile File, TensorInfo Info)> Tensors { get; } = new(StringComparer.Ordinal);

        public HashSet<string> Used { get; } = new(StringComparer.Ordinal);

        public List<(string Name, string Text)> Missing { get; } = [];

        public List<(string Name, string Text)> Misshapen { get; } = [];

        public List<(string Name, IReadOnlyList<long> Shape)> Wanted { get; } = [];

        public double PlaceholderElements { get; set; }

        public WeightFormat ConvolutionFormat { get; set; }

        /// <summary>Stands for every linear layer when listing.</summary>
        public LinearWeight Nothing { get; } = LinearWeight.Pack([0], 1, 1);

        /// <summary>Stands for every convolution when listing.</summary>
        public ConvolutionWeight NoConvolution { get; } = ConvolutionWeight.Pack([0], 1, 1, 1);

        /// <summary>What the checkpoint would call a tensor.</summary>
        public string StoredName(string name) => names?.ToStored(name) ?? name;

        /// <summary>Zeros for a listing; tensors of one size share them.</summary>
        public float[] Zeros(string name, ReadOnlySpan<long> shape)
        {
            double elements = 1;
            foreach (long size in shape)
                elements *= size;
            if (elements > MaxListedElements)
                throw new EmovaException($"configuration: {name} {TensorInfo.FormatShape(shape.ToArray())} would have {elements:0} values, at most {MaxListedElements} are supported");
            if (!zeros.TryGetValue((long)elements, out float[]? values))
                zeros[(long)elements] = values = new float[(int)elements];
            return values;
        }
    }
}

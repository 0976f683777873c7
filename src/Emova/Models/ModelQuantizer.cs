using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models;

/// <summary>
/// Writes a model folder whose matrices are packed integers (<see cref="WeightFormat"/>), tensor by tensor: only a few rows are held in
/// memory at a time. The packed form is the one the kernels read, so the folder also loads faster. Tensors that are no matrices, or
/// whose dimensions do not suit the packed form, are copied.
/// </summary>
public static class ModelQuantizer
{
    private const int RowsPerRead = 512;
    private const int MinInputs = WeightLayout.RecordInputs;

    /// <summary>Quantizes a model folder.</summary>
    /// <param name="source">The model; floating-point weights.</param>
    /// <param name="target">The folder to write; it must not exist, or be empty. It appears complete or not at all.</param>
    /// <param name="options">What to round.</param>
    /// <param name="onTensor">Called after each tensor.</param>
    /// <param name="cancellationToken">Stops the work; nothing remains.</param>
    /// <returns>Every tensor, in file order.</returns>
    /// <exception cref="EmovaException">The source is damaged or already quantized, or the target cannot be written.</exception>
    public static IReadOnlyList<QuantizedTensor> Write(
        ModelFolder source, string target, QuantizationOptions options, Action<QuantizedTensor>? onTensor = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        if (!options.Format.IsQuantized())
            throw new ArgumentException($"format is {options.Format}, allowed are Int8 and Int4", nameof(options));
        IReadOnlyList<SafetensorsFile> files = source.OpenWeights();
        if (files.FirstOrDefault(file => file.Metadata.ContainsKey(PackedTensor.MarkKey)) is { } packed)
            throw new EmovaException($"{packed.Path}: is already quantized; start from the floating-point model");
        if (Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any())
            throw new EmovaException($"{target}: already exists and is not empty");

        string unfinished = $"{target.TrimEnd('/', Path.DirectorySeparatorChar)}.{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(unfinished);
            List<QuantizedTensor> report = WriteWeights(files, Path.Combine(unfinished, "model.safetensors"), options, onTensor, cancellationToken);
            CopyOtherFiles(source.Path, unfinished);
            WriteConfig(source, unfinished, options);
            if (Directory.Exists(target))
                Directory.Delete(target);
            Directory.Move(unfinished, target);
            return report;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{target}: cannot write: {e.Message}", e);
        }
        finally
        {
            if (Directory.Exists(unfinished))
                Directory.Delete(unfinished, recursive: true);
        }
    }

    /// <summary>The format a tensor gets, or null when it is copied.</summary>
    /// <param name="name">Its name in the origin format.</param>
    /// <param name="tensor">Its shape and type.</param>
    /// <param name="options">What to round.</param>
    internal static WeightFormat? FormatFor(string name, TensorInfo tensor, QuantizationOptions options)
    {
        bool isMatrix = tensor.Shape.Count == 2 && name.EndsWith(".weight", StringComparison.Ordinal) && tensor.DType is DType.F32 or DType.F16 or DType.BF16;
        // Joined layers (query, key, value) share groups of rows, so each must fill its own.
        if (!isMatrix || tensor.Shape[0] % WeightLayout.GroupRows != 0 || tensor.Shape[1] < MinInputs)
            return IsEmbedding(name) && isMatrix && tensor.Shape[1] >= MinInputs ? EmbeddingFormat(options) : null;
        if (IsEmbedding(name))
            return EmbeddingFormat(options);
        // The choice of experts is all or nothing; these matrices are tiny.
        if (name.EndsWith("mlp.gate.weight", StringComparison.Ordinal))
            return null;
        bool isIncluded = ModelInspector.PartOf(name) switch
        {
            "language" => true,
            "vision" or "projector" => options.IncludesVision,
            "speech encoder" or "speech decoder" => options.IncludesSpeech,
            _ => false,
        };
        return isIncluded && options.Format.IsQuantized() ? options.Format : null;
    }

    private static bool IsEmbedding(string name) =>
        ModelInspector.PartOf(name) == "language"
        && (name.EndsWith("embed_tokens.weight", StringComparison.Ordinal) || name.EndsWith("lm_head.weight", StringComparison.Ordinal));

    private static WeightFormat? EmbeddingFormat(QuantizationOptions options) => options.Embeddings.IsQuantized() ? options.Embeddings : null;

    private static List<QuantizedTensor> WriteWeights(
        IReadOnlyList<SafetensorsFile> files, string path, QuantizationOptions options, Action<QuantizedTensor>? onTensor, CancellationToken cancellationToken)
    {
        Dictionary<string, string> metadata = new(files[0].Metadata) { [PackedTensor.MarkKey] = PackedTensor.Version };
        CheckpointNames names = CheckpointNames.Detect(files.SelectMany(file => file.Tensors.Keys));
        List<QuantizedTensor> report = [];
        List<TensorStream> tensors = [];
        foreach (SafetensorsFile file in files)
        {
            foreach (TensorInfo tensor in file.Tensors.Values.OrderBy(tensor => tensor.Offset))
            {
                string part = ModelInspector.PartOf(names.ToOrigin(tensor.Name));
                if (FormatFor(names.ToOrigin(tensor.Name), tensor, options) is not { } format)
                {
                    tensors.Add(new TensorStream(tensor.Name, tensor.DType, [.. tensor.Shape], tensor.ByteLength, stream =>
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                        Copy(file, tensor, stream);
                        string type = tensor.DType.HeaderName();
                        Report(new QuantizedTensor(tensor.Name, part, type, type, tensor.ByteLength, tensor.ByteLength, default));
                    }));
                    continue;
                }

                (int outputs, int inputs) = ((int)tensor.Shape[0], (int)tensor.Shape[1]);
                long bytes = WeightLayout.SizeInBytes(format, outputs, inputs);
                metadata[tensor.Name] = PackedTensor.Describe(format, outputs, inputs);
                tensors.Add(new TensorStream(tensor.Name, DType.U8, PackedTensor.Shape(format, outputs, inputs), bytes, stream =>
                {
                    RoundingError error = Pack(file, tensor, format, stream, cancellationToken);
                    Report(new QuantizedTensor(
                        tensor.Name, part, tensor.DType.HeaderName(), PackedTensor.NameOf(format), tensor.ByteLength, bytes, error));
                }));
            }
        }

        SafetensorsWriter.WriteStreams(path, tensors, metadata);
        return report;

        void Report(QuantizedTensor tensor)
        {
            report.Add(tensor);
            onTensor?.Invoke(tensor);
        }
    }

    private static void Copy(SafetensorsFile file, TensorInfo tensor, Stream stream)
    {
        byte[] buffer = new byte[Math.Min(tensor.ByteLength, 1 << 20)];
        for (long offset = 0; offset < tensor.ByteLength; offset += buffer.Length)
        {
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, tensor.ByteLength - offset));
            file.ReadBytes(tensor.Name, offset, part);
            stream.Write(part);
        }
    }

    private static RoundingError Pack(SafetensorsFile file, TensorInfo tensor, WeightFormat format, Stream stream, CancellationToken cancellationToken)
    {
        (int outputs, int inputs) = ((int)tensor.Shape[0], (int)tensor.Shape[1]);
        float[] rows = new float[Math.Min(RowsPerRead, outputs) * inputs];
        RoundingError total = default;
        for (int first = 0; first < outputs; first += RowsPerRead)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = Math.Min(RowsPerRead, outputs - first);
            file.ReadFloat32(tensor.Name, (long)first * inputs, rows.AsSpan(0, count * inputs));
            PackBody body = new() { Weight = LinearWeight.CreateTemporary(format, count, inputs), Rows = rows, Errors = new RoundingError[(count + 15) / 16] };
            WorkerTeam.Shared.For(body.Errors.Length, body);
            foreach (RoundingError error in body.Errors)
                total.Add(error);
            for (int row = 0; row < count; row += WeightLayout.GroupRows)
                stream.Write(body.Weight.Panel(row));
            GC.KeepAlive(body.Weight);
        }

        return total;
    }

    private static void CopyOtherFiles(string source, string target)
    {
        foreach (string path in Directory.EnumerateFiles(source))
        {
            string name = Path.GetFileName(path);
            bool isWeights = name.StartsWith("model", StringComparison.Ordinal) && (name.EndsWith(".safetensors", StringComparison.Ordinal) || name.EndsWith(".safetensors.index.json", StringComparison.Ordinal));
            // What was measured on the source does not hold for the result.
            if (!isWeights && name is not ("config.json" or "evaluation.json"))
                File.Copy(path, Path.Combine(target, name));
        }
    }

    private static void WriteConfig(ModelFolder source, string target, QuantizationOptions options)
    {
        JsonObject config = JsonObject.Create(source.Config.Json)!;
        config["quantization_config"] = new JsonObject
        {
            ["quant_method"] = "emova",
            ["format"] = PackedTensor.NameOf(options.Format),
            ["group_size"] = WeightLayout.BlockInputs,
            ["symmetric"] = true,
            ["embeddings"] = options.Embeddings.IsQuantized() ? PackedTensor.NameOf(options.Embeddings) : "as stored",
            ["vision"] = options.IncludesVision,
            ["speech"] = options.IncludesSpeech,
        };
        File.WriteAllText(Path.Combine(target, "config.json"), config.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
    }

    private struct PackBody : IWorkerBody
    {
        public LinearWeight Weight;
        public float[] Rows;
        public RoundingError[] Errors;

        public readonly void Execute(int start, int limit)
        {
            for (int group = start; group < limit; group++)
            {
                int first = group * WeightLayout.GroupRows, count = Math.Min(WeightLayout.GroupRows, Weight.Outputs - first);
                Errors[group] = Weight.SetRows(first, Rows.AsSpan(first * Weight.Inputs, count * Weight.Inputs));
            }
        }
    }
}

using Emova.Checkpoints;
using Emova.Models.Speech;

namespace Emova.Tests.Models;

/// <summary>A vocoder with random weights of trained-looking size, and access to the weights.</summary>
internal sealed class RandomVocoder : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly SafetensorsFile file;

    public RandomVocoder(VocoderConfig config, int seed = 1)
    {
        Config = config;
        Random random = new(seed);
        List<TensorData> tensors = [];
        int d = config.HiddenSize;
        Linear("unit_embedding", d, config.Levels.Sum(), 1);
        Stack("encoder", config.EncoderLayers);
        Stack("duration", config.DurationLayers);
        Linear("duration_output", config.MaxRun, d, 1);
        Linear("run_position", d, 2, 0.5);
        Stack("frame", config.FrameLayers);
        Stack("prosody", config.ProsodyLayers);
        Linear("prosody_output", 3, d, 1);
        Linear("prosody_input", d, 3, 0.5);
        Stack("decoder", config.DecoderLayers);
        Linear("output", 514, d, 0.5);
        SafetensorsWriter.Write(folder["weights.safetensors"], tensors);
        file = SafetensorsFile.Open(folder["weights.safetensors"]);
        WeightLoader weights = new(file);
        Vocoder = SourceFilterVocoder.Load(config, weights.Push("speech_decoder"));
        weights.Finish();

        void Stack(string name, int layers)
        {
            for (int i = 0; i < layers; i++)
            {
                Tensor($"{name}.{i}.depthwise.weight", 0.4, d, 1, config.KernelSize);
                Tensor($"{name}.{i}.depthwise.bias", 0.1, d);
                Linear($"{name}.{i}.modulation", 2 * d, config.StyleDim, 0.2);
                Linear($"{name}.{i}.pointwise1", config.IntermediateSize, d, 1);
                Linear($"{name}.{i}.pointwise2", d, config.IntermediateSize, 1);
                Tensor($"{name}.{i}.gamma", 0.5, d);
            }
        }

        void Linear(string name, int outputs, int inputs, double gain)
        {
            Tensor($"{name}.weight", gain / Math.Sqrt(inputs), outputs, inputs);
            Tensor($"{name}.bias", 0.1, outputs);
        }

        void Tensor(string name, double deviation, params int[] shape)
        {
            float[] values = new float[shape.Aggregate(1, (a, b) => a * b)];
            for (int i = 0; i < values.Length; i++) values[i] = (float)((random.NextDouble() * 2 - 1) * deviation * 1.7);
            tensors.Add(TensorData.F32($"speech_decoder.{name}", [.. shape.Select(s => (long)s)], values));
        }
    }

    public VocoderConfig Config { get; }

    public SourceFilterVocoder Vocoder { get; }

    public static VocoderConfig Small { get; } = new()
    {
        Levels = [8, 8, 8, 8],
        HiddenSize = 12,
        IntermediateSize = 20,
        StyleDim = 5,
        KernelSize = 7,
        EncoderLayers = 2,
        DurationLayers = 1,
        MaxRun = 6,
        FrameLayers = 1,
        ProsodyLayers = 2,
        DecoderLayers = 2,
        FramesPerUnit = 4,
    };

    /// <summary>The weights, named below speech_decoder.</summary>
    public SafetensorsFile File => file;

    public double[] Weight(string name) => [.. file.ReadFloat32($"speech_decoder.{name}").Select(v => (double)v)];

    public void Dispose()
    {
        file.Dispose();
        folder.Dispose();
    }
}

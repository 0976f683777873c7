using BenchmarkDotNet.Attributes;
using Emova.Checkpoints;
using Emova.Models.Speech;
using Emova.Numerics;
using Emova.Tests;
using Emova.Tests.Models;

namespace Emova.Benchmarks;

/// <summary>Speech encoder and vocoder in the sizes of EMOVA-Tiny with random weights, one thread; see the real-time column.</summary>
[MemoryDiagnoser]
public class SpeechBenchmarks
{
    private readonly TemporaryFolder folder = new();
    private SpiralEncoder encoder = null!;
    private SafetensorsFile emptyCheckpoint = null!;
    private RandomVocoder vocoder = null!;
    private VoiceSettings voice = null!;
    private float[] speech = [];
    private int[] units = [];
    private int threads;

    /// <summary>Seconds of audio each benchmark handles.</summary>
    public static double Seconds => 4;

    [GlobalSetup]
    public void Setup()
    {
        threads = WorkerTeam.Shared.ThreadCount;
        WorkerTeam.Shared.ThreadCount = 1;
        Random random = new(1);
        speech = [.. Enumerable.Range(0, (int)(16000 * Seconds)).Select(_ => random.NextSingle() - 0.5f)];

        // Missing weights are read as zeros until Finish is called: arithmetic takes the same time with them.
        SafetensorsWriter.Write(folder["empty.safetensors"], []);
        emptyCheckpoint = SafetensorsFile.Open(folder["empty.safetensors"]);
        encoder = SpiralEncoder.Load(
            new SpiralConfig
            {
                Features = 80,
                Levels = [8, 8, 8, 8],
                DecoderFilters = 128,
                LabelCount = 40,
                Blocks =
                [
                    new SpiralBlockConfig { Filters = [96, 128, 128], PositionKernel = 32, PositionGroups = 16, Layers = 1, IntermediateSize = 512, Heads = 4 },
                    new SpiralBlockConfig { Filters = [256, 160], PositionKernel = 32, PositionGroups = 16, Layers = 4, IntermediateSize = 640, Heads = 4 },
                ],
            },
            new WeightLoader(emptyCheckpoint));

        VocoderConfig config = new()
        {
            Levels = [8, 8, 8, 8],
            HiddenSize = 192,
            IntermediateSize = 512,
            StyleDim = 64,
            KernelSize = 7,
            EncoderLayers = 4,
            DurationLayers = 2,
            MaxRun = 12,
            FrameLayers = 2,
            ProsodyLayers = 2,
            DecoderLayers = 4,
            FramesPerUnit = 4,
        };
        vocoder = new RandomVocoder(config);
        voice = new VoiceSettings([.. Enumerable.Range(0, 64).Select(_ => random.NextSingle() - 0.5f)]);
        units = [.. Enumerable.Range(0, (int)(Seconds * 100 / 8)).Select(i => i * 97 % 4096)];
    }

    [Benchmark]
    public int[] EncodeSpeech() => encoder.Encode(speech);

    /// <summary>Fifty units of eight frames, voiced throughout.</summary>
    [Benchmark]
    public float[] Vocode() => vocoder.Vocoder.Render(units, voice, new VocoderGivens
    {
        FramesPerUnit = [.. units.Select(_ => 8)],
        Prosody = new Media.PitchTrack([.. Enumerable.Repeat(150f, units.Length * 8)], new float[units.Length * 8]),
    }).Samples;

    /// <summary>The same synthesis without the network: pulses, noise, filters and overlap-add.</summary>
    [Benchmark]
    public float[] SynthesisOnly()
    {
        SourceFilterSynthesis synthesis = new(1, null);
        for (int t = 0; t < Seconds * 100; t++) synthesis.AddPitch(150);
        synthesis.AddFilters((int)(Seconds * 100)).Fill(-3);
        return synthesis.Advance(last: true);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        WorkerTeam.Shared.ThreadCount = threads;
        vocoder.Dispose();
        emptyCheckpoint.Dispose();
        folder.Dispose();
    }
}

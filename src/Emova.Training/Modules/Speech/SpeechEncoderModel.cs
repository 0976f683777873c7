using Emova.Training.Infrastructure;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Speech;

/// <summary>The speech encoder with its parameters, front end and phone inventory, for training and for encoding a corpus.</summary>
public sealed class SpeechEncoderModel
{
    /// <summary>Prefix of the CTC head before the quantizer, which exists in training only.</summary>
    public const string AuxiliaryName = "auxiliary";

    /// <summary>The phone inventory in the run folder, one per line, in label order.</summary>
    public const string PhonesFile = "phones.txt";

    private SpeechEncoderModel(SpeechEncoderDimensions dimensions, IReadOnlyList<string> phones, double dropout)
    {
        Dimensions = dimensions with { NLabels = phones.Count };
        Phones = phones;
        PhoneIndex = phones.Select((phone, i) => (phone, i)).ToDictionary(pair => pair.phone, pair => pair.i);
        Store = new ParameterStore();
        Encoder = new SpiralEncoder(Dimensions, Store.Root, dropout);
        FrontEnd = new LogMelFrontEnd(Encoder.FilterBank);
    }

    public SpeechEncoderDimensions Dimensions { get; }

    public IReadOnlyList<string> Phones { get; }

    public IReadOnlyDictionary<string, int> PhoneIndex { get; }

    public ParameterStore Store { get; }

    public SpiralEncoder Encoder { get; }

    public LogMelFrontEnd FrontEnd { get; }

    /// <summary>A model with random weights.</summary>
    public static SpeechEncoderModel Create(string modelConfig, IReadOnlyList<string> phones, double dropout) =>
        new(SpeechEncoderDimensions.Parse(ModelConfig.Section(modelConfig, "speech_encoder_config")), phones, dropout);

    /// <summary>The model of a training run.</summary>
    public static SpeechEncoderModel Load(string modelConfig, string runs, string stage)
    {
        string weights = RunFolder.WeightsOf(runs, stage);
        SpeechEncoderModel model = Create(modelConfig, File.ReadAllLines(Path.Combine(runs, stage, PhonesFile)), 0);
        model.Store.Load(weights, "", $"{AuxiliaryName}.weight", $"{AuxiliaryName}.bias");
        return model;
    }

    /// <summary>16-bit samples as floats in [-1, 1).</summary>
    public static float[] Wave(ReadOnlySpan<short> samples)
    {
        float[] wave = new float[samples.Length];
        for (int i = 0; i < wave.Length; i++) wave[i] = samples[i] / 32768f;
        return wave;
    }

    /// <summary>Units (25 Hz, runs not collapsed) of each wave.</summary>
    public int[][] Units(IReadOnlyList<float[]> waves) => Recognize(waves, phones: false).Units;

    /// <summary>Units of disguised waves: the augmentation draws a view of each.</summary>
    public int[][] Units(IReadOnlyList<float[]> waves, SpeechAugmentation augmentation, Random random) => QuietHeap.Run(() =>
    {
        using IDisposable inference = no_grad();
        using DisposeScope scope = NewDisposeScope();
        int[] frames = augmentation.StretchedFrames(waves, random);
        return Rows(Encoder.UnitIds(Quantized(augmentation.View(waves, frames, random), frames)), [.. frames.Select(SpiralEncoder.Units)]);
    });

    /// <summary>Units of each wave, and the phones that greedy CTC decoding reads from them.</summary>
    public (int[][] Units, int[][] Phones) Recognize(IReadOnlyList<float[]> waves, bool phones = true) => QuietHeap.Run(() => Infer(waves, phones));

    private (int[][] Units, int[][] Phones) Infer(IReadOnlyList<float[]> waves, bool phones)
    {
        using IDisposable inference = no_grad();
        using DisposeScope scope = NewDisposeScope();
        int[] frames = [.. waves.Select(wave => LogMelFrontEnd.Frames(wave.Length))];
        int[] lengths = [.. frames.Select(SpiralEncoder.Units)];
        Tensor quantized = Quantized(FrontEnd.Features(waves), frames);
        int[][] units = Rows(Encoder.UnitIds(quantized), lengths);
        int[][] recognized = phones ? [.. Rows(Encoder.Phones(quantized, lengths).argmax(-1), lengths).Select(Collapse)] : [];
        return (units, recognized);
    }

    private Tensor Quantized(Tensor features, int[] frames) => SpiralEncoder.Quantize(Encoder.Bounded(Encoder.Encode(features, frames)));

    private int[] Collapse(int[] labels) => [.. labels.Where((label, i) => label != Phones.Count && (i == 0 || label != labels[i - 1]))];

    private static int[][] Rows(Tensor values, int[] lengths)
    {
        long[] flat = values.contiguous().data<long>().ToArray();
        long stride = values.shape[1];
        return [.. lengths.Select((length, row) => flat.AsSpan((int)(row * stride), length).ToArray().Select(value => (int)value).ToArray())];
    }
}

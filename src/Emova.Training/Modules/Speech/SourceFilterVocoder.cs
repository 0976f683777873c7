using Emova.Training.Infrastructure;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Speech;

/// <summary>
/// Training twin of the unit-to-speech decoder: convolutional blocks modulated by a style vector predict run lengths, pitch,
/// voicing and energy, then the magnitudes of a minimum-phase filter for a pulse train and of a filter for noise
/// (source-filter synthesis as in arXiv 1904.12088, with the inverse Fourier transform as last layer).
/// </summary>
public sealed class SourceFilterVocoder
{
    private readonly Dense _unitEmbedding;
    private readonly ConvNeXtBlock[] _encoder;
    private readonly ConvNeXtBlock[] _duration;
    private readonly Dense _durationOutput;
    private readonly Dense _runPosition;
    private readonly ConvNeXtBlock[] _frame;
    private readonly ConvNeXtBlock[] _prosody;
    private readonly Dense _prosodyOutput;
    private readonly Dense _prosodyInput;
    private readonly ConvNeXtBlock[] _decoder;
    private readonly Dense _output;

    /// <summary>Creates all parameters in <paramref name="scope"/>. With <paramref name="brainFloat"/>, matrix products of the blocks run in bfloat16.</summary>
    public SourceFilterVocoder(VocoderDimensions dimensions, ParameterScope scope, bool brainFloat = false)
    {
        Dimensions = dimensions;
        int width = dimensions.HiddenSize;
        ConvNeXtBlock[] Blocks(string name, int count) =>
            [.. Enumerable.Range(0, count).Select(i => new ConvNeXtBlock(scope.Push(name).Push(i), dimensions, brainFloat))];
        _unitEmbedding = new Dense(scope.Push("unit_embedding"), dimensions.Levels.Sum(), width, Math.Sqrt(dimensions.Levels[0]));
        _encoder = Blocks("encoder", dimensions.EncoderLayers);
        _duration = Blocks("duration", dimensions.DurationLayers);
        _durationOutput = new Dense(scope.Push("duration_output"), width, dimensions.MaxRun);
        _runPosition = new Dense(scope.Push("run_position"), 2, width);
        _frame = Blocks("frame", dimensions.FrameLayers);
        _prosody = Blocks("prosody", dimensions.ProsodyLayers);
        _prosodyOutput = new Dense(scope.Push("prosody_output"), width, 3);
        _prosodyInput = new Dense(scope.Push("prosody_input"), 3, width);
        _decoder = Blocks("decoder", dimensions.DecoderLayers);
        // Quiet filters at the start: speech spectra lie well below one.
        _output = new Dense(scope.Push("output"), width, 2 * Bins, 0.3, bias: -3);
        Synthesis = new SourceFilterSynthesis(dimensions.Hop, dimensions.NFft);
    }

    public VocoderDimensions Dimensions { get; }

    public SourceFilterSynthesis Synthesis { get; }

    private int Bins => Dimensions.NFft / 2 + 1;

    /// <summary>Collapsed units (B, U) and styles (B, S) -> states at unit rate (B, U, D); <paramref name="mask"/> (B, U, 1).</summary>
    public Tensor EncodeUnits(Tensor units, Tensor style, Tensor mask)
    {
        List<Tensor> digits = [];
        Tensor rest = units;
        foreach (int level in Dimensions.Levels)
        {
            Tensor quotient = rest.div(level, RoundingMode.floor).to(ScalarType.Int64);
            digits.Add(F.one_hot((rest - quotient * level).to(ScalarType.Int64), level).to(ScalarType.Float32));
            rest = quotient;
        }
        return Apply(_encoder, _unitEmbedding.Forward(cat([.. digits], 2)), style, mask);
    }

    /// <summary>Logits of the run lengths 1..MaxRun for each unit, (B, U, MaxRun). No gradient reaches the states.</summary>
    public Tensor RunLengths(Tensor states, Tensor style, Tensor mask) => _durationOutput.Forward(Apply(_duration, states.detach(), style, mask));

    /// <summary>
    /// States (B, U, D) -> states at 100 Hz (B, T, D): frame t belongs to unit <paramref name="unitOfFrame"/>[t] (B, T) and
    /// lies at <paramref name="position"/> (B, T, 2) in its run.
    /// </summary>
    public Tensor Expand(Tensor states, Tensor unitOfFrame, Tensor position, Tensor style, Tensor mask)
    {
        Tensor index = unitOfFrame.unsqueeze(2).expand(unitOfFrame.shape[0], unitOfFrame.shape[1], states.shape[2]);
        return Apply(_frame, states.gather(1, index) + _runPosition.Forward(position), style, mask);
    }

    /// <summary>States (B, T, D) -> normalized log pitch, voicing logit, normalized log energy: (B, T, 3).</summary>
    public Tensor Prosody(Tensor states, Tensor style, Tensor mask) => _prosodyOutput.Forward(Apply(_prosody, states, style, mask));

    /// <summary>
    /// States and prosody [log pitch where voiced, voiced, energy] (B, T, 3) -> log magnitudes of the harmonic and of the
    /// noise filter, (B, T, bins) each.
    /// </summary>
    public (Tensor Harmonic, Tensor Noise) Filters(Tensor states, Tensor prosody, Tensor style, Tensor mask)
    {
        Tensor x = Apply(_decoder, states + _prosodyInput.Forward(prosody), style, mask);
        Tensor output = _output.Forward(F.layer_norm(x, [Dimensions.HiddenSize])).clamp(-12, 4);
        return (output.narrow(2, 0, Bins), output.narrow(2, Bins, Bins));
    }

    /// <summary>Normalization of pitch (Hz, 0 where unvoiced) and log energy, as predicted by <see cref="Prosody"/>.</summary>
    public static (float LogPitch, float Energy) Normalize(float hertz, float logRms) =>
        (hertz > 0 ? (MathF.Log(hertz) - 5) / 0.5f : 0, (logRms + 6) / 3);

    /// <summary>Inverse of <see cref="Normalize"/> for pitch.</summary>
    public static float PitchHertz(float logPitch) => MathF.Exp(logPitch * 0.5f + 5);

    private static Tensor Apply(ConvNeXtBlock[] blocks, Tensor x, Tensor style, Tensor mask)
    {
        foreach (ConvNeXtBlock block in blocks) x = block.Forward(x, style, mask);
        return x;
    }

    private sealed class Dense
    {
        private readonly Tensor _weight;
        private readonly Tensor _bias;

        public Dense(ParameterScope scope, int inputs, int outputs, double gain = 1, double bias = 0)
        {
            _weight = scope.Normal("weight", gain / Math.Sqrt(inputs), outputs, inputs);
            _bias = scope.Full("bias", bias, outputs);
        }

        public Tensor Forward(Tensor x) => F.linear(x, _weight, _bias);

        public Tensor ForwardBrainFloat(Tensor x) =>
            F.linear(x.to(ScalarType.BFloat16), _weight.to(ScalarType.BFloat16), _bias.to(ScalarType.BFloat16));
    }

    /// <summary>Depthwise convolution, style-modulated norm, two pointwise layers, scaled residual.</summary>
    private sealed class ConvNeXtBlock
    {
        private readonly Tensor _depthwiseWeight;
        private readonly Tensor _depthwiseBias;
        private readonly Dense _modulation;
        private readonly Dense _pointwise1;
        private readonly Dense _pointwise2;
        private readonly Tensor _gamma;
        private readonly int _width;
        private readonly int _kernel;
        private readonly bool _brainFloat;

        public ConvNeXtBlock(ParameterScope scope, VocoderDimensions dimensions, bool brainFloat)
        {
            (_width, _kernel, _brainFloat) = (dimensions.HiddenSize, dimensions.KernelSize, brainFloat);
            _depthwiseWeight = scope.Push("depthwise").Normal("weight", 1 / Math.Sqrt(_kernel), _width, 1, _kernel);
            _depthwiseBias = scope.Push("depthwise").Full("bias", 0, _width);
            _modulation = new Dense(scope.Push("modulation"), dimensions.StyleDim, 2 * _width, 0.1);
            _pointwise1 = new Dense(scope.Push("pointwise1"), _width, dimensions.IntermediateSize);
            _pointwise2 = new Dense(scope.Push("pointwise2"), dimensions.IntermediateSize, _width, 0.5);
            _gamma = scope.Full("gamma", 0.3, _width);
        }

        public Tensor Forward(Tensor x, Tensor style, Tensor mask) // x (B, T, D), style (B, S), mask (B, T, 1)
        {
            // Rows of a batch end where their utterance ends: what follows must look like the zero padding of a single row.
            Tensor h = F.conv1d((x * mask).transpose(1, 2), _depthwiseWeight, _depthwiseBias, padding: _kernel / 2, groups: _width).transpose(1, 2);
            Tensor modulation = _modulation.Forward(style).unsqueeze(1); // (B, 1, 2D)
            h = F.layer_norm(h, [_width]) * (1 + modulation.narrow(2, 0, _width)) + modulation.narrow(2, _width, _width);
            h = _brainFloat
                ? _pointwise2.ForwardBrainFloat(F.gelu(_pointwise1.ForwardBrainFloat(h))).to(ScalarType.Float32)
                : _pointwise2.Forward(F.gelu(_pointwise1.Forward(h)));
            return x + _gamma * h;
        }
    }
}

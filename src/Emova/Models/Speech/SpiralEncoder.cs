using Emova.Checkpoints;
using Emova.Media;
using Emova.Numerics;

namespace Emova.Models.Speech;

/// <summary>
/// EMOVA's speech-to-unit encoder (arXiv 2409.18042; architecture SPIRAL, arXiv 2201.10207): log-mel features ->
/// convolutions to 25 Hz and transformers over the whole utterance -> four numbers per unit -> finite scalar quantization.
/// The phone head it was trained with (CTC on the quantized codes) is loaded when the checkpoint has it.
/// Weights are read only, so one instance may encode on several threads at once.
/// </summary>
public sealed class SpiralEncoder
{
    private const int Kernel = 5;
    private const int PhoneHeadConvolutions = 4;
    private const float NormEpsilon = 1e-5f;

    private readonly LogMelSpectrogram melSpectrogram;
    private readonly Module[] modules;
    private readonly LinearWeight preQuant;
    private readonly TimeConvolution[] phoneConvolutions;
    private readonly TimeConvolution? phoneOutput;

    private SpiralEncoder(SpiralConfig config, WeightLoader weights, bool needsPhoneHead)
    {
        Config = config;
        WeightLoader encoder = weights.Push("encoder");
        float[]? stored = encoder.GetOptional("wav2spec.featurizer.fb", 1, config.Features, LogMelSpectrogram.FftLength / 2 + 1);
        melSpectrogram = new LogMelSpectrogram(
            stored ?? SlaneyMelFilterbank.Create(LogMelSpectrogram.SampleRate, LogMelSpectrogram.FftLength, config.Features), config.Features);
        encoder.Ignore("mask_emb");
        encoder.Ignore("wav2spec.featurizer.window");

        WeightLoader blockModules = encoder.Push("feature_encoder").Push("block_modules");
        List<Module> loaded = [];
        int channels = config.Features;
        for (int b = 0; b < config.Blocks.Count; b++)
        {
            SpiralBlockConfig block = config.Blocks[b];
            for (int i = 0; i < block.Filters.Count; i++)
            {
                // The last convolution only projects to the transformer's width.
                bool last = i == block.Filters.Count - 1;
                int stride = b == 0 && !last ? 2 : 1;
                loaded.Add(new ConvNormAct(blockModules.Push(loaded.Count), channels, block.Filters[i], last ? 1 : Kernel, stride, activation: !last));
                channels = block.Filters[i];
            }

            loaded.Add(new TransformerEncoder(blockModules.Push(loaded.Count), block));
        }

        modules = [.. loaded];
        HiddenSize = channels;
        Quantizer = new FiniteScalarQuantizer([.. config.Levels]);
        preQuant = weights.GetLinear("pre_quant", Quantizer.Dimensions, channels);
        weights.Ignore("quantizer");

        phoneConvolutions = [];
        if (!needsPhoneHead && !weights.ContainsAny("decoder")) return;
        WeightLoader head = weights.Push("decoder");
        phoneConvolutions = [.. Enumerable.Range(0, PhoneHeadConvolutions).Select(i => TimeConvolution.Load(
            head.Push($"conv_layers.{i}.conv.conv"), i == 0 ? Quantizer.Dimensions : config.DecoderFilters, config.DecoderFilters, Kernel, stride: 1))];
        phoneOutput = TimeConvolution.Load(head.Push("decoder_layers.0"), config.DecoderFilters, config.LabelCount + 1, kernel: 1, stride: 1);
    }

    /// <summary>The dimensions.</summary>
    public SpiralConfig Config { get; }

    /// <summary>Turns states into units.</summary>
    public FiniteScalarQuantizer Quantizer { get; }

    /// <summary>Channels of the last block.</summary>
    public int HiddenSize { get; }

    /// <summary>Whether the checkpoint has the phone head.</summary>
    public bool HasPhoneHead => phoneOutput is not null;

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="weights">Positioned at the encoder's names (<c>speech_encoder</c> in a model folder).</param>
    /// <param name="needsPhoneHead">Whether a checkpoint without the phone head is incomplete.</param>
    public static SpiralEncoder Load(SpiralConfig config, WeightLoader weights, bool needsPhoneHead = false) => new(config, weights, needsPhoneHead);

    /// <summary>The units of an utterance, 25 per second, repetitions included.</summary>
    /// <param name="samples">16 kHz mono samples, at least <see cref="LogMelSpectrogram.MinimumSamples"/>.</param>
    /// <param name="probe">Receives intermediate results.</param>
    /// <returns>ceil(N / 640) units.</returns>
    /// <exception cref="EmovaException">There are too few samples.</exception>
    public int[] Encode(ReadOnlySpan<float> samples, ActivationProbe? probe = null)
    {
        LogMelFeatures features = Features(samples);
        float[] states = EncodeStates(features, probe);
        return Units(states.AsSpan(0, UnitCount(features) * HiddenSize));
    }

    /// <summary>The encoder's input; see <see cref="LogMelSpectrogram.Compute"/>.</summary>
    public LogMelFeatures Features(ReadOnlySpan<float> samples, int? validSamples = null) => melSpectrogram.Compute(samples, validSamples);

    /// <summary>Number of units the valid frames become.</summary>
    public int UnitCount(LogMelFeatures features)
    {
        int valid = features.ValidFrames;
        foreach (Module module in modules) valid = module.ValidAfter(valid);
        return valid;
    }

    /// <summary>States at unit rate.</summary>
    /// <param name="features">Features of one utterance.</param>
    /// <param name="probe">Receives <c>block_modules.i</c>, (frames, channels) each.</param>
    /// <returns>(Frames / 4, HiddenSize); rows from <see cref="UnitCount"/> on stem from the padding.</returns>
    public float[] EncodeStates(LogMelFeatures features, ActivationProbe? probe = null)
    {
        if (features.Features != Config.Features)
            throw new ArgumentException($"{features.Features} mel bands, expected {Config.Features}", nameof(features));
        float[] x = features.Data;
        int frames = features.Frames, valid = features.ValidFrames;
        for (int i = 0; i < modules.Length; i++)
        {
            x = modules[i].Forward(x, ref frames, valid);
            valid = modules[i].ValidAfter(valid);
            probe?.Invoke($"block_modules.{i}", x);
        }

        return x;
    }

    /// <summary>The quantizer's input for states (U, HiddenSize): (U, Quantizer.Dimensions).</summary>
    public float[] PreQuantize(ReadOnlySpan<float> states)
    {
        int count = states.Length / HiddenSize;
        float[] z = new float[count * Quantizer.Dimensions];
        preQuant.Multiply(states, count, HiddenSize, z, Quantizer.Dimensions);
        return z;
    }

    /// <summary>The units of states (U, HiddenSize).</summary>
    public int[] Units(ReadOnlySpan<float> states)
    {
        float[] z = PreQuantize(states);
        int[] units = new int[z.Length / Quantizer.Dimensions];
        for (int i = 0; i < units.Length; i++) units[i] = Quantizer.Quantize(z.AsSpan(i * Quantizer.Dimensions, Quantizer.Dimensions));
        return units;
    }

    /// <summary>Phone logits of units, for measuring what they still say.</summary>
    /// <param name="units">Units at 25 Hz, repetitions included.</param>
    /// <param name="validUnits">Units before padding; all when null.</param>
    /// <returns>(units, LabelCount + 1), the blank last.</returns>
    /// <exception cref="EmovaException">The checkpoint has no phone head.</exception>
    public float[] PhoneLogits(ReadOnlySpan<int> units, int? validUnits = null)
    {
        if (phoneOutput is null) throw new EmovaException("this speech encoder was saved without its phone head");
        float[] x = new float[units.Length * Quantizer.Dimensions];
        for (int i = 0; i < units.Length; i++) Quantizer.Codes(units[i], x.AsSpan(i * Quantizer.Dimensions));
        int valid = validUnits ?? units.Length;
        foreach (TimeConvolution convolution in phoneConvolutions)
        {
            x = convolution.Forward(x, units.Length, valid);
            VectorMath.Relu(x, x);
        }

        return phoneOutput.Forward(x, units.Length, valid);
    }

    private abstract class Module
    {
        /// <summary>(T, C) -> (T', C'); <paramref name="frames"/> becomes T'.</summary>
        public abstract float[] Forward(float[] x, ref int frames, int valid);

        /// <summary>Number of valid frames after the module.</summary>
        public virtual int ValidAfter(int valid) => valid;
    }

    /// <summary>Convolution, LayerNorm over channels, ReLU.</summary>
    private sealed class ConvNormAct(WeightLoader weights, int inputs, int outputs, int kernel, int stride, bool activation) : Module
    {
        private readonly TimeConvolution convolution = TimeConvolution.Load(weights.Push("conv.conv"), inputs, outputs, kernel, stride);
        private readonly float[] normWeight = weights.Get("norm.weight", outputs);
        private readonly float[] normBias = weights.Get("norm.bias", outputs);

        public override float[] Forward(float[] x, ref int frames, int valid)
        {
            float[] y = convolution.Forward(x, frames, valid);
            frames = convolution.OutputLength(frames);
            NormRows(y, outputs, normWeight, normBias, y);
            if (activation) VectorMath.Relu(y, y);
            return y;
        }

        public override int ValidAfter(int valid) => stride == 2 ? (valid + 1) / 2 : valid;
    }

    /// <summary>Positional convolution, then pre-norm transformer layers over the whole utterance.</summary>
    private sealed class TransformerEncoder(WeightLoader weights, SpiralBlockConfig config) : Module
    {
        private readonly int width = config.HiddenSize;
        private readonly PositionConvolution position = new(weights.Push("pos_conv.0"), config);
        private readonly TransformerLayer[] layers =
            [.. Enumerable.Range(0, config.Layers).Select(i => new TransformerLayer(weights.Push("layers").Push(i), config))];

        private readonly float[] normWeight = weights.Get("layer_norm.weight", config.HiddenSize);
        private readonly float[] normBias = weights.Get("layer_norm.bias", config.HiddenSize);

        public override float[] Forward(float[] x, ref int frames, int valid)
        {
            float[] y = [.. x];
            y.AsSpan(valid * width).Clear();
            VectorMath.Add(y, position.Forward(y, frames), y);
            float[] normed = new float[y.Length], projected = new float[3 * y.Length], wide = new float[frames * config.IntermediateSize];
            foreach (TransformerLayer layer in layers) layer.Forward(y, frames, valid, normed, projected, wide);
            NormRows(y, width, normWeight, normBias, y);
            return y;
        }
    }

    /// <summary>GELU of a grouped convolution over 2.5 s or so of context: tells a frame where it is.</summary>
    private sealed class PositionConvolution
    {
        private readonly ConvolutionWeight[] groups; // of C / G channels each
        private readonly int kernel;
        private readonly int width;

        public PositionConvolution(WeightLoader weights, SpiralBlockConfig config)
        {
            (kernel, width) = (config.PositionKernel, config.HiddenSize);
            int groupWidth = width / config.PositionGroups, groupSize = groupWidth * groupWidth * kernel;
            float[] gain = weights.Get("weight_g", 1, 1, kernel), direction = weights.Get("weight_v", width, groupWidth, kernel);
            float[] bias = weights.Get("bias", width);
            // Weight norm with one gain per tap of the kernel.
            for (int k = 0; k < kernel; k++)
            {
                double square = 0;
                for (int i = k; i < direction.Length; i += kernel) square += (double)direction[i] * direction[i];
                float scale = (float)(gain[k] / Math.Sqrt(square));
                for (int i = k; i < direction.Length; i += kernel) direction[i] *= scale;
            }

            groups = [.. Enumerable.Range(0, config.PositionGroups).Select(g => weights.GetConvolution(
                direction.AsSpan(g * groupSize, groupSize), groupWidth, groupWidth, kernel, bias.AsSpan(g * groupWidth, groupWidth)))];
        }

        public float[] Forward(ReadOnlySpan<float> x, int frames)
        {
            int groupWidth = width / groups.Length;
            float[] y = new float[frames * width], padded = new float[(frames + kernel) * groupWidth];
            for (int g = 0; g < groups.Length; g++)
            {
                for (int t = 0; t < frames; t++)
                    x.Slice(t * width + g * groupWidth, groupWidth).CopyTo(padded.AsSpan((t + kernel / 2) * groupWidth));
                // An even kernel gives one output more than there are frames; the last is dropped.
                groups[g].Convolve(padded, frames, groupWidth, groupWidth, y.AsSpan(g * groupWidth), width);
            }

            VectorMath.Gelu(y, y);
            return y;
        }
    }

    private sealed class TransformerLayer(WeightLoader weights, SpiralBlockConfig config)
    {
        private readonly int width = config.HiddenSize;
        private readonly float[] attentionNormWeight = weights.Get("self_attn_layer_norm.weight", config.HiddenSize);
        private readonly float[] attentionNormBias = weights.Get("self_attn_layer_norm.bias", config.HiddenSize);
        private readonly LinearWeight queryKeyValue = weights.Push("self_attn").GetFusedLinear(
            config.HiddenSize, bias: true, ("q_proj", config.HiddenSize), ("k_proj", config.HiddenSize), ("v_proj", config.HiddenSize));

        private readonly LinearWeight attentionOutput = weights.GetLinear("self_attn.out_proj", config.HiddenSize, config.HiddenSize);
        private readonly float[] feedForwardNormWeight = weights.Get("final_layer_norm.weight", config.HiddenSize);
        private readonly float[] feedForwardNormBias = weights.Get("final_layer_norm.bias", config.HiddenSize);
        private readonly LinearWeight expand = weights.GetLinear("fc1", config.IntermediateSize, config.HiddenSize);
        private readonly LinearWeight contract = weights.GetLinear("fc2", config.HiddenSize, config.IntermediateSize);

        /// <summary>Changes x (T, D) in place; the other arrays are scratch of (T, D), (T, 3D) and (T, ffn).</summary>
        public void Forward(float[] x, int frames, int valid, float[] normed, float[] projected, float[] wide)
        {
            int headDim = width / config.Heads;
            NormRows(x, width, attentionNormWeight, attentionNormBias, normed);
            queryKeyValue.Multiply(normed, frames, width, projected, 3 * width);
            AttentionKernel.Full(
                projected, 3 * width, projected.AsSpan(width), 3 * width, projected.AsSpan(2 * width), 3 * width,
                normed, width, frames, valid, config.Heads, headDim, 1f / MathF.Sqrt(headDim));
            attentionOutput.Multiply(normed, frames, width, projected, width);
            VectorMath.Add(x, projected.AsSpan(0, x.Length), x);

            NormRows(x, width, feedForwardNormWeight, feedForwardNormBias, normed);
            expand.Multiply(normed, frames, width, wide, config.IntermediateSize);
            VectorMath.Gelu(wide, wide);
            contract.Multiply(wide, frames, config.IntermediateSize, normed, width);
            VectorMath.Add(x, normed, x);
        }
    }

    private static void NormRows(float[] x, int width, float[] weight, float[] bias, float[] y)
    {
        for (int at = 0; at < x.Length; at += width)
            VectorMath.LayerNorm(x.AsSpan(at, width), weight, bias, NormEpsilon, y.AsSpan(at, width));
    }
}

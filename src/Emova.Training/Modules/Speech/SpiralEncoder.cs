using Emova.Media;
using Emova.Training.Infrastructure;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Speech;

/// <summary>
/// Training twin of the speech-to-unit encoder: the reference VQCTCFinetuneModel (SPIRAL convolution-transformer encoder,
/// linear map to four values, finite scalar quantization, convolutional CTC phone head; arXiv 2409.18042).
/// </summary>
public sealed class SpiralEncoder
{
    private readonly List<Func<Tensor, Lengths, Tensor>> _blocks = [];
    private readonly Func<Tensor, Lengths, Tensor> _phoneHead;
    private readonly Tensor _preQuantWeight;
    private readonly Tensor _preQuantBias;
    private readonly int[] _levels;

    /// <summary>Creates all parameters in <paramref name="scope"/> (prefix "" for training, "speech_encoder." in a model folder).</summary>
    public SpiralEncoder(SpeechEncoderDimensions dimensions, ParameterScope scope, double dropout = 0)
    {
        _levels = dimensions.Levels;
        FilterBank = scope.Push("encoder").Push("wav2spec").Push("featurizer")
            .Constant("fb", SlaneyMelFilterbank.Create(LogMelSpectrogram.SampleRate, LogMelSpectrogram.FftLength, dimensions.Features), 1, dimensions.Features, LogMelSpectrogram.FftLength / 2 + 1);
        ParameterScope modules = scope.Push("encoder").Push("feature_encoder").Push("block_modules");
        int channels = dimensions.Features, index = 0;
        for (int b = 0; b < dimensions.Blocks.Length; b++)
        {
            SpeechEncoderDimensions.Block block = dimensions.Blocks[b];
            for (int i = 0; i < block.Filters.Length; i++)
            {
                bool last = i == block.Filters.Length - 1; // the projection to the transformer width: kernel 1, no activation
                _blocks.Add(new ConvNormAct(modules.Push(index++), channels, block.Filters[i], last ? 1 : 5, b == 0 && !last ? 2 : 1, !last, dropout).Forward);
                channels = block.Filters[i];
            }
            _blocks.Add(new TransformerEncoder(modules.Push(index++), channels, block, dropout).Forward);
        }
        Width = channels;
        _preQuantWeight = scope.Push("pre_quant").Normal("weight", 1 / Math.Sqrt(channels), _levels.Length, channels);
        _preQuantBias = scope.Push("pre_quant").Full("bias", 0, _levels.Length);
        _phoneHead = PhoneHead(scope.Push("decoder"), dimensions, dropout);
    }

    /// <summary>Mel filter bank, (1, features, 257).</summary>
    public Tensor FilterBank { get; }

    /// <summary>Channels of the last block.</summary>
    public int Width { get; }

    /// <summary>Units of an utterance with the given number of mel frames.</summary>
    public static int Units(int frames) => ((frames + 1) / 2 + 1) / 2;

    /// <summary>Features (B, features, T) with T a multiple of 16 -> states (B, T/4, width).</summary>
    public Tensor Encode(Tensor features, IReadOnlyList<int> frames)
    {
        Lengths lengths = new([.. frames], features.shape[2]);
        Tensor x = features;
        foreach (Func<Tensor, Lengths, Tensor> block in _blocks) x = block(x, lengths);
        return x.transpose(1, 2);
    }

    /// <summary>States (B, U, width) -> values before rounding, (B, U, 4), each in (-levels/2, levels/2 - 1).</summary>
    public Tensor Bounded(Tensor states)
    {
        Tensor z = F.linear(states, _preQuantWeight, _preQuantBias);
        (double half, double offset, double shift) = Bound(_levels[0]);
        return (z + shift).tanh() * half - offset;
    }

    /// <summary>Rounds to levels; gradients pass straight through the rounding.</summary>
    public static Tensor Quantize(Tensor bounded) => bounded + (bounded.round() - bounded).detach();

    /// <summary>Levels (B, U, 4) -> unit ids, component 0 least significant.</summary>
    public Tensor UnitIds(Tensor quantized)
    {
        Tensor digits = (quantized.detach() + _levels[0] / 2).to(ScalarType.Int64);
        long[] basis = new long[_levels.Length];
        for (int i = 0; i < basis.Length; i++) basis[i] = i == 0 ? 1 : basis[i - 1] * _levels[i - 1];
        return (digits * tensor(basis)).sum(-1);
    }

    /// <summary>Levels (B, U, 4) -> phone logits (B, U, labels + 1), blank last.</summary>
    public Tensor Phones(Tensor quantized, IReadOnlyList<int> units)
    {
        Tensor codes = (quantized / (_levels[0] / 2)).transpose(1, 2);
        return _phoneHead(codes, new Lengths([.. units], codes.shape[2])).transpose(1, 2);
    }

    /// <summary>
    /// Scale, offset and shift of the bounding function. The reference takes tan, not atanh, of offset / scale; another
    /// choice moves values across rounding borders.
    /// </summary>
    internal static (double Half, double Offset, double Shift) Bound(int levels)
    {
        double half = (levels - 1) * (1 - 1e-3) / 2, offset = levels % 2 == 0 ? 0.5 : 0;
        return (half, offset, Math.Tan(offset / half));
    }

    private static Func<Tensor, Lengths, Tensor> PhoneHead(ParameterScope scope, SpeechEncoderDimensions dimensions, double dropout)
    {
        const int convolutions = 4;
        int channels = dimensions.Levels.Length;
        List<Convolution> layers = [];
        for (int i = 0; i < convolutions; i++)
        {
            layers.Add(new Convolution(scope.Push("conv_layers").Push(i).Push("conv").Push("conv"), channels, dimensions.DecFilters, 5, 1));
            channels = dimensions.DecFilters;
        }
        Convolution output = new(scope.Push("decoder_layers").Push(0), channels, dimensions.NLabels + 1, 1, 1);
        return (x, lengths) =>
        {
            foreach (Convolution layer in layers) x = Dropout(F.relu(layer.Forward(x, lengths)), dropout);
            return output.Forward(x, lengths);
        };
    }

    private static Tensor Dropout(Tensor x, double probability) => probability > 0 && Training ? F.dropout(x, probability, training: true) : x;

    /// <summary>Whether dropout is on: gradients are being recorded.</summary>
    private static bool Training => is_grad_enabled();

    /// <summary>Valid lengths of the rows at the current rate, and their mask (B, 1, T).</summary>
    private sealed class Lengths(int[] valid, long time)
    {
        public Tensor Mask { get; private set; } = LogMelFrontEnd.Mask(valid, time).unsqueeze(1);

        public bool AllFull { get; private set; } = valid.All(length => length >= time);

        public void Halve()
        {
            for (int i = 0; i < valid.Length; i++) valid[i] = (valid[i] + 1) / 2;
            time /= 2;
            Mask = LogMelFrontEnd.Mask(valid, time).unsqueeze(1);
            AllFull = valid.All(length => length >= time);
        }
    }

    /// <summary>Convolution with the reference's padding: invalid positions are zeroed first, stride 2 pads one left and two right.</summary>
    private sealed class Convolution
    {
        private readonly Tensor _weight;
        private readonly Tensor _bias;
        private readonly int _kernel;
        private readonly int _stride;

        public Convolution(ParameterScope scope, int inputs, int outputs, int kernel, int stride)
        {
            _kernel = kernel;
            _stride = stride;
            _weight = scope.Normal("weight", Math.Sqrt(2.0 / (inputs * kernel)), outputs, inputs, kernel);
            _bias = scope.Full("bias", 0, outputs);
        }

        public Tensor Forward(Tensor x, Lengths lengths) // (B, C, T)
        {
            if (_kernel == 1) return F.conv1d(x, _weight, _bias);
            if (!lengths.AllFull) x = x * lengths.Mask;
            if (_stride == 1) return F.conv1d(x, _weight, _bias, padding: _kernel / 2);
            lengths.Halve();
            return F.conv1d(F.pad(x, [1, 2]), _weight, _bias, stride: _stride);
        }
    }

    private sealed class Norm
    {
        private readonly Tensor _weight;
        private readonly Tensor _bias;
        private readonly int _channels;

        public Norm(ParameterScope scope, int channels)
        {
            _channels = channels;
            _weight = scope.Full("weight", 1, channels);
            _bias = scope.Full("bias", 0, channels);
        }

        public Tensor Forward(Tensor x) => F.layer_norm(x, [_channels], _weight, _bias); // (..., C)
    }

    private sealed class ConvNormAct
    {
        private readonly Convolution _convolution;
        private readonly Norm _norm;
        private readonly bool _activation;
        private readonly double _dropout;

        public ConvNormAct(ParameterScope scope, int inputs, int outputs, int kernel, int stride, bool activation, double dropout)
        {
            _convolution = new Convolution(scope.Push("conv").Push("conv"), inputs, outputs, kernel, stride);
            _norm = new Norm(scope.Push("norm"), outputs);
            (_activation, _dropout) = (activation, activation ? dropout : 0);
        }

        public Tensor Forward(Tensor x, Lengths lengths)
        {
            x = _norm.Forward(_convolution.Forward(x, lengths).transpose(1, 2));
            if (_activation) x = F.relu(x);
            return Dropout(x, _dropout).transpose(1, 2);
        }
    }

    /// <summary>Positional convolution, then pre-norm transformer layers over the whole utterance.</summary>
    private sealed class TransformerEncoder
    {
        private readonly Tensor _positionBias;
        private readonly Tensor _positionGain;
        private readonly Tensor _positionDirection;
        private readonly List<Layer> _layers = [];
        private readonly Norm _norm;
        private readonly SpeechEncoderDimensions.Block _block;
        private readonly double _dropout;

        public TransformerEncoder(ParameterScope scope, int channels, SpeechEncoderDimensions.Block block, double dropout)
        {
            (_block, _dropout) = (block, dropout);
            ParameterScope position = scope.Push("pos_conv").Push(0);
            _positionBias = position.Full("bias", 0, channels);
            double deviation = Math.Sqrt(4.0 / (block.ConvPos * channels));
            // The norm of a tap's direction tensor as drawn, so that the initial weights are the drawn ones.
            _positionGain = position.Full("weight_g", deviation * channels / Math.Sqrt(block.ConvPosGroups), 1, 1, block.ConvPos);
            _positionDirection = position.Normal("weight_v", deviation, channels, channels / block.ConvPosGroups, block.ConvPos);
            for (int i = 0; i < block.Layers; i++) _layers.Add(new Layer(scope.Push("layers").Push(i), channels, block, dropout));
            _norm = new Norm(scope.Push("layer_norm"), channels);
        }

        public Tensor Forward(Tensor x, Lengths lengths) // (B, C, T)
        {
            if (!lengths.AllFull) x = x * lengths.Mask;
            Tensor weight = _positionDirection * (_positionGain / _positionDirection.pow(2).sum([0, 1], keepdim: true).sqrt());
            Tensor position = F.conv1d(x, weight, _positionBias, padding: _block.ConvPos / 2, groups: _block.ConvPosGroups);
            x = Dropout((x + F.gelu(position.narrow(2, 0, x.shape[2]))).transpose(1, 2), _dropout); // (B, T, C)
            Tensor? mask = lengths.AllFull ? null : (lengths.Mask.unsqueeze(1) - 1) * 1e9; // (B, 1, 1, T), added to the scores
            foreach (Layer layer in _layers) x = layer.Forward(x, mask);
            return _norm.Forward(x).transpose(1, 2);
        }
    }

    private sealed class Layer
    {
        private readonly Dense _query;
        private readonly Dense _key;
        private readonly Dense _value;
        private readonly Dense _output;
        private readonly Dense _expand;
        private readonly Dense _contract;
        private readonly Norm _attentionNorm;
        private readonly Norm _feedForwardNorm;
        private readonly int _heads;
        private readonly double _dropout;

        public Layer(ParameterScope scope, int channels, SpeechEncoderDimensions.Block block, double dropout)
        {
            (_heads, _dropout) = (block.Heads, dropout);
            ParameterScope attention = scope.Push("self_attn");
            _query = new Dense(attention.Push("q_proj"), channels, channels);
            _key = new Dense(attention.Push("k_proj"), channels, channels);
            _value = new Dense(attention.Push("v_proj"), channels, channels);
            _output = new Dense(attention.Push("out_proj"), channels, channels, 0.5);
            _attentionNorm = new Norm(scope.Push("self_attn_layer_norm"), channels);
            _expand = new Dense(scope.Push("fc1"), channels, block.Ffn);
            _contract = new Dense(scope.Push("fc2"), block.Ffn, channels, 0.5);
            _feedForwardNorm = new Norm(scope.Push("final_layer_norm"), channels);
        }

        public Tensor Forward(Tensor x, Tensor? mask) // (B, T, C)
        {
            Tensor h = _attentionNorm.Forward(x);
            Tensor attended = F.scaled_dot_product_attention(Heads(_query.Forward(h)), Heads(_key.Forward(h)), Heads(_value.Forward(h)), mask!);
            x = x + Dropout(_output.Forward(attended.transpose(1, 2).flatten(2)), _dropout);
            h = F.gelu(_expand.Forward(_feedForwardNorm.Forward(x)));
            return x + Dropout(_contract.Forward(h), _dropout);
        }

        private Tensor Heads(Tensor x) => x.view(x.shape[0], x.shape[1], _heads, -1).transpose(1, 2); // (B, heads, T, dim)
    }

    private sealed class Dense
    {
        private readonly Tensor _weight;
        private readonly Tensor _bias;

        public Dense(ParameterScope scope, int inputs, int outputs, double gain = 1)
        {
            _weight = scope.Normal("weight", gain / Math.Sqrt(inputs), outputs, inputs);
            _bias = scope.Full("bias", 0, outputs);
        }

        public Tensor Forward(Tensor x) => F.linear(x, _weight, _bias);
    }
}

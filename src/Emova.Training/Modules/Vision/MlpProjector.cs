using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Vision;

/// <summary>Training twin of the MLP projector: Linear, then (depth - 1) times GELU (erf) and Linear. Keys are the bare indices 0, 2, ….</summary>
public sealed class MlpProjector : CheckpointModule
{
    private readonly MixedLinear[] _layers;

    public MlpProjector(int visionHiddenSize, int hiddenSize, int depth, TwinOptions options)
        : base(nameof(MlpProjector))
    {
        _layers = new MixedLinear[depth];
        for (int i = 0; i < depth; i++)
        {
            _layers[i] = new MixedLinear(i == 0 ? visionHiddenSize : hiddenSize, hiddenSize, bias: true, options);
            register_module((2 * i).ToString(), _layers[i]);
        }
    }

    /// <param name="input">(N, C)</param>
    /// <returns>float32 (N, D)</returns>
    public Tensor Forward(Tensor input)
    {
        Tensor x = _layers[0].Forward(input);
        for (int i = 1; i < _layers.Length; i++)
        {
            x = _layers[i].Forward(F.gelu(x));
        }

        return x.to(ScalarType.Float32);
    }
}

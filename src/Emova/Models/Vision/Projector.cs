using Emova.Checkpoints;

namespace Emova.Models.Vision;

/// <summary>Maps the features of a vision encoder to vectors of the language model. Weights are read only.</summary>
public abstract class Projector
{
    /// <summary>Width of the features.</summary>
    public abstract int Inputs { get; }

    /// <summary>Width of the result.</summary>
    public abstract int Outputs { get; }

    /// <summary>By what factor a tile's tokens become fewer along one side; 1 for a projector that keeps them.</summary>
    public virtual double DownsampleRatePerSide => 1;

    /// <summary>Projects the features of one or more tiles.</summary>
    /// <param name="features">(tiles, tokens, Inputs). A projector that does not downsample takes any number of tokens.</param>
    /// <param name="probe">Receives intermediate results.</param>
    /// <returns>(tiles, fewer or as many tokens, Outputs).</returns>
    public abstract float[] Forward(ReadOnlySpan<float> features, ActivationProbe? probe = null);

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="inputs">Width of the features.</param>
    /// <param name="outputs">Width of the language model.</param>
    /// <param name="weights">Positioned at the projector's names (<c>model.mm_projector</c>).</param>
    /// <exception cref="EmovaException">The projector cannot take features of that width.</exception>
    public static Projector Load(ProjectorConfig config, int inputs, int outputs, WeightLoader weights) => config.Type switch
    {
        "CAbstractorMMProjector" => new CAbstractor(config, inputs, outputs, weights),
        "SelfMiningMMProjector" => new SelfMiningProjector(config, inputs, outputs, weights),
        _ => MlpProjector.Load(config.MlpDepth, inputs, outputs, weights),
    };
}

/// <summary>What the projectors that make a tile's tokens fewer share: LayerNorm and positions before, linear layers after.</summary>
public abstract class DownsamplingProjector : Projector
{
    private readonly ProjectorConfig config;
    private readonly int inputs;
    private readonly VisionNorm? preNorm;
    private readonly float[]? positions; // (tokens, C)
    private readonly MlpProjector mlp;

    private protected DownsamplingProjector(ProjectorConfig config, int inputs, int mlpInputs, int outputs, WeightLoader weights)
    {
        (this.config, this.inputs) = (config, inputs);
        preNorm = config.AddPreNorm ? VisionNorm.LayerNorm(weights, "norm", inputs, epsilon: 1e-5f) : null;
        positions = config.AddPosEmbed ? weights.Get("pos_emb", config.NumInputToken, inputs) : null;
        mlp = MlpProjector.Load(config.MlpDepth, mlpInputs, outputs, weights.Push("mlp"));
    }

    /// <inheritdoc/>
    public override int Inputs => inputs;

    /// <inheritdoc/>
    public override int Outputs => mlp.Outputs;

    /// <inheritdoc/>
    public override double DownsampleRatePerSide => Math.Sqrt(config.DownsampleRate);

    /// <inheritdoc/>
    public override float[] Forward(ReadOnlySpan<float> features, ActivationProbe? probe = null)
    {
        int tileLength = config.NumInputToken * inputs, tokens = config.DownsampleSize.Rows * config.DownsampleSize.Columns;
        if (features.Length % tileLength != 0)
            throw new ArgumentException($"{features.Length} values are not tiles of {config.NumInputToken} x {inputs}", nameof(features));
        float[] tile = new float[tileLength], result = new float[features.Length / tileLength * tokens * Outputs];
        for (int i = 0; i < features.Length / tileLength; i++)
        {
            features.Slice(i * tileLength, tileLength).CopyTo(tile);
            preNorm?.Rows(tile, tile);
            if (positions is not null)
                Numerics.VectorMath.Add(tile, positions, tile);
            mlp.Forward(Downsample(tile, probe)).CopyTo(result, i * tokens * Outputs);
        }

        return result;
    }

    /// <summary>One tile's tokens (side * side, C) in raster order -> fewer tokens in raster order, in the width of the linear layers.</summary>
    private protected abstract float[] Downsample(float[] tile, ActivationProbe? probe);
}

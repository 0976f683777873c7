namespace Emova.Generation;

/// <summary>
/// A picture as a language model sees it. Prompts with the same object share what was computed for it; a second object made from
/// the same picture counts as another picture.
/// </summary>
public sealed class PromptImage
{
    private static int lastKey;

    /// <summary>Wraps the features of a picture.</summary>
    /// <param name="features">(tokens, D), from <see cref="Models.EmovaModel.EncodeImage"/>; must not change any more.</param>
    public PromptImage(float[] features)
    {
        ArgumentNullException.ThrowIfNull(features);
        Features = features;
        // Beyond the placeholder's id, so that a key is either a token, or a placeholder, or one picture. After 2^31 pictures numbers repeat.
        Key = int.MinValue | Interlocked.Increment(ref lastKey);
    }

    /// <summary>(tokens, D).</summary>
    internal float[] Features { get; }

    /// <summary>Positions it takes in a language model of that width.</summary>
    public int RowsFor(int dim) => Features.Length / dim;

    /// <summary>Stands for each position of the picture where token ids are compared; negative.</summary>
    internal int Key { get; }
}

namespace Emova.Text;

/// <summary>What prompt and label building need to know of a tokenizer.</summary>
public interface ITextEncoder
{
    /// <summary>The token <see cref="Encode"/> puts in front of every text, or null.</summary>
    int? BosTokenId { get; }

    /// <summary>Encodes text, with the BOS token in front when there is one.</summary>
    IReadOnlyList<int> Encode(string text);
}

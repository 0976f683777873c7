using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace Emova.Text;

/// <summary>
/// Splits text before byte-pair encoding: every match is a piece, and so is what lies between two matches. Unlike the library's
/// own splitter it steps over empty matches, which a damaged tokenizer.json can cause and which would never end otherwise.
/// </summary>
internal sealed class RegexSplitter(Regex pattern) : PreTokenizer
{
    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text) => Split(text);

    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text) => Split(text);

    private List<(int Offset, int Length)> Split(ReadOnlySpan<char> text)
    {
        var pieces = new List<(int Offset, int Length)>();
        int end = 0;
        foreach (ValueMatch match in pattern.EnumerateMatches(text))
        {
            if (match.Length == 0) continue;
            if (match.Index > end) pieces.Add((end, match.Index - end));
            pieces.Add((match.Index, match.Length));
            end = match.Index + match.Length;
        }
        if (end < text.Length) pieces.Add((end, text.Length - end));
        return pieces;
    }
}

using System.Text.Json;
using Emova.Text;

namespace Emova.Tests.Text;

/// <summary>The tokenizer of the golden conversation cases: listed specials longest first, every other character 1000 + its code point.</summary>
internal sealed class ToyTextEncoder(JsonElement definition, bool addBos) : ITextEncoder
{
    private readonly string[] _specials = [.. definition.GetProperty("specials").EnumerateArray().Select(special => special.GetString()!)];
    private readonly int _firstSpecial = definition.GetProperty("specials_first_id").GetInt32();

    public int? BosTokenId { get; } = addBos ? definition.GetProperty("bos").GetInt32() : null;

    public IReadOnlyList<int> Encode(string text)
    {
        List<int> ids = BosTokenId is { } bos ? [bos] : [];
        for (int i = 0; i < text.Length;)
        {
            string? special = _specials.Where(candidate => string.CompareOrdinal(text, i, candidate, 0, candidate.Length) == 0).MaxBy(candidate => candidate.Length);
            ids.Add(special is null ? 1000 + text[i] : _firstSpecial + Array.IndexOf(_specials, special));
            i += special?.Length ?? 1;
        }

        return ids;
    }
}

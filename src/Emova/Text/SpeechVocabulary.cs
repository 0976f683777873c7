using System.Globalization;
using System.Text;

namespace Emova.Text;

/// <summary>
/// The link between speech units (0 … 4095 for four digits of eight levels) and token ids, read from the tokenizer by the
/// tokens' text: the released tokenizers number them in no useful order, and small models only have the units they were trained on.
/// </summary>
public sealed class SpeechVocabulary
{
    private const string Prefix = "<|speech_";
    private const string Suffix = "|>";

    private readonly int[] _levels;
    private readonly int[] _tokenOfUnit;
    private readonly int[] _nearestUnit;
    private readonly int[] _unitOfToken;
    private readonly int[] _units;

    /// <summary>Collects the unit tokens of <paramref name="tokenizer"/>.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="levels">Levels per digit of the quantizer, first digit fastest; their product is the number of units.</param>
    /// <exception cref="EmovaException">The tokenizer has no unit token at all.</exception>
    public SpeechVocabulary(HuggingFaceTokenizer tokenizer, params ReadOnlySpan<int> levels)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _levels = levels.IsEmpty ? [8, 8, 8, 8] : levels.ToArray();
        int count = _levels.Aggregate(1, (product, level) => product * level);
        _tokenOfUnit = new int[count];
        _nearestUnit = new int[count];
        _unitOfToken = new int[tokenizer.VocabularySize];
        Array.Fill(_unitOfToken, -1);
        List<int> present = [];
        for (int unit = 0; unit < count; unit++)
        {
            _nearestUnit[unit] = -1;
            _tokenOfUnit[unit] = tokenizer.FindToken(ToText(unit)) ?? -1;
            if (_tokenOfUnit[unit] < 0)
                continue;
            _nearestUnit[unit] = unit;
            _unitOfToken[_tokenOfUnit[unit]] = unit;
            present.Add(unit);
        }

        _units = [.. present];
        if (_units.Length == 0)
            throw new EmovaException($"the tokenizer has no speech token (such as {ToText(0)})");
    }

    /// <summary>The units that have a token, in ascending order.</summary>
    public IReadOnlyList<int> Units => _units;

    /// <summary>Number of units the quantizer knows; a unit is 0 … <see cref="UnitCount"/> − 1.</summary>
    public int UnitCount => _tokenOfUnit.Length;

    /// <summary>The text of a unit's token.</summary>
    public static string ToText(int unit) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{unit}{Suffix}");

    /// <summary>The text of several units: their tokens one after the other, without spaces.</summary>
    public static string ToText(IEnumerable<int> units)
    {
        ArgumentNullException.ThrowIfNull(units);
        return units.Aggregate(new StringBuilder(), (text, unit) => text.Append(ToText(unit))).ToString();
    }

    /// <summary>The unit a token stands for, or −1 when it is no speech token.</summary>
    public int UnitOf(int token) => (uint)token < (uint)_unitOfToken.Length ? _unitOfToken[token] : -1;

    /// <summary>The unit itself when it has a token, else the nearest one that has (sum of digit distances, ties: the smaller unit).</summary>
    /// <exception cref="ArgumentOutOfRangeException">The unit is not 0 … <see cref="UnitCount"/> − 1.</exception>
    public int Nearest(int unit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(unit);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(unit, UnitCount);
        if (_nearestUnit[unit] < 0)
            _nearestUnit[unit] = _units.MinBy(candidate => Distance(unit, candidate)); // MinBy keeps the first, that is the smallest.
        return _nearestUnit[unit];
    }

    /// <summary>The token for a unit, by way of <see cref="Nearest"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The unit is not 0 … <see cref="UnitCount"/> − 1.</exception>
    public int TokenOf(int unit) => _tokenOfUnit[Nearest(unit)];

    /// <summary>Writes units as token text, each replaced by its nearest legal unit.</summary>
    public string ToLegalText(IEnumerable<int> units)
    {
        ArgumentNullException.ThrowIfNull(units);
        return ToText(units.Select(Nearest));
    }

    private int Distance(int a, int b)
    {
        int distance = 0;
        foreach (int level in _levels)
        {
            distance += Math.Abs(a % level - b % level);
            a /= level;
            b /= level;
        }

        return distance;
    }
}

using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace Emova.Evaluation.Text;

/// <summary>
/// Writes spelled-out English numbers as digits ("twenty five dollars" becomes "$25"), word for word the behavior of the
/// normalizer speech recognizers are usually scored with, including its oddities, so that error rates are comparable.
/// </summary>
public static partial class EnglishNumberNormalizer
{
    private static readonly HashSet<string> Zeros = ["o", "oh", "zero"];

    private static readonly string[] OneNames =
    [
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    ];

    private static readonly Dictionary<string, int> Ones = OneNames.Select((name, i) => (name, i)).ToDictionary(x => x.name, x => x.i + 1);
    private static readonly Dictionary<string, (int Value, string Suffix)> OnesSuffixed = BuildOnesSuffixed();

    private static readonly Dictionary<string, int> Tens = new()
    {
        ["twenty"] = 20, ["thirty"] = 30, ["forty"] = 40, ["fifty"] = 50, ["sixty"] = 60, ["seventy"] = 70, ["eighty"] = 80, ["ninety"] = 90,
    };

    private static readonly Dictionary<string, (int Value, string Suffix)> TensSuffixed = BuildTensSuffixed();
    private static readonly Dictionary<string, BigInteger> Multipliers = BuildMultipliers();

    private static readonly Dictionary<string, (BigInteger Value, string Suffix)> MultipliersSuffixed =
        Multipliers.SelectMany(m => new[] { (m.Key + "s", (m.Value, "s")), (m.Key + "th", (m.Value, "th")) }).ToDictionary(x => x.Item1, x => x.Item2);

    private static readonly Dictionary<string, string> SignWords = new() { ["minus"] = "-", ["negative"] = "-", ["plus"] = "+", ["positive"] = "+" };

    private static readonly Dictionary<string, string> CurrencyWords = new()
    {
        ["pound"] = "£", ["pounds"] = "£", ["euro"] = "€", ["euros"] = "€", ["dollar"] = "$", ["dollars"] = "$", ["cent"] = "¢", ["cents"] = "¢",
    };

    private static readonly HashSet<string> Specials = ["and", "double", "triple", "point"];
    private const string Prefixes = "-+£€$¢";

    /// <summary>Rewrites the numbers of a lower-case text.</summary>
    public static string Normalize(string text)
    {
        string[] words = Prepare(text).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return Tidy(string.Join(' ', new Scan().Run(words)));
    }

    /// <summary>"X and a half" becomes "X point five"; letters and digits are separated except for suffixes such as "21st".</summary>
    private static string Prepare(string text)
    {
        string[] segments = AndAHalf().Split(text);
        var parts = new List<string>();
        for (int i = 0; i < segments.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(segments[i])) continue;
            parts.Add(segments[i]);
            if (i == segments.Length - 1) continue;
            string last = segments[i].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[^1];
            parts.Add(IsDecimalWord(last) || Multipliers.ContainsKey(last) ? "point five" : "and a half");
        }
        text = string.Join(' ', parts);
        text = LetterDigit().Replace(text, "$1 $2");
        text = DigitLetter().Replace(text, "$1 $2");
        return DetachedSuffix().Replace(text, "$1$2");
    }

    /// <summary>Joins dollars with cents, and writes a lone 1 as a word.</summary>
    private static string Tidy(string text)
    {
        text = CurrencyAndCents().Replace(text, m => $"{m.Groups[1].Value}{m.Groups[2].Value}.{int.Parse(m.Groups[3].Value, CultureInfo.InvariantCulture):00}");
        text = OnlyCents().Replace(text, m => "¢" + int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture));
        return LoneOne().Replace(text, "one$1");
    }

    private static bool IsDecimalWord(string word) => Ones.ContainsKey(word) || Tens.ContainsKey(word) || Zeros.Contains(word);

    private static bool IsNumberWord(string word) =>
        IsDecimalWord(word) || OnesSuffixed.ContainsKey(word) || TensSuffixed.ContainsKey(word) || Multipliers.ContainsKey(word)
        || MultipliersSuffixed.ContainsKey(word) || SignWords.ContainsKey(word) || CurrencyWords.ContainsKey(word)
        || word is "per" or "percent" || Specials.Contains(word);

    /// <summary>
    /// One left-to-right pass. The pending number is either a count (<see cref="_number"/>) that later words add to or multiply,
    /// or a digit string (<see cref="_digits"/>) that later words append to.
    /// </summary>
    private sealed class Scan
    {
        private readonly List<string> _output = [];
        private string? _prefix;
        private BigInteger? _number;
        private string? _digits;

        private bool HasValue => _number is not null || _digits is not null;

        private string ValueText => _digits ?? _number!.Value.ToString(CultureInfo.InvariantCulture);

        // An exact zero counts as nothing here: "zero" before more digits leaves no trace unless it is already a digit string.
        private string ValueTextOrEmpty => _digits ?? (_number is { IsZero: false } n ? n.ToString(CultureInfo.InvariantCulture) : "");

        public List<string> Run(string[] words)
        {
            for (int i = 0; i < words.Length; i++)
            {
                string? previous = i > 0 ? words[i - 1] : null, next = i + 1 < words.Length ? words[i + 1] : null;
                if (Step(previous, words[i], next)) i++;
            }
            Flush();
            return _output;
        }

        /// <summary>Handles one word; true when the next word was consumed with it.</summary>
        private bool Step(string? previous, string word, string? next)
        {
            bool nextIsNumber = next is not null && (IsNumberWord(next) || Numeral().IsMatch(next));
            bool hasPrefix = Prefixes.Contains(word[0], StringComparison.Ordinal);
            string bare = hasPrefix ? word[1..] : word;
            if (Numeral().IsMatch(bare)) Literal(word, bare, hasPrefix);
            else if (!IsNumberWord(word)) FlushThen(word);
            else if (Zeros.Contains(word)) SetDigits(ValueTextOrEmpty + "0");
            else if (Ones.TryGetValue(word, out int ones)) AddOnes(previous, ones);
            else if (OnesSuffixed.TryGetValue(word, out var suffixedOnes)) { AddOnes(previous, suffixedOnes.Value); FlushWithSuffix(suffixedOnes.Suffix); }
            else if (Tens.TryGetValue(word, out int tens)) AddTens(tens);
            else if (TensSuffixed.TryGetValue(word, out var suffixedTens)) { AddTens(suffixedTens.Value); FlushWithSuffix(suffixedTens.Suffix); }
            else if (Multipliers.TryGetValue(word, out BigInteger multiplier)) Multiply(multiplier);
            else if (MultipliersSuffixed.TryGetValue(word, out var suffixed)) { Multiply(suffixed.Value); FlushWithSuffix(suffixed.Suffix); }
            else if (SignWords.TryGetValue(word, out string? sign)) Sign(word, sign, nextIsNumber);
            else if (CurrencyWords.TryGetValue(word, out string? currency)) Currency(word, currency);
            else if (word is "per" or "percent") return Percent(word, next);
            else return Special(previous, word, next, nextIsNumber);
            return false;
        }

        private void Literal(string word, string bare, bool hasPrefix)
        {
            if (_digits is not null && _digits.EndsWith('.'))
            {
                _digits += word;
                return;
            }
            Flush();
            if (hasPrefix) _prefix = word[..1];
            if (IsIntegral(bare, out BigInteger value)) _number = value;
            else _digits = bare;
        }

        private void AddOnes(string? previous, int ones)
        {
            if (!HasValue) _number = ones;
            else if (_digits is not null || (previous is not null && Ones.ContainsKey(previous)))
            {
                bool replacesZero = previous is not null && Tens.ContainsKey(previous) && ones < 10;
                SetDigits((replacesZero ? ValueText[..^1] : ValueText) + ones.ToString(CultureInfo.InvariantCulture));
            }
            else if (_number!.Value % (ones < 10 ? 10 : 100) == 0) _number += ones;
            else SetDigits(ValueText + ones.ToString(CultureInfo.InvariantCulture));
        }

        private void AddTens(int tens)
        {
            if (!HasValue) _number = tens;
            else if (_digits is null && _number!.Value % 100 == 0) _number += tens;
            else SetDigits(ValueText + tens.ToString(CultureInfo.InvariantCulture));
        }

        private void Multiply(BigInteger multiplier)
        {
            if (!HasValue) SetNumber(multiplier);
            else if (_digits is not null || _number!.Value.IsZero)
            {
                if (TryScale(ValueText, multiplier, out BigInteger product)) SetNumber(product);
                else
                {
                    Flush();
                    SetNumber(multiplier);
                }
            }
            else
            {
                BigInteger residual = _number.Value % 1000;
                _number = _number.Value - residual + residual * multiplier;
            }
        }

        private void Sign(string word, string sign, bool nextIsNumber)
        {
            Flush();
            if (nextIsNumber) _prefix = sign;
            else Emit(word);
        }

        private void Currency(string word, string currency)
        {
            if (!HasValue)
            {
                Emit(word);
                return;
            }
            _prefix = currency;
            Flush();
        }

        private bool Percent(string word, string? next)
        {
            if (HasValue && (word == "percent" || next == "cent"))
            {
                FlushWithSuffix("%");
                return word == "per";
            }
            FlushThen(word);
            return false;
        }

        private bool Special(string? previous, string word, string? next, bool nextIsNumber)
        {
            if (!nextIsNumber) FlushThen(word);
            else if (word == "and")
            {
                if (previous is null || !Multipliers.ContainsKey(previous)) FlushThen(word);
            }
            else if (word == "point")
            {
                if (IsDecimalWord(next!) || Numeral().IsMatch(next!)) SetDigits(ValueTextOrEmpty + ".");
            }
            else if (Ones.TryGetValue(next!, out int repeated) || Zeros.Contains(next!))
            {
                string digit = repeated.ToString(CultureInfo.InvariantCulture);
                SetDigits(ValueTextOrEmpty + (word == "double" ? digit + digit : digit + digit + digit));
                return true;
            }
            else FlushThen(word);
            return false;
        }

        private void SetNumber(BigInteger value) => (_number, _digits) = (value, null);

        private void SetDigits(string value) => (_number, _digits) = (null, value);

        private void Flush()
        {
            if (HasValue) Emit(ValueText);
        }

        private void FlushWithSuffix(string suffix) => Emit(ValueText + suffix);

        private void FlushThen(string word)
        {
            Flush();
            Emit(word);
        }

        private void Emit(string text)
        {
            _output.Add(_prefix + text);
            (_prefix, _number, _digits) = (null, null, null);
        }
    }

    private static bool IsIntegral(string numeral, out BigInteger value)
    {
        int point = numeral.IndexOf('.', StringComparison.Ordinal);
        bool integral = point < 0 || numeral.AsSpan(point + 1).TrimEnd('0').IsEmpty;
        value = integral ? BigInteger.Parse(point < 0 ? numeral : numeral[..point], CultureInfo.InvariantCulture) : default;
        return integral;
    }

    /// <summary>The product of a decimal string with a multiplier, where it is a whole number.</summary>
    private static bool TryScale(string numeral, BigInteger multiplier, out BigInteger product)
    {
        product = default;
        if (!Decimal().IsMatch(numeral)) return false;
        int point = numeral.IndexOf('.', StringComparison.Ordinal);
        int decimals = point < 0 ? 0 : numeral.Length - point - 1;
        BigInteger scaled = BigInteger.Parse(numeral.Replace(".", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) * multiplier;
        product = BigInteger.DivRem(scaled, BigInteger.Pow(10, decimals), out BigInteger remainder);
        return remainder.IsZero;
    }

    private static Dictionary<string, (int Value, string Suffix)> BuildOnesSuffixed()
    {
        var result = new Dictionary<string, (int Value, string Suffix)>
        {
            ["zeroth"] = (0, "th"), ["first"] = (1, "st"), ["second"] = (2, "nd"), ["third"] = (3, "rd"), ["fifth"] = (5, "th"), ["twelfth"] = (12, "th"),
        };
        for (int value = 1; value <= OneNames.Length; value++)
        {
            string name = OneNames[value - 1];
            result[name == "six" ? "sixes" : name + "s"] = (value, "s");
            if (value > 3 && value != 5 && value != 12) result[name + (name.EndsWith('t') ? "h" : "th")] = (value, "th");
        }
        return result;
    }

    private static Dictionary<string, (int Value, string Suffix)> BuildTensSuffixed()
    {
        var result = new Dictionary<string, (int Value, string Suffix)>();
        foreach ((string name, int value) in Tens)
        {
            result[name[..^1] + "ies"] = (value, "s");
            result[name[..^1] + "ieth"] = (value, "th");
        }
        return result;
    }

    private static Dictionary<string, BigInteger> BuildMultipliers()
    {
        var result = new Dictionary<string, BigInteger> { ["hundred"] = 100 };
        string[] names =
        [
            "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion", "octillion", "nonillion", "decillion",
        ];
        for (int i = 0; i < names.Length; i++)
            result[names[i]] = BigInteger.Pow(1000, i + 1);
        return result;
    }

    [GeneratedRegex(@"^\d+(\.\d+)?$")]
    private static partial Regex Numeral();

    [GeneratedRegex(@"^(\d+(\.\d*)?|\.\d+)$")]
    private static partial Regex Decimal();

    [GeneratedRegex(@"\band\s+a\s+half\b")]
    private static partial Regex AndAHalf();

    [GeneratedRegex(@"([a-z])([0-9])")]
    private static partial Regex LetterDigit();

    [GeneratedRegex(@"([0-9])([a-z])")]
    private static partial Regex DigitLetter();

    [GeneratedRegex(@"([0-9])\s+(st|nd|rd|th|s)\b")]
    private static partial Regex DetachedSuffix();

    [GeneratedRegex(@"([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})\b")]
    private static partial Regex CurrencyAndCents();

    [GeneratedRegex(@"[€£$]0.([0-9]{1,2})\b")]
    private static partial Regex OnlyCents();

    [GeneratedRegex(@"\b1(s?)\b")]
    private static partial Regex LoneOne();
}

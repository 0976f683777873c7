using System.Text;

namespace Emova.Evaluation.Text;

/// <summary>Reads digits aloud in Chinese, as a count or digit by digit.</summary>
public static class ChineseNumber
{
    private const string Digits = "零一二三四五六七八九";

    // 亿 is ten to the 8, each further unit four powers more.
    private static readonly (char Symbol, int Power)[] Units =
    [
        ('十', 1), ('百', 2), ('千', 3), ('万', 4), ('亿', 8), ('兆', 12), ('京', 16), ('垓', 20), ('秭', 24), ('穰', 28), ('沟', 32), ('涧', 36), ('正', 40), ('载', 44),
    ];

    /// <summary>"10086" becomes "一万零八十六", "3.50" becomes "三点五零".</summary>
    public static string Cardinal(string numeral)
    {
        int point = numeral.IndexOf('.', StringComparison.Ordinal);
        string integer = point < 0 ? numeral : numeral[..point];
        var symbols = new List<char>();
        if (integer.Length > 1) ReadInteger(integer, symbols);
        else symbols.AddRange(integer.Select(Digit));
        if (point >= 0)
        {
            symbols.Add('点');
            symbols.AddRange(numeral.Skip(point + 1).Select(Digit));
        }

        PreferLiang(symbols);
        string text = new([.. symbols]);
        if (text.StartsWith('点')) return '零' + text;
        return text.StartsWith("一十", StringComparison.Ordinal) ? text[1..] : text;
    }

    /// <summary>"1999" becomes "一九九九".</summary>
    public static string DigitByDigit(string digits)
    {
        var text = new StringBuilder();
        foreach (char digit in digits) text.Append(Digit(digit));
        return text.ToString();
    }

    private static char Digit(char digit) => Digits[(int)char.GetNumericValue(digit)];

    private static void ReadInteger(string digits, List<char> symbols)
    {
        string significant = digits.TrimStart('0');
        if (significant.Length == 0) return;
        if (significant.Length == 1)
        {
            if (digits.Length > 1) symbols.Add('零');
            symbols.Add(Digit(significant[0]));
            return;
        }

        (char symbol, int power) = Units.Last(unit => unit.Power < significant.Length);
        ReadInteger(digits[..^power], symbols);
        symbols.Add(symbol);
        ReadInteger(significant[^power..], symbols);
    }

    /// <summary>两 instead of 二 before a unit other than 十, at the start or after a unit other than 十.</summary>
    private static void PreferLiang(List<char> symbols)
    {
        for (int i = 0; i + 1 < symbols.Count; i++)
        {
            if (symbols[i] != '二' || PowerOf(symbols[i + 1]) is 0 or 1) continue;
            if (i == 0 || PowerOf(symbols[i - 1]) > 1) symbols[i] = '两';
        }
    }

    private static int PowerOf(char symbol)
    {
        foreach ((char unit, int power) in Units)
            if (unit == symbol) return power;
        return 0;
    }
}

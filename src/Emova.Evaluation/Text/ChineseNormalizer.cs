using System.Text;
using System.Text.RegularExpressions;

namespace Emova.Evaluation.Text;

/// <summary>
/// The normalization Chinese transcripts are compared after: numbers are spelled out (dates, money, telephone numbers,
/// fractions, percentages, counts), punctuation and spaces are dropped. Same results as the published character error rates.
/// </summary>
public static partial class ChineseNormalizer
{
    private const string CurrencyUnits = "((亿|千万|百万|万|千|百)|(亿|千万|百万|万|千|百|)元|(亿|千万|百万|万|千|百|)块|角|毛|分)";

    private const string MeasureWords =
        "((千|毫|微)克|(千|分|厘|毫|微)米|[匹张座回场尾条个首阙阵网炮顶丘棵只支袭辆挑担颗壳窠曲墙群腔砣客贯扎捆刀令打手罗坡山岭江溪钟队单双对出口头脚板跳"
        + "枝件贴针线管名位身堂课本页家户层丝毫厘分钱两斤铢石钧锱忽寸尺丈里寻常铺程撮勺合升斗盘碗碟叠桶笼盆盒杯斛锅簋篮罐瓶壶卮盏箩箱煲啖袋钵年月日季刻时周天秒"
        + "旬纪岁世更夜春夏秋冬代伏辈丸泡粒幢堆根道面片块])";

    private static readonly HashSet<char> ChinesePunctuation =
        [.. "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃《》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏·〈〉"];

    /// <summary>Normalizes a transcript.</summary>
    public static string Normalize(string text)
    {
        // The rules ask for a character that is not a digit before (and after) a number.
        text = "^" + text + "$";
        text = Rewrite(text, Dates(), 1, ReadDate);
        text = Rewrite(text, Money(), 1, money => Integers().Replace(money, number => ChineseNumber.Cardinal(number.Value)));
        text = Rewrite(text, MobileNumbers(), 1, number => ChineseNumber.DigitByDigit(number.TrimStart('+').Replace(" ", "", StringComparison.Ordinal)));
        text = Rewrite(text, Landlines(), 1, number => ChineseNumber.DigitByDigit(number.Replace("-", "", StringComparison.Ordinal)));
        text = Rewrite(text, Fractions(), 1, ReadFraction);
        text = Rewrite(text.Replace('％', '%'), Percentages(), 1, percentage => "百分之" + ChineseNumber.Cardinal(percentage.TrimEnd('%')));
        text = Rewrite(text, Counted(), 1, ChineseNumber.Cardinal);
        text = Rewrite(text, LongNumbers(), 1, ChineseNumber.DigitByDigit);
        text = Rewrite(text, Integers(), 0, ChineseNumber.Cardinal);
        text = Rewrite(text, SpelledAbbreviations(), 1, word => word.Replace('二', '2'));
        text = text.TrimStart('^').TrimEnd('$');
        return RemoveSpaces(string.Concat(text.Select(c => IsPunctuation(c) ? ' ' : c)));
    }

    /// <summary>
    /// Finds all matches first, then replaces the first occurrence of each matched string: a string that occurs earlier by
    /// chance is the one replaced, as in the procedure the published figures come from.
    /// </summary>
    private static string Rewrite(string text, Regex pattern, int group, Func<string, string> read)
    {
        foreach (string found in pattern.Matches(text).Select(match => match.Groups[group].Value).ToList())
        {
            if (found.Length == 0) continue;
            int at = text.IndexOf(found, StringComparison.Ordinal);
            if (at >= 0) text = string.Concat(text.AsSpan(0, at), read(found), text.AsSpan(at + found.Length));
        }
        return text;
    }

    private static string ReadDate(string date)
    {
        var text = new StringBuilder();
        int year = date.IndexOf('年', StringComparison.Ordinal);
        if (year >= 0) text.Append(ChineseNumber.DigitByDigit(date[..year])).Append('年');
        string rest = date[(year + 1)..];
        int month = rest.IndexOf('月', StringComparison.Ordinal);
        if (month >= 0) text.Append(ChineseNumber.Cardinal(rest[..month])).Append('月');
        string day = rest[(month + 1)..];
        if (day.Length > 0) text.Append(ChineseNumber.Cardinal(day[..^1])).Append(day[^1]);
        return text.ToString();
    }

    private static string ReadFraction(string fraction)
    {
        string[] parts = fraction.Split('/');
        return ChineseNumber.Cardinal(parts[1]) + "分之" + ChineseNumber.Cardinal(parts[0]);
    }

    private static bool IsPunctuation(char c) =>
        char.IsAscii(c) ? char.IsPunctuation(c) || char.IsSymbol(c) : ChinesePunctuation.Contains(c);

    /// <summary>Keeps one space between two words that meet with ASCII letters or digits, and no other.</summary>
    private static string RemoveSpaces(string text)
    {
        var result = new StringBuilder();
        foreach (string token in text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            if (result.Length > 0 && char.IsAsciiLetterOrDigit(result[^1]) && char.IsAsciiLetterOrDigit(token[0])) result.Append(' ');
            result.Append(token);
        }
        return result.ToString();
    }

    [GeneratedRegex(@"\D+((([089]\d|(19|20)\d{2})年)?(\d{1,2}月(\d{1,2}[日号])?)?)")]
    private static partial Regex Dates();

    [GeneratedRegex(@"\D+((\d+(\.\d+)?)[多余几]?" + CurrencyUnits + @"(\d" + CurrencyUnits + @"?)?)")]
    private static partial Regex Money();

    [GeneratedRegex(@"\D((\+?86 ?)?1([38]\d|5[0-35-9]|7[678]|9[89])\d{8})\D")]
    private static partial Regex MobileNumbers();

    [GeneratedRegex(@"\D((0(10|2[1-3]|[3-9]\d{2})-?)?[1-9]\d{6,7})\D")]
    private static partial Regex Landlines();

    [GeneratedRegex(@"(\d+/\d+)")]
    private static partial Regex Fractions();

    [GeneratedRegex(@"(\d+(\.\d+)?%)")]
    private static partial Regex Percentages();

    [GeneratedRegex(@"(\d+(\.\d+)?)[多余几]?" + MeasureWords)]
    private static partial Regex Counted();

    [GeneratedRegex(@"(\d{4,32})")]
    private static partial Regex LongNumbers();

    [GeneratedRegex(@"\d+(\.\d+)?")]
    private static partial Regex Integers();

    [GeneratedRegex(@"(([a-zA-Z]+)二([a-zA-Z]+))")]
    private static partial Regex SpelledAbbreviations();
}

using System.Globalization;
using Emova.Text;

namespace Emova.Models.Speech;

/// <summary>Sequences of speech units: runs and their text form <c>&lt;|speech_N|&gt;</c>.</summary>
public static class SpeechUnits
{
    private const string Prefix = "<|speech_";
    private const string Suffix = "|>";

    /// <summary>Merges repetitions, as the language model and the vocoder see units.</summary>
    /// <returns>Units without equal neighbors, and how often each occurred in a row.</returns>
    public static (int[] Units, int[] RunLengths) Collapse(ReadOnlySpan<int> units)
    {
        List<int> collapsed = [], runs = [];
        foreach (int unit in units)
        {
            if (collapsed.Count > 0 && collapsed[^1] == unit)
            {
                runs[^1]++;
                continue;
            }

            collapsed.Add(unit);
            runs.Add(1);
        }

        return ([.. collapsed], [.. runs]);
    }

    /// <summary>The text of units, one token after the other.</summary>
    public static string ToText(IEnumerable<int> units) => SpeechVocabulary.ToText(units);

    /// <summary>The units in a text; whatever is not of the form <c>&lt;|speech_N|&gt;</c> is skipped.</summary>
    /// <param name="text">Text with unit tokens.</param>
    /// <param name="unitCount">Number of units of the codebook.</param>
    /// <exception cref="EmovaException">A unit is not below <paramref name="unitCount"/>.</exception>
    public static int[] Parse(string text, int unitCount = 4096)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<int> units = [];
        for (int at = text.IndexOf(Prefix, StringComparison.Ordinal); at >= 0; at = text.IndexOf(Prefix, at, StringComparison.Ordinal))
        {
            at += Prefix.Length;
            int end = text.IndexOf(Suffix, at, StringComparison.Ordinal);
            if (end < 0) break;
            ReadOnlySpan<char> number = text.AsSpan(at, end - at);
            if (number.IsEmpty || number.ContainsAnyExceptInRange('0', '9')) continue;
            if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int unit) || unit >= unitCount)
                throw new EmovaException($"speech unit {number} is out of range, allowed are 0 to {unitCount - 1}");
            units.Add(unit);
            at = end + Suffix.Length;
        }

        return [.. units];
    }
}

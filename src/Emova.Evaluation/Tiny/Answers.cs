using Emova.Evaluation.Metrics;
using Emova.Evaluation.Text;

namespace Emova.Evaluation.Tiny;

/// <summary>How texts of the closed world are compared: words only, case and punctuation do not matter.</summary>
internal static class Answers
{
    public static bool Same(string expected, string actual) => Plain(expected) == Plain(actual);

    public static ErrorRate WordErrors(string expected, string actual) => ErrorRate.OfWords(Plain(expected), Plain(actual));

    public static string Plain(string text) =>
        string.Join(' ', TextCleaning.RemoveSymbols(text.ToLowerInvariant()).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}

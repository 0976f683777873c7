using System.Text;

namespace Emova.Text;

/// <summary>Text as it would be said: what models see that were trained on transcripts only (<c>"text_form": "spoken"</c> in config.json).</summary>
public static class SpokenText
{
    /// <summary>Lower case; everything but letters, digits and apostrophes inside words becomes a space; one space between words.</summary>
    public static string From(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string lower = text.Normalize(NormalizationForm.FormC).ToLowerInvariant().Replace('\u2019', '\'');
        StringBuilder spoken = new(lower.Length);
        for (int i = 0; i < lower.Length; i++)
        {
            bool apostrophe = lower[i] == '\'' && i > 0 && i + 1 < lower.Length && char.IsLetter(lower[i - 1]) && char.IsLetter(lower[i + 1]);
            spoken.Append(apostrophe || char.IsLetterOrDigit(lower[i]) || char.IsSurrogate(lower[i]) ? lower[i] : ' ');
        }

        return string.Join(' ', spoken.ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }
}

using System.Globalization;

namespace Emova.Text;

/// <summary>A reply after <see cref="ReplyFormat.Parse"/>.</summary>
/// <param name="Output">The model's text, closed where it was cut off.</param>
/// <param name="IsObject">Whether it was a reply object; otherwise all of it counted as units.</param>
/// <param name="UnitText">Space-separated unit numbers.</param>
/// <param name="Emotion">Emotion to speak in.</param>
/// <param name="Speed">Speed to speak at.</param>
/// <param name="Pitch">Pitch to speak at.</param>
/// <param name="Gender">Voice, lower case.</param>
/// <param name="UserText">What was heard, or null.</param>
/// <param name="UserEmotion">The user's emotion, or null.</param>
/// <param name="UserPitch">The user's pitch, or null.</param>
/// <param name="ResponseText">The answer, or null.</param>
public sealed record ParsedReply(
    string Output, bool IsObject, string UnitText, string Emotion, string Speed, string Pitch, string Gender,
    string? UserText, string? UserEmotion, string? UserPitch, string? ResponseText)
{
    /// <summary>The reference's long style name.</summary>
    public string Condition => $"gender-{Gender}_emotion-{Emotion}_speed-{Speed}_pitch-{Pitch}";

    /// <summary>The units as numbers; words that are none are left out.</summary>
    public int[] Units => [.. UnitText.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .Select(word => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int unit) ? unit : -1).Where(unit => unit >= 0)];
}

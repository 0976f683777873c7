using System.Text;
using Emova.Text;

namespace Emova.Server.Realtime;

/// <summary>
/// What was said aloud in one item: the text, the units with the time each takes, and the moods. It can be cut where a listener
/// stopped listening, and then holds nothing that was not heard.
/// </summary>
internal sealed class SpokenReply
{
    // How fast a sentence is spoken before anything is known of its audio: letters a second of EMOVA-Tiny's voices at normal speed.
    private const double LettersPerSecond = 14;

    private readonly List<(int Unit, double End)> _units = [];
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _heard = new();

    /// <summary>The answer so far.</summary>
    public string Text => _text.ToString();

    /// <summary>Seconds of audio so far.</summary>
    public double Seconds { get; private set; }

    /// <summary>Whether the whole answer was spoken, so that its length tells where its words lie.</summary>
    public bool IsComplete { get; set; }

    /// <summary>What was heard of the user; empty when the turn was typed.</summary>
    public string Heard => _heard.ToString();

    public (string Emotion, string Pitch)? UserMood { get; set; }

    public (string Emotion, string Pitch)? Mood { get; set; }

    public double Speed { get; init; } = 1;

    public void AddHeard(string text) => _heard.Append(text);

    /// <summary>Adds words.</summary>
    /// <returns>Seconds into the audio at which they will be spoken: an estimate by letters, since the words come before the voice.</returns>
    public double AddText(string text)
    {
        double start = Weight(_text.ToString()) / (LettersPerSecond * Speed);
        _text.Append(text);
        return start;
    }

    /// <summary>Adds audio and the units that are spoken in it.</summary>
    /// <param name="seconds">Length of the audio.</param>
    /// <param name="units">Units whose length is known now, with the seconds from the beginning of the answer to their end.</param>
    public void AddAudio(double seconds, IEnumerable<(int Unit, double End)> units)
    {
        Seconds += seconds;
        _units.AddRange(units);
    }

    /// <summary>Forgets what lies after a moment: units that had not ended, and words that had not been spoken by the end of the last kept unit.</summary>
    /// <param name="heardSeconds">Seconds of the audio that were played.</param>
    public void Truncate(double heardSeconds)
    {
        // Half a sample at the highest rate: a unit that ends where playing ended was heard.
        const double tolerance = 1e-5;
        int kept = _units.FindIndex(unit => unit.End > heardSeconds + tolerance);
        if (kept < 0)
            kept = _units.Count;
        double end = _units.Count == 0 ? heardSeconds : kept == 0 ? 0 : _units[kept - 1].End;
        double total = IsComplete && Seconds > 0 ? Seconds : Math.Max(Seconds, Weight(Text) / (LettersPerSecond * Speed));
        string text = Text;
        _text.Clear().Append(end + tolerance >= total ? text : KeepWords(text, total <= 0 ? 0 : end / total));
        _units.RemoveRange(kept, _units.Count - kept);
        Seconds = Math.Min(Seconds, heardSeconds);
        IsComplete = true;
    }

    /// <summary>The reply as the model would have written it; null when it was no spoken dialogue.</summary>
    public string? ToReply(Func<IReadOnlyList<int>, string> unitText) => UserMood is not { } user || Mood is not { } mood ? null
        : ReplyFormat.Write(Heard, user.Emotion, user.Pitch, Text, mood.Emotion, mood.Pitch, unitText([.. _units.Select(unit => unit.Unit)]));

    /// <summary>The words that end within a share of the text's letters.</summary>
    private static string KeepWords(string text, double share)
    {
        double room = Weight(text) * share;
        int end = 0, at = 0;
        while (at < text.Length)
        {
            int space = text.IndexOf(' ', at);
            int next = space < 0 ? text.Length : space;
            // Rounding must not drop the word that just ended.
            if (Weight(text[..next]) > room + 1e-6)
                break;
            end = next;
            at = next + 1;
        }

        return text[..end];
    }

    /// <summary>Letters and digits are spoken, a space is a short pause between words and counts as well; marks take time of their own.</summary>
    private static double Weight(string text)
    {
        double weight = 0;
        foreach (char letter in text)
            weight += char.IsLetterOrDigit(letter) || letter == ' ' ? 1 : letter is '.' or ',' or '?' or '!' or ';' or ':' ? 3 : 0;
        return weight;
    }
}

using System.Text;
using Emova.Server.Engine;
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

    private readonly List<int> _units = [];
    private readonly List<int> _ends = [];
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _heard = new();
    private int _rate;

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

    /// <summary>Adds audio and the units whose end became known with it.</summary>
    public void AddAudio(EngineEvent.Audio audio)
    {
        _rate = audio.SampleRate;
        Seconds += (double)audio.Samples.Length / _rate;
        foreach (SpokenUnit unit in audio.Units)
        {
            _units.Add(unit.Unit);
            _ends.Add((int)unit.End);
        }
    }

    /// <summary>Forgets what lies after a moment: units that had not begun, and words that had not ended.</summary>
    /// <param name="heardSeconds">Seconds of the audio that were played.</param>
    public void Truncate(double heardSeconds)
    {
        int kept = Emova.Reply.UnitsHeard(_ends, (long)Math.Round(heardSeconds * _rate));
        double total = IsComplete && Seconds > 0 ? Seconds : Math.Max(Seconds, Weight(Text) / (LettersPerSecond * Speed));
        string text = Text;
        _text.Clear().Append(heardSeconds >= total ? text : KeepWords(text, heardSeconds / total));
        _units.RemoveRange(kept, _units.Count - kept);
        _ends.RemoveRange(kept, _ends.Count - kept);
        Seconds = Math.Min(Seconds, heardSeconds);
        IsComplete = true;
    }

    /// <summary>The reply as the model would have written it; null when it was no spoken dialogue.</summary>
    public string? ToReply(Func<IReadOnlyList<int>, string> unitText) => UserMood is not { } user || Mood is not { } mood ? null
        : ReplyFormat.Write(Heard, user.Emotion, user.Pitch, Text, mood.Emotion, mood.Pitch, unitText(_units));

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

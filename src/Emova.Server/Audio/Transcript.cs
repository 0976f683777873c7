using System.Globalization;
using System.IO.Compression;
using System.Text;
using Emova.Server.Wire;

namespace Emova.Server.Audio;

/// <summary>What was said in a recording, part by part, and its forms in the protocol.</summary>
internal sealed class Transcript(double duration, string language, double temperature)
{
    private readonly List<(SpeechSegment Segment, string Text, IReadOnlyList<int> Tokens)> _parts = [];

    public string Text => string.Join(' ', _parts.Select(part => part.Text).Where(text => text.Length > 0));

    public void Add(SpeechSegment segment, string text, IReadOnlyList<int> tokens) => _parts.Add((segment, text.Trim(), tokens));

    public VerboseTranscription Verbose(string task, bool segments, bool words) => new(task, language, Round(duration), Text, new DurationUsage("duration", Math.Ceiling(duration)))
    {
        Segments = segments ? [.. _parts.Select(Describe)] : null,
        Words = words ? [.. _parts.SelectMany(part => Words(part.Segment, part.Text))] : null,
    };

    public string SubRip() => Subtitles("", ',', withNumbers: true);

    public string WebVtt() => Subtitles("WEBVTT\n\n", '.', withNumbers: false);

    /// <summary>
    /// Words with times. The model tells which words, not when; the times spread each part's words over its speech in proportion to
    /// their letters, which is within a few tenths of a second for evenly spoken sentences.
    /// </summary>
    private static IEnumerable<TranscriptWord> Words(SpeechSegment segment, string text)
    {
        string[] words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        double total = words.Sum(word => word.Length + 1), position = 0, length = segment.SpeechEnd - segment.SpeechStart;
        foreach (string word in words)
        {
            double start = segment.SpeechStart + length * position / total;
            position += word.Length + 1;
            yield return new TranscriptWord(word, Round(start), Round(segment.SpeechStart + length * position / total));
        }
    }

    private TranscriptSegment Describe((SpeechSegment Segment, string Text, IReadOnlyList<int> Tokens) part, int index) => new(
        index, (int)(100 * part.Segment.Start), Round(part.Segment.SpeechStart), Round(part.Segment.SpeechEnd), part.Text, part.Tokens, temperature, CompressionRatio(part.Text));

    private string Subtitles(string header, char separator, bool withNumbers)
    {
        StringBuilder text = new(header);
        int number = 0;
        foreach ((SpeechSegment segment, string line, _) in _parts.Where(part => part.Text.Length > 0))
        {
            if (withNumbers)
                text.Append(CultureInfo.InvariantCulture, $"{++number}\n");
            text.Append(CultureInfo.InvariantCulture, $"{Time(segment.SpeechStart, separator)} --> {Time(segment.SpeechEnd, separator)}\n{line}\n\n");
        }

        return text.ToString();
    }

    private static string Time(double seconds, char separator)
    {
        TimeSpan time = TimeSpan.FromMilliseconds(Math.Round(1000 * seconds));
        return string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours:00}:{time.Minutes:00}:{time.Seconds:00}{separator}{time.Milliseconds:000}");
    }

    /// <summary>Bytes of the text over its bytes after zlib, as Whisper defines it; high values mean repetition.</summary>
    private static double CompressionRatio(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (bytes.Length == 0)
            return 0;
        using MemoryStream packed = new();
        using (ZLibStream zlib = new(packed, CompressionLevel.Optimal, leaveOpen: true))
            zlib.Write(bytes);
        return Round((double)bytes.Length / packed.Length);
    }

    private static double Round(double value) => Math.Round(value, 3);
}

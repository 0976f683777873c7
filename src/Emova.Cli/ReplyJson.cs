using Emova.Media;

namespace Emova.Cli;

/// <summary>Replies and events in the form of the --json output.</summary>
internal static class ReplyJson
{
    public static object Of(Reply reply, string? audioFile) => new
    {
        type = "reply",
        heard = reply.Heard,
        userEmotion = reply.UserEmotion,
        userPitch = reply.UserPitch,
        text = reply.Text,
        emotion = reply.Emotion,
        pitch = reply.Pitch,
        style = reply.Style,
        units = reply.Units,
        audio = audioFile,
        timings = Of(reply.Timings),
    };

    public static object Of(ReplyTimings timings) => new
    {
        speechEncodingMs = Milliseconds(timings.SpeechEncoding),
        imageEncodingMs = Milliseconds(timings.ImageEncoding),
        prefillMs = Milliseconds(timings.Prefill),
        firstTextMs = Milliseconds(timings.FirstText),
        firstAudioMs = Milliseconds(timings.FirstAudio),
        totalMs = Milliseconds(timings.Total),
        audioMs = Milliseconds(timings.AudioDuration),
        realTimeFactor = timings.RealTimeFactor is { } factor ? Math.Round(factor, 4) : (double?)null,
    };

    public static object? Of(ReplyEvent happening) => happening switch
    {
        ReplyEvent.HeardText heard => new { type = "heard", text = heard.Text },
        ReplyEvent.UserMood mood => new { type = "userMood", emotion = mood.Emotion, pitch = mood.Pitch },
        ReplyEvent.AnswerText answer => new { type = "text", text = answer.Text },
        ReplyEvent.AnswerMood mood => new { type = "mood", emotion = mood.Emotion, pitch = mood.Pitch, style = mood.Style },
        ReplyEvent.AnswerAudio audio => new { type = "audio", samples = audio.Clip.Samples.Length, sampleRate = audio.Clip.SampleRate },
        _ => null,
    };

    /// <summary>The reply as name and value pairs for people.</summary>
    public static IEnumerable<(string Name, string Value)> Pairs(Reply reply, string? audioFile)
    {
        if (reply.Heard is not null || reply.UserEmotion is not null)
        {
            yield return ("heard", reply.Heard ?? "");
            yield return ("user sounds", $"{reply.UserEmotion}, {reply.UserPitch} pitch");
        }

        yield return ("answer", reply.Text);
        if (reply.Emotion is not null)
            yield return ("answer sounds", $"{reply.Emotion}, {reply.Pitch} pitch");
        if (reply.Audio is null)
            yield break;
        yield return ("voice", reply.Style ?? "");
        yield return ("speech units", $"{reply.Units.Count}");
        yield return ("audio", $"{reply.Audio.Duration.TotalSeconds:0.00} s{(audioFile is null ? "" : $" in {audioFile}")}");
    }

    public static IEnumerable<(string Name, string Value)> Pairs(ReplyTimings timings)
    {
        if (timings.SpeechEncoding > TimeSpan.Zero)
            yield return ("speech to units", Text(timings.SpeechEncoding));
        if (timings.ImageEncoding > TimeSpan.Zero)
            yield return ("picture", Text(timings.ImageEncoding));
        yield return ("prompt", Text(timings.Prefill));
        if (timings.FirstText is { } text)
            yield return ("first text after", Text(text));
        if (timings.FirstAudio is { } audio)
            yield return ("first audio after", Text(audio));
        yield return ("whole reply", Text(timings.Total));
        if (timings.RealTimeFactor is { } factor)
            yield return ("real-time factor", $"{factor:0.000}");
    }

    public static string Text(TimeSpan time) => $"{time.TotalMilliseconds:0} ms";

    private static double? Milliseconds(TimeSpan? time) => time is { } value ? Math.Round(value.TotalMilliseconds, 2) : null;
}

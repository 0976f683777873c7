namespace Emova.Server.Realtime.Wire;

/// <summary>What the model heard, as it heard it. Events <c>emova.*</c> come only in sessions that set <c>emova.trace</c>.</summary>
internal sealed record TraceHeard(string ItemId, IReadOnlyList<TraceRun> Units, string Emotion, string Pitch) : ServerEvent;

/// <param name="Unit">The unit.</param>
/// <param name="Run">How often it occurred in a row.</param>
internal readonly record struct TraceRun(int Unit, int Run);

/// <summary>The style that the answer is spoken in.</summary>
internal sealed record TraceStyle(string ResponseId, string ItemId, string Emotion, string Pitch, string Style) : ServerEvent;

/// <summary>Units whose place in the audio is known now.</summary>
internal sealed record TraceUnits(string ResponseId, string ItemId, IReadOnlyList<TraceUnit> Units) : ServerEvent;

/// <param name="Unit">The unit.</param>
/// <param name="End">Seconds from the beginning of the answer to its end.</param>
internal readonly record struct TraceUnit(int Unit, double End);

/// <summary>Where the time of a finished answer went.</summary>
internal sealed record TraceTimings(string ResponseId, string ItemId, TraceStages Timings) : ServerEvent
{
    public static TraceStages Of(ReplyTimings timings) => new(
        Seconds(timings.SpeechEncoding), Seconds(timings.ImageEncoding), Seconds(timings.Prefill), timings.FirstText is { } text ? Seconds(text) : null,
        timings.FirstAudio is { } audio ? Seconds(audio) : null, Seconds(timings.Total), Seconds(timings.AudioDuration));

    private static double Seconds(TimeSpan time) => Math.Round(time.TotalSeconds, 4);
}

/// <summary><see cref="ReplyTimings"/> in seconds.</summary>
internal sealed record TraceStages(
    double SpeechEncoding, double ImageEncoding, double Prefill, double? FirstText, double? FirstAudio, double Total, double Audio);

namespace Emova.Models.Speech;

/// <summary>Turns speech units into speech. Weights are read only; every session has its own state.</summary>
public interface ISpeechDecoder
{
    /// <summary>Samples per second of the output.</summary>
    int SampleRate { get; }

    /// <summary>Length of a style vector.</summary>
    int StyleDim { get; }

    /// <summary>Number of different units.</summary>
    int UnitCount { get; }

    /// <summary>Starts speaking units that arrive over time.</summary>
    /// <param name="voice">Style and dials, from <see cref="StyleTable.Resolve"/>.</param>
    /// <param name="seed">Seed of everything that is drawn: noise in the voice, and rhythm where it is drawn.</param>
    /// <exception cref="EmovaException">A setting is out of range, or this decoder does not have it.</exception>
    ISpeechSession StartSession(VoiceSettings voice, ulong seed = 0);
}

/// <summary>Speech from units that arrive over time; the samples are those of the whole utterance. Not thread-safe.</summary>
public interface ISpeechSession
{
    /// <summary>Frames of each unit whose duration is known so far, repetitions merged: where in time a unit is spoken.</summary>
    IReadOnlyList<int> FramesPerUnit { get; }

    /// <summary>Samples of a frame.</summary>
    int SamplesPerFrame { get; }

    /// <summary>Adds units and returns the samples that are now determined, possibly none.</summary>
    /// <param name="units">Units; repetitions, also across calls, are merged.</param>
    /// <exception cref="EmovaException">A unit is out of range; nothing was added.</exception>
    /// <exception cref="InvalidOperationException">The session was ended.</exception>
    float[] Push(ReadOnlySpan<int> units);

    /// <summary>Ends the session: the remaining samples, piece by piece, each computed when it is asked for.</summary>
    IEnumerable<float[]> Finish();
}

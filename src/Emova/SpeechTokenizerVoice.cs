using System.Runtime.InteropServices;
using Emova.Generation;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Text;

namespace Emova;

/// <summary>Speaking units in a chosen voice, with or without a language model.</summary>
public static class SpeechTokenizerVoice
{
    /// <summary>Units to speech. Repetitions count as one unit: the voice decides how long each lasts.</summary>
    /// <param name="speech">The speech parts of a model.</param>
    /// <param name="units">Units, each below the quantizer's size.</param>
    /// <param name="voice">How it sounds.</param>
    /// <param name="onAudio">Called with each piece of audio as soon as it exists.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="EmovaException">There is no speech decoder, the style is unknown, or a unit does not exist.</exception>
    public static AudioClip Decode(
        this SpeechTokenizer speech, IEnumerable<int> units, VoiceOptions? voice = null, Action<AudioClip>? onAudio = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(speech);
        ArgumentNullException.ThrowIfNull(units);
        int rate = speech.SampleRate();
        List<float> samples = [];
        (SpeechStreamer streamer, _) = speech.StartVoice((voice ?? new VoiceOptions()).Validate(), null, null, piece =>
        {
            cancellationToken.ThrowIfCancellationRequested();
            samples.AddRange(piece);
            onAudio?.Invoke(new AudioClip(piece, rate));
        });
        List<int> group = [];
        foreach (int unit in units)
        {
            group.Add(unit);
            if (group.Count < streamer.Wanted)
                continue;
            cancellationToken.ThrowIfCancellationRequested();
            streamer.Push(CollectionsMarshal.AsSpan(group));
            group.Clear();
        }

        streamer.Push(CollectionsMarshal.AsSpan(group));
        while (streamer.FinishPiece())
            cancellationToken.ThrowIfCancellationRequested();
        return new AudioClip([.. samples], rate);
    }

    /// <summary>Samples per second of the decoder's output.</summary>
    internal static int SampleRate(this SpeechTokenizer speech) => Decoder(speech).SampleRate;

    /// <summary>Begins to speak in the style that the options and the model choose together.</summary>
    internal static (SpeechStreamer Streamer, string Style) StartVoice(
        this SpeechTokenizer speech, VoiceOptions voice, string? emotion, string? pitch, Action<float[]> onAudio)
    {
        Voice? speaker = voice.Speaker is { } name ? speech.FindVoice(name) : null;
        ISpeechDecoder decoder = speaker?.Decoder ?? Decoder(speech);
        SpeechStyle style = voice.StyleFor(emotion, pitch);
        if (voice.Reference is not null)
        {
            if (speaker is not null) throw new EmovaException($"voice '{speaker.Name}': a recording to sound like cannot be combined with a speaker");
            VoiceSettings settings = new(speech.EncodeStyle(voice.Reference), voice.Dials.PitchShift, voice.Dials.Speed * style.SpeedFactor);
            return (new SpeechStreamer(decoder, settings, voice.Seed, onAudio), "recording");
        }

        StyleTable styles = speaker?.Styles ?? speech.Styles ?? throw new EmovaException("this model has no voice styles");
        if (!styles.Names.Contains(style.VoiceName))
            style = style with { Emotion = ReplyFormat.ToVoicedEmotion(style.Emotion) };
        VoiceSettings resolved = styles.Resolve(style, voice.Dials);
        if (voice.BlendStyle is { } blend)
        {
            VoiceSettings other = styles.Resolve(blend, voice.Dials);
            resolved = resolved with { StyleVector = StyleTable.Mix(resolved.StyleVector, other.StyleVector, voice.BlendAmount) };
        }

        return (new SpeechStreamer(decoder, resolved, voice.Seed, onAudio), style.ToString());
    }

    private static ISpeechDecoder Decoder(SpeechTokenizer speech) => speech.Decoder ?? throw new EmovaException("this model has no speech decoder");
}

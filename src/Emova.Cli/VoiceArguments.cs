using System.CommandLine;
using Emova.Media;
using Emova.Models.Speech;

namespace Emova.Cli;

/// <summary>Options about the sound of the answer.</summary>
internal sealed class VoiceArguments
{
    private readonly Option<string?> _style = new("--style")
    {
        Description = "gender-emotion-pitch[-speed], such as female-happy-high or male-sad-low-slow.", HelpName = "STYLE",
    };

    private readonly Option<string?> _voice = new("--voice")
    {
        Description = "female, male, a speaker of the model's folder voices, or the folder of one (emova-train voice); emotion and pitch stay the model's choice.",
        HelpName = "NAME|DIR",
    };

    private readonly Option<float> _strength = new("--emotion-strength") { Description = "0 (neutral) to 1.5.", HelpName = "X", DefaultValueFactory = _ => 1 };
    private readonly Option<float> _pitchShift = new("--pitch-shift") { Description = "Semitones, -12 to 12.", HelpName = "X" };
    private readonly Option<string> _speed = new("--speed") { Description = "slow, normal, fast, or a factor from 0.5 to 2.", HelpName = "X", DefaultValueFactory = _ => "normal" };

    private readonly Option<string?> _blend = new("--blend") { Description = "A second style to move towards; see --blend-amount.", HelpName = "STYLE" };
    private readonly Option<float> _blendAmount = new("--blend-amount") { Description = "0 (the style) to 1 (the second style), up to 1.5.", HelpName = "X", DefaultValueFactory = _ => 0.5f };
    private readonly Option<string?> _reference = new("--style-from") { Description = "Recording to sound like; needs a model with a style encoder.", HelpName = "WAV" };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_style, _voice, _strength, _pitchShift, _speed, _blend, _blendAmount, _reference])
            command.Options.Add(option);
    }

    /// <summary>Reads the options; a speaker is looked up when the model is there (<see cref="Select"/>).</summary>
    public VoiceOptions Apply(ParseResult parsed, VoiceOptions voice)
    {
        string? style = parsed.GetValue(_style);
        if (style is not null)
            voice = VoiceOptions.Fixed(SpeechStyle.Parse(style)) with { Seed = voice.Seed };
        if (parsed.GetValue(_voice) is { } name)
            voice = SpeechStyle.Genders.Contains(name) ? voice with { Gender = name } : voice with { Speaker = name };
        if (parsed.GetValue(_blend) is { } blend)
            voice = voice with { BlendStyle = SpeechStyle.Parse(blend), BlendAmount = parsed.GetValue(_blendAmount) };
        if (parsed.GetValue(_reference) is { } reference)
            voice = voice with { Reference = WavFile.Read(reference) };
        return (voice with { Dials = new VoiceDials(parsed.GetValue(_strength), parsed.GetValue(_pitchShift), Speed(parsed.GetValue(_speed)!)) }).Validate();
    }

    /// <summary>Finds the speaker that was asked for, and takes the register that is its own unless a style names one.</summary>
    public VoiceOptions Select(ParseResult parsed, VoiceOptions voice, SpeechTokenizer speech)
    {
        if (voice.Speaker is not { } asked)
            return voice;
        if (asked.Contains(Path.DirectorySeparatorChar) || File.Exists(Path.Combine(asked, "config.json")))
        {
            Voice speaker = Voice.Load(asked);
            speech.AddVoice(speaker);
            asked = speaker.Name;
        }

        if (parsed.GetValue(_style) is not null)
            return voice with { Speaker = speech.FindVoice(asked).Name };
        VoiceOptions found = VoiceOptions.FindSpeaker(asked, speech.Voices) ?? new VoiceOptions { Speaker = speech.FindVoice(asked).Name };
        return voice with { Speaker = found.Speaker, Gender = found.Gender, Emotion = found.Emotion, Pitch = found.Pitch, Speed = found.Speed };
    }

    private static float Speed(string text) => text switch
    {
        _ when SpeechStyle.Speeds.Contains(text) => new SpeechStyle(Speed: text).SpeedFactor,
        _ when float.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out float factor) => factor,
        _ => throw new EmovaException($"--speed '{text}' is no speed: expected slow, normal, fast, or a factor from 0.5 to 2"),
    };
}

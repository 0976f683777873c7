using System.Text.RegularExpressions;
using Emova.Checkpoints;

namespace Emova.Models.Speech;

/// <summary>
/// A speaker beside a model's own: another decoder for the same units, with its own styles. It lives in a folder that
/// <c>emova-train voice</c> writes, a model folder of which only the speaking side is there: <c>config.json</c> with the sections
/// <c>voice</c> and <c>speech_decoder_config</c>, <c>model.safetensors</c> and <c>styles.safetensors</c>.
/// </summary>
public sealed partial class Voice
{
    /// <summary>Section of config.json that makes a folder a voice.</summary>
    public const string Section = "voice";

    private const int LongestName = 32;
    private const double LongestRecordings = 1e7; // seconds

    private Voice(ConfigSection config, ISpeechDecoder decoder, StyleTable styles)
    {
        Name = RequireName(config.Text("name"));
        Gender = config.Text("gender", null, [.. SpeechStyle.Genders]);
        Consent = config.Text("consent");
        RecordedSeconds = config.Number("recorded_seconds", 0, LongestRecordings, 0);
        (Decoder, Styles) = (decoder, styles);
    }

    /// <summary>Name to ask for it by: lower-case letters, digits, <c>-</c> and <c>_</c>, at most 32.</summary>
    public string Name { get; }

    /// <summary>One of <see cref="SpeechStyle.Genders"/>: the speaker's own register. Styles of the other gender are the same speaker higher or lower.</summary>
    public string Gender { get; }

    /// <summary>Who agreed to what, as it was given when the voice was made.</summary>
    public string Consent { get; }

    /// <summary>Seconds of recordings the voice was made from.</summary>
    public double RecordedSeconds { get; }

    /// <summary>Units to speech.</summary>
    public ISpeechDecoder Decoder { get; }

    /// <summary>The styles.</summary>
    public StyleTable Styles { get; }

    /// <summary>Whether a folder holds a voice.</summary>
    public static bool IsVoice(ModelFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return folder.Config.Has(Section);
    }

    /// <summary>Loads a voice.</summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="EmovaException">The folder is missing or damaged, or holds something else.</exception>
    public static Voice Load(string path)
    {
        using ModelFolder folder = ModelFolder.Open(path);
        if (!IsVoice(folder)) throw new EmovaException($"{path}: not a voice (config.json has no section '{Section}'); `emova-train voice` makes one");
        SpeechTokenizer parts = SpeechTokenizer.Load(folder);
        return new Voice(
            folder.Config.Section(Section), parts.Decoder ?? throw new EmovaException($"{path}: the voice has no speech decoder"),
            parts.Styles ?? throw new EmovaException($"{path}: the voice has no styles"));
    }

    /// <summary>Checks a name.</summary>
    /// <returns>The name.</returns>
    /// <exception cref="EmovaException">It has other characters, is too long, or is a gender.</exception>
    public static string RequireName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length > LongestName || !Allowed().IsMatch(name))
            throw new EmovaException($"voice name '{name}': expected at most {LongestName} lower-case letters, digits, '-' and '_', a letter first");
        return SpeechStyle.Genders.Contains(name) ? throw new EmovaException($"voice name '{name}': is the name of a voice of every model") : name;
    }

    /// <summary>
    /// The style that a name asks this voice for: <c>anna</c> leaves emotion and pitch open (null, null), <c>anna-happy-high</c> and
    /// <c>anna-happy-high-slow</c> name them.
    /// </summary>
    /// <returns>False when the name is another voice's.</returns>
    public bool TryParse(string name, out SpeechStyle? style)
    {
        ArgumentNullException.ThrowIfNull(name);
        style = null;
        if (name == Name) return true;
        if (!name.StartsWith(Name + "-", StringComparison.Ordinal)) return false;
        try
        {
            style = SpeechStyle.Parse($"{Gender}{name[Name.Length..]}");
            return true;
        }
        catch (EmovaException)
        {
            return false;
        }
    }

    [GeneratedRegex("^[a-z][a-z0-9_-]*$")]
    private static partial Regex Allowed();
}

using System.CommandLine;
using System.Globalization;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Text;

namespace Emova.Cli.Commands;

/// <summary><c>emova decode</c>: units to speech.</summary>
internal static class DecodeCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        VoiceArguments voice = new();
        Argument<string[]> given = new("UNITS") { Description = "Unit numbers or token text; - reads standard input.", Arity = ArgumentArity.OneOrMore };
        Option<string> output = new("--out", "-o") { Description = "WAV file to write.", HelpName = "FILE", DefaultValueFactory = _ => "speech.wav" };
        ExampleCommand command = new(
            "decode", "Turn units into speech in a chosen style.",
            "emova decode 3093 585 12 --style male-angry-normal", "emova encode question.wav | emova decode - --style female-happy-high --out happy.wav")
        { given, output };
        voice.AddTo(command);
        common.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            string[] words = parsed.GetValue(given)!;
            int[] units = Parse(words is ["-"] ? Console.In.ReadToEnd() : string.Join(' ', words));
            VoiceOptions options = voice.Apply(parsed, common.Conversation(parsed).Voice);
            SpeechTokenizer speech = common.LoadSpeech(parsed);
            options = voice.Select(parsed, options, speech);
            using AudioOutput audio = AudioOutput.Create(parsed.GetValue(output)!);
            AudioClip clip = speech.Decode(units, options, audio.Write, cancellation);
            if (common.IsJson(parsed))
                Terminal.WriteJson(new { audio = audio.Path, seconds = clip.Duration.TotalSeconds, units = units.Length });
            else
                Terminal.WritePairs("speech", [("speech units", $"{units.Length}"), ("audio", $"{clip.Duration.TotalSeconds:0.00} s in {audio.Path}")]);
            return Task.FromResult(Application.Success);
        });
        return command;
    }

    private static int[] Parse(string text)
    {
        List<int> units = [];
        foreach (string word in ReplyFormat.ToUnitText(text).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            units.Add(int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int unit) && unit < 4096
                ? unit : throw new EmovaException($"UNITS: '{word}' is no unit, expected numbers from 0 to 4095 or text such as {SpeechVocabulary.ToText(12)}"));
        }

        return units.Count > 0 ? [.. units] : throw new EmovaException("UNITS: there are none");
    }
}

using System.CommandLine;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Text;

namespace Emova.Cli.Commands;

/// <summary><c>emova encode</c>: speech to units.</summary>
internal static class EncodeCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        Argument<string> file = new("WAV") { Description = "Recording (PCM or float WAV, any sample rate)." };
        Option<bool> collapse = new("--collapse") { Description = "Leave out repetitions, as the language model sees units." };
        Option<bool> tokens = new("--tokens") { Description = "Write token text (<|speech_12|>) instead of numbers." };
        ExampleCommand command = new(
            "encode", "Turn speech into units, 25 per second.",
            "emova encode question.wav", "emova encode question.wav --collapse --tokens", "emova encode question.wav | emova decode - --out copy.wav")
        { file, collapse, tokens };
        common.AddTo(command);
        command.SetAction((parsed, _) =>
        {
            AudioClip clip = WavFile.Read(parsed.GetValue(file)!);
            SpeechTokenizer speech = common.LoadSpeech(parsed);
            int[] units = InputFiles.Naming([parsed.GetValue(file)], () => speech.Encode(clip));
            if (parsed.GetValue(collapse))
                units = SpeechUnits.Collapse(units).Units;
            if (common.IsJson(parsed))
                Terminal.WriteJson(new { file = parsed.GetValue(file), seconds = clip.Duration.TotalSeconds, units });
            else
                Console.Out.WriteLine(parsed.GetValue(tokens) ? SpeechVocabulary.ToText(units) : string.Join(' ', units));
            return Task.FromResult(Application.Success);
        });
        return command;
    }
}

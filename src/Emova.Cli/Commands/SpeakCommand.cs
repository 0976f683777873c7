using System.CommandLine;

namespace Emova.Cli.Commands;

/// <summary><c>emova speak</c>: text to speech in a chosen style.</summary>
internal static class SpeakCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        VoiceArguments voice = new();
        SamplingArguments sampling = new();
        Argument<string> text = new("TEXT") { Description = "What to say." };
        Option<string> output = new("--out", "-o") { Description = "WAV file to write.", HelpName = "FILE", DefaultValueFactory = _ => "speech.wav" };
        ExampleCommand command = new(
            "speak", "Say a text aloud.",
            "emova speak \"good morning\" --out hello.wav",
            "emova speak \"i am sorry\" --style female-sad-low-slow --emotion-strength 1.3",
            "emova speak \"good morning\" --voice voices/anna --style female-happy-high",
            "emova speak \"what a day\" --style male-happy-high --pitch-shift -2 --speed 1.1")
        { text, output };
        voice.AddTo(command);
        sampling.AddTo(command);
        common.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            ConversationOptions options = sampling.Apply(parsed, common.Conversation(parsed));
            options = options with { Voice = voice.Apply(parsed, options.Voice) };
            Assistant assistant = common.Load(parsed);
            options = options with { Voice = voice.Select(parsed, options.Voice, assistant.SpeechParts) };
            using AudioOutput audio = AudioOutput.Create(parsed.GetValue(output)!);
            Reply reply = assistant.Speak(parsed.GetValue(text)!, options, audio.Write, cancellation);
            if (common.IsJson(parsed))
                Terminal.WriteJson(ReplyJson.Of(reply, audio.Path));
            else
                Terminal.WritePairs("speech", [.. ReplyJson.Pairs(reply, audio.Path), .. ReplyJson.Pairs(reply.Timings)]);
            return Task.FromResult(Application.Success);
        });
        return command;
    }
}

using System.CommandLine;
using Emova.Media;

namespace Emova.Cli.Commands;

/// <summary><c>emova chat</c>: a conversation, one turn from the command line or many from standard input.</summary>
internal static class ChatCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        VoiceArguments voice = new();
        SamplingArguments sampling = new();
        Option<string?> image = new("--image", "-i") { Description = "Picture to talk about.", HelpName = "FILE" };
        Option<string?> audio = new("--audio", "-a") { Description = "Spoken question (WAV); the answer is spoken.", HelpName = "FILE" };
        Option<string?> text = new("--text", "-t") { Description = "Typed question; the answer is text.", HelpName = "TEXT" };
        Option<bool> speak = new("--speak") { Description = "Speak the answers to typed questions as well." };
        Option<string> output = new("--out", "-o") { Description = "WAV file for spoken answers; numbered in a conversation.", HelpName = "FILE", DefaultValueFactory = _ => "reply.wav" };
        Option<bool> stream = new("--stream") { Description = "Write parts of the answer as soon as they are known." };
        ExampleCommand command = new(
            "chat", "Talk with the model: typed or spoken, about a picture, over several turns.",
            "emova chat", "emova chat --image picture.png --audio question.wav --out answer.wav",
            "emova chat --image picture.png --text \"what color is the car\" --speak --json",
            "printf '/audio first.wav\\n/audio second.wav\\n' | emova chat --image picture.png --stream")
        { image, audio, text, speak, output, stream };
        voice.AddTo(command);
        sampling.AddTo(command);
        common.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            if (parsed.GetValue(audio) is not null && parsed.GetValue(text) is not null)
                throw new EmovaException("--audio and --text: give one of them, a turn is either spoken or typed");
            UserTurn turn = new()
            {
                Image = parsed.GetValue(image) is { } picture ? ImageFile.Load(picture) : null,
                Audio = parsed.GetValue(audio) is { } recording ? WavFile.Read(recording) : null,
                Text = parsed.GetValue(text),
                Speak = parsed.GetValue(speak),
            };
            ConversationOptions options = sampling.Apply(parsed, common.Conversation(parsed));
            options = options with { Voice = voice.Apply(parsed, options.Voice) };
            Assistant assistant = common.Load(parsed);
            options = options with { Voice = voice.Select(parsed, options.Voice, assistant.SpeechParts) };
            ChatSession session = new(assistant.StartConversation(options), parsed.GetValue(output)!, common.IsJson(parsed), parsed.GetValue(stream));
            if (turn.Audio is not null || turn.Text is not null)
                session.Answer(turn, parsed.GetValue(output)!, [parsed.GetValue(image), parsed.GetValue(audio)], cancellation);
            else
                session.Run(turn, Console.In, cancellation);
            return Task.FromResult(Application.Success);
        });
        return command;
    }
}

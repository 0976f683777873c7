using Emova.Media;

namespace Emova.Cli;

/// <summary>Shows the turns of a conversation and reads further ones, line by line.</summary>
internal sealed class ChatSession(Conversation conversation, string outputPath, bool json, bool stream)
{
    private const string Help = "type a question, or: /audio FILE (spoken question)  /image FILE (new picture)  /speak on|off  /reset  /help  /quit";

    private int _answers;

    /// <summary>Answers one turn and shows the answer.</summary>
    public void Answer(UserTurn turn, string path, string?[] inputs, CancellationToken cancellation)
    {
        using AudioOutput audio = AudioOutput.Create(path);
        bool lineOpen = false;
        Reply reply = InputFiles.Naming(inputs, () => conversation.Respond(turn, happening =>
        {
            if (happening is ReplyEvent.AnswerAudio piece)
                audio.Write(piece.Clip);
            if (!stream)
                return;
            if (json && ReplyJson.Of(happening) is { } value)
                Terminal.WriteJson(value);
            else if (!json)
                lineOpen = Show(happening, lineOpen);
        }, cancellation));
        if (lineOpen)
            Console.Out.WriteLine();
        string? file = audio.HasStarted ? audio.Path : null;
        if (json)
            Terminal.WriteJson(ReplyJson.Of(reply, file));
        else if (reply.Audio is null)
            Console.Out.WriteLine(stream ? "" : reply.Text);
        else
            Terminal.WritePairs("reply", [.. ReplyJson.Pairs(reply, file), .. ReplyJson.Pairs(reply.Timings)]);
    }

    /// <summary>
    /// Answers the lines of <paramref name="input"/> until it ends; the picture of <paramref name="first"/> is shown with the first
    /// question. A person's mistake is reported and the conversation goes on; a script's ends it.
    /// </summary>
    public void Run(UserTurn first, TextReader input, CancellationToken cancellation)
    {
        bool person = !Console.IsInputRedirected;
        if (person)
            Console.Error.WriteLine(Help);
        UserTurn pending = first;
        while (!cancellation.IsCancellationRequested)
        {
            if (person)
                Console.Error.Write("> ");
            if (ReadLine(input, cancellation) is not { } line || line.Trim() is "/quit" or "/exit")
                return;
            try
            {
                pending = Take(line.Trim(), pending, cancellation);
            }
            catch (EmovaException error) when (person)
            {
                Console.Error.WriteLine($"emova: {error.Message}");
            }
        }

        cancellation.ThrowIfCancellationRequested();
    }

    private UserTurn Take(string line, UserTurn pending, CancellationToken cancellation)
    {
        string[] words = line.Split(' ', 2, StringSplitOptions.TrimEntries);
        string argument = words.Length > 1 ? words[1] : "";
        switch (words[0])
        {
            case "":
                return pending;
            case "/help":
                Console.Error.WriteLine(Help);
                return pending;
            case "/reset":
                conversation.Reset();
                return pending with { Image = null };
            case "/image":
                return pending with { Image = ImageFile.Load(argument) };
            case "/speak" when argument is "on" or "off":
                return pending with { Speak = argument == "on" };
            case "/audio":
                Answer(pending with { Audio = WavFile.Read(argument) }, NextPath(), [argument], cancellation);
                return pending with { Image = null };
            case ['/', ..]:
                throw new EmovaException($"'{words[0]}' is no command; {Help}");
            default:
                Answer(pending with { Text = line }, NextPath(), [], cancellation);
                return pending with { Image = null };
        }
    }

    /// <summary>reply.wav, reply-2.wav, reply-3.wav, …</summary>
    private string NextPath() => ++_answers == 1 ? outputPath
        : Path.Combine(Path.GetDirectoryName(outputPath) ?? "", $"{Path.GetFileNameWithoutExtension(outputPath)}-{_answers}{Path.GetExtension(outputPath)}");

    /// <summary>A blocking read cannot be interrupted, so it runs aside and Ctrl-C ends the wait.</summary>
    private static string? ReadLine(TextReader input, CancellationToken cancellation)
    {
        Task<string?> read = Task.Run(input.ReadLine, CancellationToken.None);
        read.Wait(cancellation);
        return read.Result;
    }

    private static bool Show(ReplyEvent happening, bool lineOpen)
    {
        switch (happening)
        {
            case ReplyEvent.UserMood mood:
                Console.Out.WriteLine($"{(lineOpen ? Environment.NewLine : "")}user sounds {mood.Emotion}, {mood.Pitch} pitch");
                return false;
            case ReplyEvent.HeardText heard:
                Console.Out.Write(lineOpen ? heard.Text : $"heard: {heard.Text}");
                break;
            case ReplyEvent.AnswerText answer:
                Console.Out.Write(lineOpen ? answer.Text : $"answer: {answer.Text}");
                break;
            case ReplyEvent.AnswerMood mood:
                Console.Out.WriteLine($"{(lineOpen ? Environment.NewLine : "")}answer sounds {mood.Emotion}, {mood.Pitch} pitch");
                return false;
            default:
                return lineOpen;
        }

        Console.Out.Flush();
        return true;
    }
}

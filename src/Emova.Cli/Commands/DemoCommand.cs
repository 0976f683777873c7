using System.CommandLine;
using Emova.Media;

namespace Emova.Cli.Commands;

/// <summary><c>emova demo</c>: the main job on a shipped picture and spoken question.</summary>
internal static class DemoCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        VoiceArguments voice = new();
        Option<string?> sample = new("--sample") { Description = "Name of a sample. Default: the first one.", HelpName = "NAME" };
        Option<string?> samples = new("--samples") { Description = "Folder with samples.json. Default: samples found upwards from here.", HelpName = "DIR" };
        Option<string> output = new("--out", "-o") { Description = "WAV file for the answer.", HelpName = "FILE", DefaultValueFactory = _ => "reply.wav" };
        Option<int> runs = new("--runs") { Description = "Repetitions for the median times, 0 to 100.", HelpName = "N", DefaultValueFactory = _ => 5 };
        ExampleCommand command = new(
            "demo", "Look at a picture, listen to a spoken question, and answer aloud.",
            "emova demo", "emova demo --sample two --voice male --out answer.wav")
        { sample, samples, output, runs };
        voice.AddTo(command);
        common.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            int repetitions = parsed.GetValue(runs);
            if (repetitions is < 0 or > 100)
                throw new EmovaException($"--runs is {repetitions}, allowed is 0 to 100");
            SampleManifest manifest = SampleManifest.Load(parsed.GetValue(samples));
            Sample chosen = manifest.Find(parsed.GetValue(sample));
            UserTurn turn = new()
            {
                Image = ImageFile.Load(manifest.PathOf(chosen.Picture)),
                Audio = WavFile.Read(manifest.PathOf(chosen.Question)),
            };
            ConversationOptions options = common.Conversation(parsed);
            options = options with { Voice = voice.Apply(parsed, options.Voice) };
            using AudioOutput audio = AudioOutput.Create(parsed.GetValue(output)!);
            Assistant assistant = common.Load(parsed);

            bool json = common.IsJson(parsed);
            if (!json)
                Terminal.WritePairs("question", [("picture", manifest.PathOf(chosen.Picture)), ("recording", manifest.PathOf(chosen.Question)), ("what is said", chosen.Transcript)]);
            Reply reply = assistant.StartConversation(options).Respond(turn, happening =>
            {
                if (happening is ReplyEvent.AnswerAudio piece)
                    audio.Write(piece.Clip);
            }, cancellation);
            ReplyTimings[] warm = [.. Enumerable.Range(0, repetitions).Select(_ => assistant.StartConversation(options).Respond(turn, null, cancellation).Timings)];

            TimeSpan? firstAudio = Median(warm.Select(timings => timings.FirstAudio?.TotalMilliseconds)) is { } ms ? TimeSpan.FromMilliseconds(ms) : null;
            double? realTimeFactor = Median(warm.Select(timings => timings.RealTimeFactor));
            if (json)
            {
                Terminal.WriteJson(new
                {
                    sample = chosen, reply = ReplyJson.Of(reply, audio.Path), runs = repetitions,
                    medianFirstAudioMs = firstAudio?.TotalMilliseconds, medianRealTimeFactor = realTimeFactor,
                });
                return Task.FromResult(Application.Success);
            }

            Terminal.WritePairs("reply", ReplyJson.Pairs(reply, audio.Path));
            List<(string, string)> times = [.. ReplyJson.Pairs(reply.Timings)];
            if (firstAudio is { } median)
            {
                times.Add(($"first audio, median of {repetitions} more", ReplyJson.Text(median)));
                times.Add(($"real-time factor, median of {repetitions} more", $"{realTimeFactor:0.000}"));
            }

            Terminal.WritePairs("times from the end of the question", times);
            return Task.FromResult(Application.Success);
        });
        return command;
    }

    private static double? Median(IEnumerable<double?> values)
    {
        double[] sorted = [.. values.Where(value => value is not null).Select(value => value!.Value).Order()];
        return sorted.Length == 0 ? null : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}

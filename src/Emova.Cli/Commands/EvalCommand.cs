using System.CommandLine;
using Emova.Evaluation.Agreement;
using Emova.Evaluation.Data;
using Emova.Evaluation.Reports;
using Emova.Evaluation.Tiny;
using Emova.Evaluation.Voices;
using Emova.Media;
using Emova.Models.Speech;

namespace Emova.Cli.Commands;

/// <summary><c>emova eval tiny</c>: every figure the shipped model is judged by.</summary>
internal static class EvalCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        TinyOptions defaults = new();
        Argument<string> suite = new("SUITE") { Description = "tiny; agreement: a quantized model against the one it was made of; voice: a voice that emova-train voice made." };
        Option<string?> reference = new("--reference") { Description = "agreement: the model folder that --model was made of.", HelpName = "DIR" };
        Option<string?> voice = new("--voice") { Description = "voice: the folder of the voice.", HelpName = "DIR" };
        Option<string?> recordings = new("--recordings") { Description = "voice: recordings of the speaker, to tell who speaks.", HelpName = "DIR" };
        Option<string> data = new("--data") { Description = "Corpus written by emova-train data.", HelpName = "DIR", DefaultValueFactory = _ => defaults.Data };
        Option<string?> only = new("--only") { Description = $"Parts to run, separated by commas: {string.Join(",", TinySuite.PartNames)}.", HelpName = "PARTS" };
        Option<int> limit = new("--limit") { Description = "At most N test items per figure.", HelpName = "N", DefaultValueFactory = _ => defaults.Limit };
        Option<int> sampled = new("--sampled") { Description = "Sampled replies that must parse.", HelpName = "N", DefaultValueFactory = _ => defaults.SampledReplies };
        Option<string> output = new("--out", "-o") { Description = "Folder for evaluation.json and evaluation.md.", HelpName = "DIR", DefaultValueFactory = _ => Path.Combine("out", "eval") };
        Option<string?> into = new("--into") { Description = "Document to put the table into, between its markers.", HelpName = "FILE" };
        ExampleCommand command = new(
            "eval", "Measure the model on test data it was never trained on.",
            "emova eval tiny", "emova eval tiny --only pictures,spoken --limit 50 --json", "emova eval tiny --into README.md",
            "emova eval agreement --model out/emova-tiny-int4 --reference models/emova-tiny",
            "emova eval voice --voice voices/anna --recordings recordings/anna --into voices/anna/README.md")
        { suite, reference, voice, recordings, data, only, limit, sampled, output, into };
        common.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            if (parsed.GetValue(suite) is not ("tiny" or "agreement" or "voice"))
                throw new EmovaException($"SUITE '{parsed.GetValue(suite)}' is unknown: expected tiny, agreement or voice");
            ulong seed = parsed.GetValue(common.Seed);
            TinyOptions options = (defaults with
            {
                Data = parsed.GetValue(data)!,
                Only = parsed.GetValue(only)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
                Limit = parsed.GetValue(limit),
                SampledReplies = parsed.GetValue(sampled),
                Seed = seed == 0 ? defaults.Seed : seed <= int.MaxValue ? (int)seed : throw new EmovaException($"--seed is {seed}, eval allows 1 to {int.MaxValue}"),
                Threads = parsed.GetValue(common.Threads) ?? defaults.Threads,
                Command = string.Join(' ', ["emova", .. parsed.Tokens.Select(token => token.Value)]),
            }).Validate();
            string? document = parsed.GetValue(into);
            if (document is not null)
                ReportFiles.RequireMarkers(document);
            if (parsed.GetValue(suite) is "agreement")
            {
                string folder = parsed.GetValue(reference) ?? throw new EmovaException("eval agreement needs --reference DIR, the model that --model was made of");
                Report agreement = Agree(Assistant.Load(folder), common.Load(parsed), options, cancellation);
                Finish(agreement, parsed.GetValue(output)!, document, common.IsJson(parsed));
                return Application.Success;
            }

            string last = "";
            void Show(TinyProgress progress)
            {
                // One line per step, and every tenth of a long one.
                string line = $"{progress.Part}: {progress.Step} {(progress.Total == 0 ? 100 : 10 * (10 * progress.Done / progress.Total))} %";
                if (Interlocked.Exchange(ref last, line) != line)
                    Terminal.Note(line);
            }

            Report report;
            if (parsed.GetValue(suite) is "voice")
            {
                Voice speaker = Voice.Load(parsed.GetValue(voice) ?? throw new EmovaException("eval voice needs --voice DIR, a folder that emova-train voice wrote"));
                Assistant assistant = common.Load(parsed);
                assistant.SpeechParts.AddVoice(speaker);
                report = await OwnVoiceSuite.RunAsync(assistant, speaker, parsed.GetValue(recordings), options, Show, cancellation).ConfigureAwait(false);
            }
            else
            {
                report = await TinySuite.RunAsync(new AssistantModel(common.Load(parsed)), options, Show, cancellation).ConfigureAwait(false);
            }

            Finish(report, parsed.GetValue(output)!, document, common.IsJson(parsed));
            return Application.Success;
        });
        return command;
    }

    private static void Finish(Report report, string output, string? document, bool isJson)
    {
        ReportFiles.Write(report, output);
        if (document is not null)
            ReportFiles.InsertTable(report, document);
        Console.Out.Write(isJson ? report.ToJson() : ReportWriter.ToPlainText(report));
    }

    /// <summary>Compares two models on the shipped samples, spoken and typed, and on held-out dialogues where the corpus is at hand.</summary>
    private static Report Agree(Assistant reference, Assistant model, TinyOptions options, CancellationToken cancellation)
    {
        List<UserTurn> turns = [];
        SampleManifest samples = SampleManifest.Load(null);
        foreach (Sample sample in samples.Samples)
        {
            RgbImage? picture = reference.Model.Vision is null ? null : ImageFile.Load(samples.PathOf(sample.Picture));
            turns.Add(new UserTurn { Image = picture, Text = sample.Transcript });
            if (reference.Model.SpeechEncoder is not null)
                turns.Add(new UserTurn { Image = picture, Audio = WavFile.Read(samples.PathOf(sample.Question)) });
        }

        if (Directory.Exists(options.Data))
        {
            TestCorpus corpus = TestCorpus.Open(options.Data);
            TestDialogue[] dialogues = [.. corpus.Dialogues("test")];
            new Random(options.Seed).Shuffle(dialogues);
            foreach (TestDialogue dialogue in dialogues.Take(options.Limit))
                turns.Add(new UserTurn { Image = corpus.ReadPicture(dialogue), Text = dialogue.Turns[0].User.Text });
        }

        return AgreementSuite.Run(
            reference, model, turns, options.Command, options.Seed, done =>
            {
                if (done % 10 == 0 || done == turns.Count)
                    Terminal.Note($"agreement: {done} of {turns.Count} turns");
            }, cancellation);
    }
}

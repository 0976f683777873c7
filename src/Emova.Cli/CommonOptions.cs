using System.CommandLine;
using Emova.Generation;
using Emova.Numerics;

namespace Emova.Cli;

/// <summary>The options every command that uses a model has.</summary>
internal sealed class CommonOptions
{
    public Option<string?> Model { get; } = new("--model", "-m") { Description = "Model folder, or a repository of the hub that was pulled. Default: $EMOVA_MODEL, else models/emova-tiny found upwards from here.", HelpName = "DIR" };

    public Option<string?> SpeechTokenizer { get; } = new("--speech-tokenizer")
    {
        Description = "EMOVA's speech tokenizer, to hear and speak with. Default: $EMOVA_SPEECH_TOKENIZER, else the model's own.", HelpName = "DIR",
    };

    public Option<string[]> Adapter { get; } = new("--adapter") { Description = "Adapter (LoRA or DoRA, PEFT format) that changes the model; given again, the last one is used.", HelpName = "DIR", DefaultValueFactory = _ => [] };

    public Option<bool> Json { get; } = new("--json") { Description = "Write JSON instead of text." };

    public Option<ulong> Seed { get; } = new("--seed") { Description = "Seed of sampling and of the voice's noise.", HelpName = "N" };

    public Option<int?> Threads { get; } = new("--threads") { Description = "Worker threads, 1 to 256; results do not depend on it. Default: all cores.", HelpName = "N" };

    public void AddTo(Command command)
    {
        command.Options.Add(Model);
        command.Options.Add(SpeechTokenizer);
        command.Options.Add(Adapter);
        command.Options.Add(Json);
        command.Options.Add(Seed);
        command.Options.Add(Threads);
    }

    /// <summary>Whether the output is for programs.</summary>
    public bool IsJson(ParseResult parsed) => parsed.GetValue(Json);

    public string ModelFolder(ParseResult parsed) => ModelLocator.Find(parsed.GetValue(Model));

    /// <summary>Applies --threads and loads the model.</summary>
    public Assistant Load(ParseResult parsed)
    {
        ApplyThreads(parsed);
        string folder = ModelFolder(parsed);
        return Terminal.WithStatus($"loading {folder}", () =>
        {
            Assistant assistant = Assistant.Load(folder, SpeechTokenizerFolder(parsed));
            foreach (string adapter in parsed.GetValue(Adapter) ?? [])
                assistant.DefaultAdapter = assistant.LoadAdapter(adapter);
            return assistant;
        });
    }

    /// <summary>Applies --threads and loads only what hears and speaks; --model may be a speech tokenizer too.</summary>
    public Models.Speech.SpeechTokenizer LoadSpeech(ParseResult parsed)
    {
        ApplyThreads(parsed);
        string folder = SpeechTokenizerFolder(parsed) ?? ModelFolder(parsed);
        return Terminal.WithStatus($"loading {folder}", () => Assistant.LoadSpeechTokenizer(folder));
    }

    public string? SpeechTokenizerFolder(ParseResult parsed) =>
        parsed.GetValue(SpeechTokenizer) ?? (Environment.GetEnvironmentVariable("EMOVA_SPEECH_TOKENIZER") is { Length: > 0 } configured ? configured : null);

    public void ApplyThreads(ParseResult parsed)
    {
        if (parsed.GetValue(Threads) is not { } threads)
            return;
        if (threads is < 1 or > 256)
            throw new EmovaException($"--threads is {threads}, allowed is 1 to 256");
        WorkerTeam.Shared.ThreadCount = threads;
    }

    public ConversationOptions Conversation(ParseResult parsed) => new()
    {
        Sampling = SamplingOptions.Greedy with { Seed = parsed.GetValue(Seed) },
        Voice = new VoiceOptions { Seed = parsed.GetValue(Seed) },
    };
}

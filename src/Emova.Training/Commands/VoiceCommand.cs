using System.CommandLine;
using System.Globalization;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Training.Infrastructure;
using Emova.Training.Runtime;
using Emova.Training.Voices;
using TorchSharp;

namespace Emova.Training.Commands;

/// <summary><c>emova-train voice</c>: from recordings of a speaker to a voice that the model speaks with.</summary>
internal static class VoiceCommand
{
    private const int ShortestConsent = 20;
    private static readonly string[] SampleStyles = ["neutral-normal", "happy-high", "sad-low"];

    public static Command Create()
    {
        Option<string> recordings = new("--recordings") { Description = "Folder with recordings of one speaker (WAV or FLAC, 16 kHz or more); no transcripts.", Required = true };
        Option<string> name = new("--name") { Description = "Name of the voice: lower-case letters, digits, - and _.", Required = true };
        Option<string> consent = new("--consent") { Description = $"Who agreed to what, when: at least {ShortestConsent} characters; goes into the model card. @FILE reads it from a file.", Required = true };
        Option<string> model = new("--model") { Description = "Model folder to start from.", DefaultValueFactory = _ => "models/emova-tiny" };
        Option<string> output = new("--out") { Description = "Folder of the voice.", Required = true };
        Option<string?> gender = new("--gender") { Description = "Register of the speaker, female or male. Default: by the median pitch." };
        Option<string> config = new("--config") { Description = "YAML file with the settings.", DefaultValueFactory = _ => "configs/training/voice.yaml" };
        Option<string[]> set = new("--set") { Description = "Override a setting: key=value.", DefaultValueFactory = _ => [] };
        Option<int> threads = new("--threads") { Description = "Threads for the tensor library, 1 to 64.", DefaultValueFactory = _ => 1 };
        Command command = new("voice",
            "Teach the model a new speaker from a few minutes of recordings; words, styles and language model stay.\n"
            + "Example: emova-train voice --recordings recordings/anna --name anna --consent \"Anna Example agreed on 2026-11-20 to a synthetic voice for our museum guide.\" --out voices/anna")
        { recordings, name, consent, model, output, gender, config, set, threads };
        command.SetAction(parsed =>
        {
            int count = parsed.GetValue(threads);
            if (count is < 1 or > 64) throw new EmovaException($"--threads {count}: expected 1 to 64");
            string? register = parsed.GetValue(gender);
            if (register is not null && !SpeechStyle.Genders.Contains(register)) throw new EmovaException($"--gender {register}: expected {string.Join(" or ", SpeechStyle.Genders)}");
            string folder = parsed.GetValue(output)!;
            VoiceOrigin origin = new(
                Voice.RequireName(parsed.GetValue(name)!), Consent(parsed.GetValue(consent)!), DateOnly.FromDateTime(DateTime.UtcNow),
                "emova-train " + string.Join(' ', parsed.Tokens.Select(token => token.Value.Any(char.IsWhiteSpace) ? $"\"{token.Value}\"" : token.Value)));
            RequireFree(folder, origin.Name);
            LibTorchLoader.EnsureLoadable();
            torch.set_num_threads(count);
            return Run(StageConfig.Load<OwnVoiceSettings>(parsed.GetValue(config), parsed.GetValue(set)), parsed.GetValue(model)!, parsed.GetValue(recordings)!, register, folder, origin);
        });
        return command;
    }

    private static int Run(OwnVoiceSettings settings, string model, string recordings, string? gender, string output, VoiceOrigin origin)
    {
        ShippedVoice shipped = ShippedVoice.Open(model);
        RecordingFolder speaker = RecordingFolder.Read(recordings);
        foreach (string line in speaker.Describe()) Console.WriteLine(line);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{speaker.Files} recordings, {speaker.Seconds / 60:0.0} minutes in {speaker.Pieces.Count} pieces; {speaker.Rejected.Count} not used"));
        OwnVoiceStage stage = new(settings, shipped, speaker, gender, output);
        OwnVoiceResult? result = stage.Run(step => WriteSamples(Path.Combine(output, "samples", string.Create(CultureInfo.InvariantCulture, $"step-{step:00000}")), shipped, stage, origin));
        if (result is null) return 1;
        VoiceFolder.Write(output, shipped, stage.Store, result.Gender, origin, result.TrainingSeconds);
        VoiceFolder.WriteCard(output, shipped, origin, speaker, result);
        Console.WriteLine($"written to {output}; try: emova speak \"hello\" --voice {output}");
        return 0;
    }

    /// <summary>A sentence of the recordings that are not trained on, spoken by what the weights are now, to listen to.</summary>
    private static void WriteSamples(string folder, ShippedVoice shipped, OwnVoiceStage stage, VoiceOrigin origin)
    {
        string temporary = Path.Combine(folder, "voice");
        VoiceFolder.Write(temporary, shipped, stage.Store, stage.Gender, origin, 0);
        Voice voice = Voice.Load(temporary);
        Directory.Delete(temporary, recursive: true);
        foreach (string style in SampleStyles)
        {
            ISpeechSession session = voice.Decoder.StartSession(voice.Styles.Resolve(SpeechStyle.Parse($"{stage.Gender}-{style}")));
            float[] samples = [.. session.Push(stage.SampleUnits), .. session.Finish().SelectMany(piece => piece)];
            WavFile.Write(Path.Combine(folder, style + ".wav"), samples, voice.Decoder.SampleRate);
        }
    }

    private static string Consent(string given)
    {
        string text = given.StartsWith('@') ? ReadConsent(given[1..]) : given;
        text = text.Trim();
        return text.Length >= ShortestConsent ? text : throw new EmovaException(
            $"--consent: '{text}' is too short; say who agreed to what and when, in at least {ShortestConsent} characters. Without the speaker's consent no voice may be made");
    }

    private static string ReadConsent(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"--consent @{path}: {error.Message}", error);
        }
    }

    /// <summary>A folder of another voice or of a model is not written over.</summary>
    private static void RequireFree(string folder, string name)
    {
        string config = Path.Combine(folder, "config.json");
        if (!File.Exists(config)) return;
        string found;
        try
        {
            found = Voice.Load(folder).Name;
        }
        catch (EmovaException error)
        {
            throw new EmovaException($"--out {folder}: holds something that is not a voice ({error.Message})", error);
        }

        if (found != name) throw new EmovaException($"--out {folder}: holds the voice '{found}'; choose another folder");
    }
}

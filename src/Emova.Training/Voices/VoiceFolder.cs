using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Evaluation.Reports;
using Emova.Models.Speech;
using Emova.Training.Data;
using Emova.Training.Infrastructure;

namespace Emova.Training.Voices;

/// <summary>What the card of a voice says about where it comes from.</summary>
/// <param name="Name">Name of the voice.</param>
/// <param name="Consent">Who agreed to what.</param>
/// <param name="Created">Day it was made.</param>
/// <param name="Command">The command that made it.</param>
public sealed record VoiceOrigin(string Name, string Consent, DateOnly Created, string Command);

/// <summary>Writes a voice as the runtime loads it: configuration, weights in bfloat16, styles, and the model card.</summary>
public static class VoiceFolder
{
    private const string Prefix = "speech_decoder.";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes configuration, weights and styles; each file appears when it is complete, the configuration last.</summary>
    public static void Write(string folder, ShippedVoice shipped, ParameterStore store, string gender, VoiceOrigin origin, double recordedSeconds)
    {
        Directory.CreateDirectory(folder);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), store.Export(DType.BF16, Prefix), new Dictionary<string, string> { ["format"] = "pt" });
        float[] styles = [.. ParameterStore.Values(shipped.Styles)];
        int dimension = shipped.Dimensions.StyleDim;
        SafetensorsWriter.Write(Path.Combine(folder, "styles.safetensors"),
            VoiceStyle.All.Select((style, i) => TensorData.F32(style.Name, [dimension], styles.AsSpan(i * dimension, dimension).ToArray())));
        JsonObject config = new()
        {
            ["model_type"] = "emova_voice",
            [Voice.Section] = new JsonObject
            {
                ["name"] = origin.Name, ["gender"] = gender, ["consent"] = origin.Consent, ["created"] = origin.Created.ToString("O", CultureInfo.InvariantCulture),
                ["recorded_seconds"] = Math.Round(recordedSeconds, 1), ["made_from"] = shipped.Name,
            },
            ["speech_decoder_config"] = JsonNode.Parse(shipped.Section.GetRawText()),
        };
        Put(folder, "config.json", config.ToJsonString(Indented));
    }

    /// <summary>Writes README.md, the model card.</summary>
    /// <param name="folder">The voice.</param>
    /// <param name="shipped">What it was made from.</param>
    /// <param name="origin">Where it comes from.</param>
    /// <param name="recordings">The recordings.</param>
    /// <param name="result">What training ended with.</param>
    public static void WriteCard(string folder, ShippedVoice shipped, VoiceOrigin origin, RecordingFolder recordings, OwnVoiceResult result)
    {
        string other = result.Gender == "female" ? "male" : "female";
        string figures = string.Join('\n', result.Metrics.Select(metric => string.Create(CultureInfo.InvariantCulture, $"| {metric.Key.Replace('_', ' ')} | {metric.Value:0.000} |")));
        string rejected = recordings.Rejected.Count == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" {recordings.Rejected.Count} files were not used:\n\n")
            + string.Join('\n', recordings.Rejected.Select(bad => $"* {bad.File}: {bad.Reason}")) + "\n";
        Put(folder, "README.md", string.Create(CultureInfo.InvariantCulture, $"""
            # Voice: {origin.Name}

            A speaker for EMOVA models with the units of `{shipped.Name}`: `emova speak TEXT --voice {folder}`.

            ## Consent

            > {origin.Consent.ReplaceLineEndings("\n> ")}

            Given to `emova-train voice` on {origin.Created:O}. The voice must not be used for anything that is not covered by it. Speech made with it
            should be marked as synthetic wherever it could be taken for a recording.

            ## Data and training

            {result.TrainingSeconds / 60:0.0} minutes of recordings of one speaker ({recordings.Files} files), and {result.HeldOutSeconds:0} seconds kept for the figures below; no transcripts.
            Median pitch {result.MedianPitch:0} Hz, register {result.Gender}.{rejected}

            Made from `{shipped.Name}` with

            ```
            {origin.Command}
            ```

            Trained: run lengths, prosody and filters of the speech decoder. As in `{shipped.Name}`: the units, the unit encoder, the 24 style vectors, the language model.
            The speaker was heard in one manner only: the emotions and pitches are what the shipped voice does in them, carried over to the speaker.
            Styles of the other gender (`{other}-...`) are the same speaker in another register, which no recording vouches for.

            ## Figures

            | loss on the recordings kept | value |
            |---|---|
            {figures}

            {ReportWriter.BeginMarker}
            Speaker, words and styles are not measured yet: `emova eval voice --voice {folder} --recordings DIR --into {Path.Combine(folder, "README.md")}` puts them here.
            {ReportWriter.EndMarker}
            """) + "\n");
    }

    private static void Put(string folder, string name, string text)
    {
        string path = Path.Combine(folder, name);
        File.WriteAllText(path + ".tmp", text.ReplaceLineEndings("\n"));
        File.Move(path + ".tmp", path, overwrite: true);
    }
}

using System.CommandLine;
using System.Globalization;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Training.Voices;

namespace Emova.Training.Commands;

/// <summary><c>emova-train styles</c>: style prototypes from recordings, for a decoder with a style encoder.</summary>
internal static class StylesCommand
{
    private const int TypicalShown = 3;

    public static Command Create()
    {
        Option<string> decoder = new("--decoder") { Description = "Folder with a VITS decoder: a speech tokenizer, or what speech-vits wrote.", Required = true };
        Option<string> recordings = new("--recordings") { Description = "Folder with recordings. Labelled: a folder for each style, named as it (female-happy-high). Unlabelled: with --clusters.", Required = true };
        Option<int?> clusters = new("--clusters") { Description = "Group unlabelled recordings into N styles." };
        Option<int> seed = new("--seed") { Description = "Seed of the grouping.", DefaultValueFactory = _ => 1 };
        Option<string> output = new("--out") { Description = "File for the style vectors.", DefaultValueFactory = _ => "styles.safetensors" };
        Command command = new("styles",
            "Make style prototypes from labelled or unlabelled recordings.\n"
            + "Example: emova-train styles --decoder speech_tokenizer --recordings recordings --out speech_tokenizer/styles.safetensors")
        { decoder, recordings, clusters, seed, output };
        command.SetAction(parsed =>
        {
            Run(parsed.GetValue(decoder)!, parsed.GetValue(recordings)!, parsed.GetValue(clusters), parsed.GetValue(seed), parsed.GetValue(output)!);
            return 0;
        });
        return command;
    }

    private static void Run(string decoder, string folder, int? clusters, int seed, string output)
    {
        SpeechTokenizer speech;
        using (ModelFolder opened = ModelFolder.Open(decoder)) speech = SpeechTokenizer.Load(opened);
        RecordingFolder recordings = RecordingFolder.Read(folder);
        foreach (string line in recordings.Describe()) Console.WriteLine(line);
        float[][] vectors = new float[recordings.Pieces.Count][];
        for (int i = 0; i < vectors.Length; i++)
        {
            vectors[i] = speech.EncodeStyle(new AudioClip(recordings.Pieces[i].Samples, RecordingFolder.SampleRate));
            if ((i + 1) % 50 == 0) Console.WriteLine($"{i + 1} of {vectors.Length} recordings");
        }

        IReadOnlyList<StylePrototype> styles = clusters is { } count
            ? StylePrototypes.OfClusters(vectors, count, seed)
            : StylePrototypes.OfLabels(recordings.Pieces.Zip(vectors, (piece, vector) => (Label(piece.Name), vector)));
        SafetensorsWriter.Write(output, styles.Select(style => TensorData.F32(style.Name, [style.Vector.Length], style.Vector)));
        PitchTracker tracker = new();
        foreach (StylePrototype style in styles)
        {
            float[] voiced = [.. style.Members.Take(TypicalShown).SelectMany(i => tracker.Track(recordings.Pieces[i].Samples).Frequency).Where(f => f > 0).Order()];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{style.Name}: {style.Members.Count} recordings, median pitch {(voiced.Length == 0 ? 0 : voiced[voiced.Length / 2]):0} Hz, most typical {string.Join(", ", style.Members.Take(TypicalShown).Select(i => recordings.Pieces[i].Name))}"));
        }

        Console.WriteLine($"{styles.Count} styles written to {output}");
    }

    private static string Label(string name)
    {
        string[] parts = name.Split('/', '\\');
        if (parts.Length < 2) throw new EmovaException($"--recordings: {name} is in no folder of a style; give --clusters N for recordings without labels");
        return SpeechStyle.Parse(parts[0]).ToString();
    }
}

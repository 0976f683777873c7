using System.CommandLine;
using Emova.Training.Data;
using StbImageWriteSharp;

namespace Emova.Training.Commands;

/// <summary><c>emova-train scenes</c>: draws the pictures of a split as PNG files, also with other artists' emoji.</summary>
public static class ScenesCommand
{
    public static Command Create()
    {
        Option<string> data = new("--data") { Description = "Folder of the corpus.", DefaultValueFactory = _ => "data/tiny" };
        Option<string> split = new("--split") { Description = "train, validation or test.", DefaultValueFactory = _ => "test" };
        Option<int> count = new("--count") { Description = "How many pictures, at least 1.", DefaultValueFactory = _ => 50 };
        Option<string?> glyphs = new("--glyphs") { Description = "Folder of PNG or WebP files named by code point, instead of the Noto font." };
        Option<string> output = new("--out") { Description = "Folder for the pictures.", DefaultValueFactory = _ => "out/scenes" };
        Command command = new("scenes", "Draws pictures of the corpus as PNG files.") { data, split, count, glyphs, output };
        command.SetAction(parsed =>
        {
            string name = parsed.GetValue(split)!;
            if (!SplitRule.Splits.Contains(name))
                throw new EmovaException($"--split {name}: not {string.Join(", ", SplitRule.Splits)}");
            if (parsed.GetValue(count) < 1)
                throw new EmovaException($"--count {parsed.GetValue(count)}: at least 1");
            GlyphSource source = parsed.GetValue(glyphs) is { } folder ? new FolderGlyphs(folder) : NotoGlyphs.Open();
            Draw(parsed.GetValue(data)!, name, parsed.GetValue(count), source, parsed.GetValue(output)!);
            return 0;
        });
        return command;
    }

    private static void Draw(string data, string split, int count, GlyphSource glyphs, string output)
    {
        var renderer = new SceneRenderer(glyphs);
        Directory.CreateDirectory(output);
        var drawn = CorpusJson.ReadLines<Dialogue>(Path.Combine(data, "dialogue", split + ".jsonl"))
            .Where(d => d.Scene is not null && d.Scene.Objects.All(o => o.Glyph is null || glyphs.Contains(o.Glyph)))
            .Take(count).ToList();
        foreach (Dialogue dialogue in drawn)
        {
            using FileStream stream = File.Create(Path.Combine(output, dialogue.Id + ".png"));
            new ImageWriter().WritePng(renderer.Draw(dialogue.Scene!), dialogue.Scene!.Width, dialogue.Scene.Height, ColorComponents.RedGreenBlue, stream);
        }
        CorpusJson.WriteLines(Path.Combine(output, "dialogues.jsonl"), drawn);
        Console.WriteLine($"{output}: {drawn.Count} pictures");
    }
}

using System.CommandLine;
using Emova.Training.Data;

namespace Emova.Training.Commands;

/// <summary><c>emova-train glyphs</c>: fetches the emoji of other artists that the vision encoder is trained on too.</summary>
public static class GlyphsCommand
{
    public static Command Create()
    {
        Option<string> output = new("--out") { Description = "Folder for the sets.", DefaultValueFactory = _ => GlyphSet.DefaultFolder };
        Option<Uri> registry = new("--registry")
        {
            Description = "Registry of npm packages.",
            DefaultValueFactory = _ => new Uri(Environment.GetEnvironmentVariable("npm_config_registry") ?? "https://registry.npmjs.org/"),
        };
        Command command = new("glyphs", "Fetches further drawing styles of emoji (150 MB) to train on. Example: emova-train glyphs --out data/glyphs") { output, registry };
        command.SetAction(async (parsed, cancellation) =>
        {
            // Ends in a slash, or the last part of the registry's path would be replaced.
            Uri address = new(parsed.GetValue(registry)!.ToString().TrimEnd('/') + "/");
            using HttpClient client = new();
            foreach (GlyphSet set in GlyphSet.All)
            {
                bool fetched = await set.FetchAsync(parsed.GetValue(output)!, address, client, cancellation);
                string folder = Path.Combine(parsed.GetValue(output)!, set.Name);
                Console.WriteLine($"{folder}: {(fetched ? "fetched" : "already there")}, {Directory.EnumerateFiles(folder).Count()} pictures of {set.Package} ({set.License})");
            }
            return 0;
        });
        return command;
    }
}

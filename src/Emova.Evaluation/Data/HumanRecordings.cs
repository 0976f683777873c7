using System.Text.RegularExpressions;

namespace Emova.Evaluation.Data;

/// <summary>A spoken noun of a package the user installed.</summary>
public sealed record HumanRecording(string Word, string Path);

/// <summary>A set of human recordings, or the reason why it is not here.</summary>
/// <param name="Name">Name of the set.</param>
/// <param name="Package">Debian package it comes from.</param>
/// <param name="Items">Recordings, sorted by path; empty when the package is missing.</param>
public sealed record HumanSet(string Name, string Package, IReadOnlyList<HumanRecording> Items)
{
    /// <summary>Null when present, otherwise one line that names the package.</summary>
    public string? WhyMissing => Items.Count > 0 ? null : $"{Name}: no recordings found; install the Debian package {Package} (evaluation only, never trained on)";
}

/// <summary>
/// Finds recordings of people saying single nouns in two Debian packages. Their licences (GPL) allow listening, so they are
/// used where the user installed them and are never part of this repository.
/// </summary>
public static partial class HumanRecordings
{
    /// <summary>English descriptions of the stamps of Tux Paint: <c>name_desc.ogg</c> with the text in <c>name.txt</c>.</summary>
    public static HumanSet TuxPaint(string root = "/")
    {
        string folder = Path.Combine(root, "usr/share/tuxpaint/stamps");
        var items = new List<HumanRecording>();
        foreach (string sound in Files(folder, "*_desc.ogg"))
        {
            string text = sound[..^"_desc.ogg".Length] + ".txt";
            if (sound.Contains("/symbols/", StringComparison.Ordinal) || !File.Exists(text)) continue;
            string word = Noun(File.ReadLines(text).FirstOrDefault() ?? "");
            if (word.Length > 0) items.Add(new HumanRecording(word, sound));
        }
        return new HumanSet("Tux Paint nouns", "tuxpaint-stamps-default", items);
    }

    /// <summary>English nouns of the potato game ktuberling, named by its sound theme.</summary>
    public static HumanSet Ktuberling(string root = "/")
    {
        string folder = Path.Combine(root, "usr/share/ktuberling/sounds"), theme = Path.Combine(folder, "en.soundtheme");
        var items = new List<HumanRecording>();
        if (File.Exists(theme))
            foreach (Match match in Sound().Matches(File.ReadAllText(theme)))
            {
                // Names of a scene carry its name in front, which is not spoken: "egypt_bridge".
                string path = Path.Combine(folder, match.Groups[2].Value), word = Noun(match.Groups[1].Value.Split('_', '-', ' ')[^1]);
                if (File.Exists(path)) items.Add(new HumanRecording(word, path));
            }
        return new HumanSet("ktuberling nouns", "ktuberling-data", items);
    }

    /// <summary>"A koala." becomes "koala".</summary>
    internal static string Noun(string text) => Article().Replace(text.Trim().TrimEnd('.', '!').ToLowerInvariant(), "");

    private static IEnumerable<string> Files(string folder, string pattern) =>
        Directory.Exists(folder) ? Directory.EnumerateFiles(folder, pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal) : [];

    [GeneratedRegex("<sound name=\"([^\"]+)\" file=\"([^\"]+)\"")]
    private static partial Regex Sound();

    [GeneratedRegex("^(a|an|the|some) ")]
    private static partial Regex Article();
}

using System.Collections.Concurrent;
using System.Globalization;

namespace Emova.Training.Data;

/// <summary>Where the drawings of emoji come from. Thread-safe; every glyph is decoded once.</summary>
public abstract class GlyphSource
{
    private readonly ConcurrentDictionary<string, GlyphImage> _images = new();

    /// <summary>The drawing of a hexadecimal code point.</summary>
    public GlyphImage this[string codePoint] => _images.GetOrAdd(codePoint, Load);

    /// <summary>Whether there is a drawing.</summary>
    public abstract bool Contains(string codePoint);

    protected abstract GlyphImage Load(string codePoint);
}

/// <summary>The font of the Debian package fonts-noto-color-emoji.</summary>
public sealed class NotoGlyphs : GlyphSource
{
    public const string Package = "fonts-noto-color-emoji";

    public const string DefaultPath = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";

    private readonly ColorBitmapFont _font;
    private readonly string _path;

    private NotoGlyphs(string path) => (_path, _font) = (path, ColorBitmapFont.Parse(File.ReadAllBytes(path), path));

    /// <exception cref="EmovaException">The font is not installed.</exception>
    public static NotoGlyphs Open(string path = DefaultPath) => File.Exists(path)
        ? new NotoGlyphs(path)
        : throw new EmovaException($"{path}: not found; install the Debian package {Package} (apt-get install {Package})");

    public static bool IsAvailable => File.Exists(DefaultPath);

    public override bool Contains(string codePoint) => _font.Png(Parse(codePoint)) is not null;

    protected override GlyphImage Load(string codePoint) => GlyphImage.FromPng(
        _font.Png(Parse(codePoint)) ?? throw new EmovaException($"{_path}: no picture for code point {codePoint}"));

    private static int Parse(string codePoint) => int.Parse(codePoint, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}

/// <summary>A folder of PNG files named by code point (1f408.png), for example another artist's set for testing.</summary>
public sealed class FolderGlyphs : GlyphSource
{
    private readonly Dictionary<string, string> _files;
    private readonly string _folder;

    public FolderGlyphs(string folder)
    {
        if (!Directory.Exists(folder))
            throw new EmovaException($"{folder}: no such folder of glyph pictures");
        _folder = folder;
        // "2600-fe0f" and "2600" are the same drawing: the variation selector only asks for the colored form.
        _files = Directory.EnumerateFiles(folder, "*.png").OrderByDescending(f => f.Length)
            .GroupBy(f => Key(Path.GetFileNameWithoutExtension(f))).ToDictionary(g => g.Key, g => g.Last());
    }

    public override bool Contains(string codePoint) => _files.ContainsKey(Key(codePoint));

    protected override GlyphImage Load(string codePoint) => _files.TryGetValue(Key(codePoint), out string? file)
        ? GlyphImage.FromPng(File.ReadAllBytes(file))
        : throw new EmovaException($"{_folder}: no picture for code point {codePoint}");

    private static string Key(string name) => name.ToUpperInvariant().Replace("-FE0F", "", StringComparison.Ordinal);
}

namespace Emova.Training.Data;

/// <summary>
/// A folder of PNG or WebP files named by code point (<c>1f408.png</c>): another artist's set, from <see cref="GlyphSet"/> to train on or
/// the assets of the npm package <c>@lobehub/fluent-emoji-3d</c> to test on.
/// </summary>
public sealed class FolderGlyphs : GlyphSource
{
    private readonly Dictionary<string, string> _files;
    private readonly string _folder;

    /// <exception cref="EmovaException">No such folder.</exception>
    public FolderGlyphs(string folder)
    {
        if (!Directory.Exists(folder))
            throw new EmovaException($"{folder}: no such folder of glyph pictures");
        _folder = folder;
        // "2600-fe0f" and "2600" are the same drawing: the variation selector only asks for the colored form.
        _files = Directory.EnumerateFiles(folder).Where(f => Path.GetExtension(f) is ".png" or ".webp").Order(StringComparer.Ordinal)
            .GroupBy(f => Key(Path.GetFileNameWithoutExtension(f))).ToDictionary(g => g.Key, g => g.First());
    }

    public override bool Contains(string codePoint) => _files.ContainsKey(Key(codePoint));

    protected override GlyphImage Load(string codePoint)
    {
        if (!_files.TryGetValue(Key(codePoint), out string? file))
            throw new EmovaException($"{_folder}: no picture for code point {codePoint}");
        byte[] bytes = File.ReadAllBytes(file);
        return Path.GetExtension(file) == ".webp" ? WebPDecoder.Decode(bytes, file) : GlyphImage.FromPng(bytes);
    }

    private static string Key(string name) => name.ToUpperInvariant().Replace("-FE0F", "", StringComparison.Ordinal);
}

using System.Globalization;

namespace Emova.Training.Data;

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

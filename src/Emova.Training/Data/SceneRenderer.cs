namespace Emova.Training.Data;

/// <summary>
/// Draws scenes, antialiased, to the same pixels every time. Thread-safe. Evaluation can pass another source of glyphs
/// to see whether a model recognises things drawn by someone else.
/// </summary>
/// <param name="styles">the drawing styles; what one of the others lacks is drawn in the first</param>
public sealed class SceneRenderer(params IReadOnlyList<GlyphSource> styles)
{
    /// <summary>A renderer with the Noto emoji font and the sets of other artists in <paramref name="folders"/> as further styles.</summary>
    /// <exception cref="EmovaException">The Debian package of the font or one of the folders is missing.</exception>
    public static SceneRenderer Open(params IEnumerable<string> folders) => new([NotoGlyphs.Open(), .. folders.Select(GlyphSet.Open)]);

    /// <summary>Number of drawing styles.</summary>
    public int Styles => styles.Count;

    /// <summary>RGB bytes, (Height, Width, 3).</summary>
    public byte[] Draw(Scene scene, int style = 0)
    {
        var canvas = new SceneCanvas(scene.Width, scene.Height);
        canvas.FillBackground(scene.Background);
        foreach (SceneObject o in scene.Objects)
        {
            var box = new PlacedBox(o.Box, o.Angle);
            switch (o.Class)
            {
                case "emoji" or "face":
                    string glyph = o.Glyph ?? throw new InvalidDataException($"object '{o.Concept}' has no glyph");
                    GlyphImage drawing = styles[styles[style].Contains(glyph) ? style : 0][glyph];
                    canvas.DrawGlyph(o.Color is null ? drawing : drawing.Tinted(SceneColors.Of(o.Color)), box);
                    break;
                case "shape" or "bar":
                    canvas.FillPolygon(ShapeOutlines.Of(o.Concept), box, SceneColors.Of(o.Color!));
                    break;
                case "digit":
                    canvas.DrawStrokes(StrokeDigits.Of(o.Concept), box, SceneColors.Of(o.Color!));
                    break;
                default:
                    throw new InvalidDataException($"object class '{o.Class}': not emoji, face, shape, bar or digit");
            }
        }
        return canvas.Pixels;
    }
}

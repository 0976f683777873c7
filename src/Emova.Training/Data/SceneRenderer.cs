namespace Emova.Training.Data;

/// <summary>
/// Draws scenes, antialiased, to the same pixels every time. Thread-safe. Evaluation can pass another source of glyphs
/// to see whether a model recognises things drawn by someone else.
/// </summary>
public sealed class SceneRenderer(GlyphSource glyphs)
{
    /// <summary>A renderer with the Noto emoji font; fails naming the Debian package if it is missing.</summary>
    public static SceneRenderer Open() => new(NotoGlyphs.Open());

    /// <summary>RGB bytes, (Height, Width, 3).</summary>
    public byte[] Draw(Scene scene)
    {
        var canvas = new SceneCanvas(scene.Width, scene.Height);
        canvas.FillBackground(scene.Background);
        foreach (SceneObject o in scene.Objects)
        {
            var box = new PlacedBox(o.Box, o.Angle);
            switch (o.Class)
            {
                case "emoji" or "face":
                    canvas.DrawGlyph(glyphs[o.Glyph ?? throw new InvalidDataException($"object '{o.Concept}' has no glyph")], box);
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

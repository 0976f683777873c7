using System.Collections.Concurrent;

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

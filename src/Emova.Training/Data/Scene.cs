namespace Emova.Training.Data;

/// <summary>A picture as a list of what is on it; <c>SceneRenderer</c> draws it, always to the same pixels.</summary>
/// <param name="Width">Canvas width in pixels (112, 140 or 168).</param>
/// <param name="Height">Canvas height in pixels.</param>
/// <param name="Background">What is behind the objects.</param>
/// <param name="Objects">The objects, in drawing order.</param>
public sealed record Scene(int Width, int Height, SceneBackground Background, IReadOnlyList<SceneObject> Objects);

/// <summary>The canvas behind the objects.</summary>
/// <param name="Color">Base color, RGB 0..255.</param>
/// <param name="Texture">plain, gradient, stripes, dots or grain.</param>
/// <param name="Seed">Seed of the texture.</param>
public sealed record SceneBackground(int[] Color, string Texture, int Seed);

/// <summary>One thing on a picture.</summary>
/// <param name="Class">emoji, shape, face, digit or bar.</param>
/// <param name="Concept">Spoken name: <c>cat</c>, <c>circle</c>, <c>happy</c> (face), <c>seven</c>, <c>plus</c>, <c>bar</c>.</param>
/// <param name="Color">Color name of shapes, digits and bars; null where the drawing has its own colors.</param>
/// <param name="Box">Pixel box x0, y0, x1, y1 (right and bottom exclusive).</param>
/// <param name="Angle">Rotation in degrees, clockwise.</param>
/// <param name="Glyph">Hexadecimal code point of the emoji drawn (emoji and face only).</param>
public sealed record SceneObject(
    string Class, string Concept, string? Color, int[] Box, double Angle = 0, string? Glyph = null);

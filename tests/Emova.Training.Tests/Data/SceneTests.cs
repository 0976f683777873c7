using Emova.Training.Data;
using StbImageWriteSharp;
using Xunit;

namespace Emova.Training.Tests.Data;

public sealed class SceneTests
{
    private static readonly SceneBackground Plain = new([240, 240, 250], "plain", 1);

    [Fact]
    public void A_shape_has_its_color_inside_and_the_background_outside()
    {
        var scene = new Scene(60, 40, Plain, [new SceneObject("shape", "circle", "red", [10, 10, 30, 30])]);
        byte[] pixels = new SceneRenderer(new OneGlyph()).Draw(scene);
        Assert.Equal(60 * 40 * 3, pixels.Length);
        Assert.Equal(SceneColors.Of("red").ToArray(), Pixel(pixels, 60, 20, 20));
        Assert.Equal([240, 240, 250], Pixel(pixels, 60, 45, 20));
        Assert.Equal([240, 240, 250], Pixel(pixels, 60, 11, 11)); // the corner of the box is outside the circle
    }

    [Fact]
    public void An_edge_is_antialiased()
    {
        var scene = new Scene(40, 40, Plain, [new SceneObject("shape", "circle", "black", [5, 5, 35, 35])]);
        byte[] pixels = new SceneRenderer(new OneGlyph()).Draw(scene);
        var levels = Enumerable.Range(0, 1600).Select(i => pixels[i * 3]).Distinct().Count();
        Assert.True(levels > 10, $"{levels} gray levels");
    }

    [Fact]
    public void A_glyph_is_blended_over_the_background_at_its_place()
    {
        var scene = new Scene(60, 40, Plain, [new SceneObject("emoji", "cat", null, [20, 5, 50, 35], 0, "1F408")]);
        byte[] pixels = new SceneRenderer(new OneGlyph()).Draw(scene);
        Assert.Equal([0, 200, 0], Pixel(pixels, 60, 35, 20));
        Assert.Equal([240, 240, 250], Pixel(pixels, 60, 10, 20));
    }

    [Fact]
    public void A_quarter_turn_moves_the_bar_across()
    {
        Scene Bar(double angle) => new(60, 60, Plain, [new SceneObject("bar", "bar", "blue", [25, 5, 35, 55], angle)]);
        var renderer = new SceneRenderer(new OneGlyph());
        Assert.Equal(SceneColors.Of("blue").ToArray(), Pixel(renderer.Draw(Bar(0)), 60, 30, 10));
        Assert.Equal([240, 240, 250], Pixel(renderer.Draw(Bar(90)), 60, 30, 10));
        Assert.Equal(SceneColors.Of("blue").ToArray(), Pixel(renderer.Draw(Bar(90)), 60, 10, 30));
    }

    [Fact]
    public void Every_digit_differs_from_every_other()
    {
        var renderer = new SceneRenderer(new OneGlyph());
        string[] names = [.. Lexicon.Numbers.Take(10), "plus", "minus"];
        byte[][] drawn = [.. names.Select(n => renderer.Draw(new Scene(40, 60, Plain, [new SceneObject("digit", n, "black", [5, 5, 35, 55])])))];
        for (int i = 0; i < drawn.Length; i++)
        {
            for (int j = 0; j < i; j++)
                Assert.True(drawn[i].Zip(drawn[j]).Count(p => Math.Abs(p.First - p.Second) > 100) > 300, $"{names[i]} and {names[j]} look alike");
        }
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("gradient")]
    [InlineData("stripes")]
    [InlineData("dots")]
    [InlineData("grain")]
    public void Drawing_twice_gives_the_same_pixels(string texture)
    {
        var scene = new Scene(140, 140, new SceneBackground([200, 210, 220], texture, 7),
            [new SceneObject("shape", "heart", "pink", [20, 20, 80, 80], 7), new SceneObject("digit", "five", "green", [90, 20, 130, 80])]);
        Assert.Equal(new SceneRenderer(new OneGlyph()).Draw(scene), new SceneRenderer(new OneGlyph()).Draw(scene));
        int colors = new SceneRenderer(new OneGlyph()).Draw(scene with { Objects = [] }).Chunk(3).Select(p => (p[0], p[1], p[2])).Distinct().Count();
        Assert.True(texture == "plain" ? colors == 1 : colors > 1);
    }

    [Fact]
    public void The_emoji_font_draws_every_concept_and_no_two_alike()
    {
        if (!NotoGlyphs.IsAvailable)
            Assert.Skip($"needs the Debian package {NotoGlyphs.Package}");
        NotoGlyphs font = NotoGlyphs.Open();
        var pictures = new HashSet<string>();
        foreach (Concept concept in ConceptTable.Load())
        {
            Assert.True(font.Contains(concept.Glyph), concept.Name);
            Assert.True(pictures.Add(Convert.ToBase64String(font[concept.Glyph].Pixels)), concept.Name);
        }
    }

    [Fact]
    public void A_folder_of_pictures_replaces_the_font()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            byte[] blue = [.. Enumerable.Repeat(new byte[] { 0, 0, 255, 255 }, 320 * 320).SelectMany(p => p)];
            using (FileStream stream = File.Create(Path.Combine(folder, "1f408-fe0f.png")))
                new ImageWriter().WritePng(blue, 320, 320, ColorComponents.RedGreenBlueAlpha, stream);
            var glyphs = new FolderGlyphs(folder);
            Assert.True(glyphs.Contains("1F408"));
            Assert.False(glyphs.Contains("1F415"));
            Assert.Equal(160, glyphs["1F408"].Width); // reduced
            byte[] pixels = new SceneRenderer(glyphs).Draw(new Scene(60, 60, Plain, [new SceneObject("emoji", "cat", null, [10, 10, 50, 50], 0, "1F408")]));
            Assert.Equal([0, 0, 255], Pixel(pixels, 60, 30, 30));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void WebP_pictures_are_read_and_damaged_ones_reported()
    {
        if (!WebPDecoder.IsAvailable)
            Assert.Skip($"needs the Debian package {WebPDecoder.Package}");
        byte[] onePixel = Convert.FromBase64String("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==");
        GlyphImage image = WebPDecoder.Decode(onePixel, "one.webp");
        Assert.Equal((1, 1, 4), (image.Width, image.Height, image.Pixels.Length));
        var error = Assert.Throws<EmovaException>(() => WebPDecoder.Decode(onePixel[..20], "cut.webp"));
        Assert.Contains("cut.webp", error.Message, StringComparison.Ordinal);
    }

    private static int[] Pixel(byte[] pixels, int width, int x, int y) =>
        [pixels[((y * width) + x) * 3], pixels[(((y * width) + x) * 3) + 1], pixels[(((y * width) + x) * 3) + 2]];

    /// <summary>An opaque green square for any code point.</summary>
    private sealed class OneGlyph : GlyphSource
    {
        public override bool Contains(string codePoint) => true;

        protected override GlyphImage Load(string codePoint) =>
            new(20, 20, [.. Enumerable.Repeat(new byte[] { 0, 200, 0, 255 }, 400).SelectMany(p => p)]);
    }
}

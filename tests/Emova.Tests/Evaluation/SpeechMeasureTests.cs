using Emova.Evaluation.Data;
using Emova.Evaluation.Speech;
using Xunit;

namespace Emova.Tests.Evaluation;

public sealed class SpeechMeasureTests
{
    [Fact]
    public void Style_features_measure_what_was_put_in()
    {
        StyleFeatures plain = StyleFeatures.Measure(Vowel(100, 0, 0.1f, 1), "twelve chars")!;
        StyleFeatures higher = StyleFeatures.Measure(Vowel(200, 0, 0.1f, 1), "twelve chars")!;
        StyleFeatures louder = StyleFeatures.Measure(Vowel(100, 0, 0.2f, 1), "twelve chars")!;
        StyleFeatures livelier = StyleFeatures.Measure(Vowel(100, 3, 0.1f, 1), "twelve chars")!;
        StyleFeatures slower = StyleFeatures.Measure(Vowel(100, 0, 0.1f, 2), "twelve chars")!;
        Assert.Equal(0, plain.Pitch, 0.1);
        Assert.Equal(12, higher.Pitch, 0.1);
        Assert.Equal(6.02, louder.Level - plain.Level, 0.1);
        Assert.Equal(3 / Math.Sqrt(2), livelier.PitchSpread, 0.4);
        Assert.Equal(11, plain.Rate, 0.5);
        Assert.Equal(0.5, slower.Rate / plain.Rate, 0.03);
        Assert.Null(StyleFeatures.Measure(new float[16000], "silence"));
    }

    [Fact]
    public void Nearest_centroid_weighs_features_by_their_spread()
    {
        // The second feature separates the classes; the first is large and means nothing.
        var random = new Random(1);
        (string, double[])[] examples = [.. Enumerable.Range(0, 200).Select(i => (i % 2 == 0 ? "a" : "b", new[] { 1000 * random.NextDouble(), i % 2 + 0.2 * random.NextDouble() }))];
        var classifier = new NearestCentroid(examples);
        Assert.All(examples, example => Assert.Equal(example.Item1, classifier.Classify(example.Item2)));
    }

    [Fact]
    public void A_linear_probe_finds_a_linear_property_and_not_an_exclusive_or()
    {
        var random = new Random(2);
        float[][] points = [.. Enumerable.Range(0, 600).Select(_ => Enumerable.Range(0, 20).Select(_ => (float)random.NextDouble() - 0.5f).ToArray())];
        Assert.True(Accuracy(p => p[3] + p[7] > 0 ? "yes" : "no") > 0.93);
        Assert.InRange(Accuracy(p => p[3] > 0 == p[7] > 0 ? "yes" : "no"), 0.35, 0.65);

        double Accuracy(Func<float[], string> property)
        {
            var probe = new LinearProbe([.. points.Take(400).Select(p => (property(p), p))]);
            return points.Skip(400).Average(p => probe.Classify(p) == property(p) ? 1.0 : 0.0);
        }
    }

    [Theory]
    [InlineData("A koala.", "koala")]
    [InlineData("An orange.", "orange")]
    [InlineData("Grasshopper!", "grasshopper")]
    public void Descriptions_become_nouns(string text, string noun) => Assert.Equal(noun, HumanRecordings.Noun(text));

    [Fact]
    public void Human_recordings_are_found_below_a_root_and_missing_packages_are_named()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("tuxpaint-stamps-default", HumanRecordings.TuxPaint(folder.Folder).WhyMissing, StringComparison.Ordinal);
        Assert.Contains("ktuberling-data", HumanRecordings.Ktuberling(folder.Folder).WhyMissing, StringComparison.Ordinal);

        Write("usr/share/tuxpaint/stamps/animals/koala_desc.ogg", "x");
        Write("usr/share/tuxpaint/stamps/animals/koala.txt", "A koala.\nde.utf8=Ein Koala.\n");
        Write("usr/share/tuxpaint/stamps/animals/wordless_desc.ogg", "x");
        Write("usr/share/ktuberling/sounds/en.soundtheme", "<language code=\"en\">\n<sound name=\"moon_hat\" file=\"en/hat.ogg\" />\n</language>");
        Write("usr/share/ktuberling/sounds/en/hat.ogg", "x");
        Assert.Equal("koala", Assert.Single(HumanRecordings.TuxPaint(folder.Folder).Items).Word);
        Assert.Equal("hat", Assert.Single(HumanRecordings.Ktuberling(folder.Folder).Items).Word);

        void Write(string name, string text)
        {
            string path = Path.Combine(folder.Folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }
    }

    private static float[] Vowel(double hertz, double vibrato, float amplitude, double seconds)
    {
        var samples = new float[(int)(16000 * seconds)];
        double phase = 0;
        for (int i = 0; i < samples.Length; i++)
        {
            phase += 2 * Math.PI * hertz * Math.Pow(2, vibrato * Math.Sin(2 * Math.PI * 3 * i / 16000) / 12) / 16000;
            for (int harmonic = 1; harmonic <= 10; harmonic++)
                samples[i] += (float)(amplitude / harmonic * Math.Sin(harmonic * phase));
        }
        return samples;
    }
}

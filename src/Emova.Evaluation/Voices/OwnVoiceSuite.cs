using System.Diagnostics;
using System.Runtime.InteropServices;
using Emova.Evaluation.Data;
using Emova.Evaluation.Judges;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Reports;
using Emova.Evaluation.Speech;
using Emova.Evaluation.Tiny;
using Emova.Media;
using Emova.Models.Speech;

namespace Emova.Evaluation.Voices;

/// <summary>
/// <c>eval voice</c>: a voice that <c>emova-train voice</c> made, measured beside the voice it was made from. Both say the same units of
/// the same test sentences in all 24 styles. Is it the new speaker, is it understood, and are the styles still there?
/// </summary>
public static class OwnVoiceSuite
{
    private const string Part = "voice";
    private const int Sentences = 12;
    private const int ExamplesPerStyle = 40;
    private const int ExamplesPerVoice = 100;
    private const string Speaker = "the new speaker";

    private sealed record Clip(string Text, string Style, float[] Ours, float[] Shipped);

    /// <summary>Runs the suite.</summary>
    /// <param name="assistant">The model; the voice has been added to it.</param>
    /// <param name="voice">The voice.</param>
    /// <param name="recordings">Folder with recordings of the speaker; null leaves out who speaks.</param>
    /// <param name="options">Corpus, seed, limits.</param>
    /// <param name="progress">Told of every step.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="EmovaException">An option, the corpus or the model cannot be used.</exception>
    public static async Task<Report> RunAsync(
        Assistant assistant, Voice voice, string? recordings, TinyOptions options, Action<TinyProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(voice);
        options.Validate();
        var watch = Stopwatch.StartNew();
        AssistantModel ours = new(assistant, voice), shipped = new(assistant);
        using var run = new TinyRun(ours, TestCorpus.Open(options.Data), options, progress, cancellation) { Part = Part };
        Clip[] clips = Speak(run, ours, shipped);
        if (recordings is null) run.Skip("speaker", "no recordings given (--recordings)");
        else AddSpeaker(run, clips, voice, ReadRecordings(recordings));
        AddStyles(run, clips, voice);
        if (PocketsphinxJudge.WhyMissing() is { } reason) run.Skip("word errors", reason);
        else await AddWordErrorsAsync(run, clips).ConfigureAwait(false);
        return new Report(
            "voice", options.Command, options.Seed, $"{Environment.ProcessorCount} processors, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}",
            [.. run.Figures], new Dictionary<string, string>(run.Skipped), new Dictionary<string, double> { [Part] = Math.Round(watch.Elapsed.TotalSeconds, 1) });
    }

    /// <summary>Units of the canonical recording of each sentence, in every style, by both voices.</summary>
    private static Clip[] Speak(TinyRun run, AssistantModel ours, AssistantModel shipped)
    {
        string[] texts = run.Choose(run.Test("styled").Select(u => u.Text).Distinct().Where(text => run.Corpus.Saying(text, "canonical").Count > 0).Order(StringComparer.Ordinal), Sentences);
        string[] styles = [.. run.Test("styled").Select(u => u.Style).Distinct().Order(StringComparer.Ordinal)];
        Dictionary<string, int[]> units = texts.ToDictionary(text => text, text => SpeechUnits.Collapse(ours.Encode(run.Corpus.Read(run.Corpus.Saying(text, "canonical")[0]))).Units);
        (string Text, string Style)[] jobs = [.. texts.SelectMany(text => styles.Select(style => (text, style)))];
        return run.Map("speaking", jobs, job => new Clip(job.Text, job.Style, ours.Speak(units[job.Text], job.Style), shipped.Speak(units[job.Text], job.Style)));
    }

    /// <summary>
    /// Long-term spectra of clips against those of the speaker's recordings, of the shipped voices and of the corpus's two unseen voices.
    /// A style changes the spectrum of whoever speaks: from clips in all styles the change is taken out that the same style makes to the
    /// shipped voice.
    /// </summary>
    private static void AddSpeaker(TinyRun run, Clip[] clips, Voice voice, float[][] recordings)
    {
        List<(string, double[])> examples = [.. recordings.Select(recording => (Speaker, Spectrum(recording)))];
        foreach (IGrouping<string, TestUtterance> other in run.Corpus.Utterances.Where(u => u.Kind is "canonical" or "unseen" || u.Style.EndsWith("neutral-normal", StringComparison.Ordinal)).GroupBy(u => u.Voice))
            examples.AddRange(run.Map($"measuring {other.Key}", run.Choose(other, ExamplesPerVoice), u => (other.Key, Spectrum(run.Corpus.Read(u)))));
        var classifier = new NearestCentroid(examples);
        double[][] ours = run.Map("measuring who speaks", clips, clip => Spectrum(clip.Ours)), shipped = run.Map("measuring who spoke", clips, clip => Spectrum(clip.Shipped));

        Dictionary<string, double[]> change = clips.Select(clip => clip.Style).Distinct().ToDictionary(
            style => style, style => Difference(MeanOf(shipped, style), MeanOf(shipped, $"{style.Split('-')[0]}-neutral-normal")));
        string others = string.Join(", ", examples.Select(example => example.Item1).Distinct().Where(label => label != Speaker));
        int[] plain = [.. Enumerable.Range(0, clips.Length).Where(i => clips[i].Style == $"{voice.Gender}-neutral-normal")];
        run.Add("plain style: the new speaker by its spectrum", run.Share(plain.Select(i => classifier.Classify(ours[i]) == Speaker)), null, $"nearest centroid among recordings of {others} and of the new speaker");
        run.Add("all styles: the new speaker by its spectrum", run.Share(clips.Select((clip, i) => classifier.Classify(Difference(ours[i], change[clip.Style])) == Speaker)), Target.Min(95),
            FormattableString.Invariant($"the change a style makes to the shipped voice is taken out; the shipped voice's own clips are taken for the new speaker in {100 * run.Share(clips.Select((clip, i) => classifier.Classify(Difference(shipped[i], change[clip.Style])) == Speaker)).Value:0.0} % of the cases"));

        double[] MeanOf(double[][] features, string style)
        {
            int[] rows = [.. Enumerable.Range(0, clips.Length).Where(i => clips[i].Style == style)];
            return [.. Enumerable.Range(0, features[0].Length).Select(f => rows.Average(row => features[row][f]))];
        }
    }

    private static void AddStyles(TinyRun run, Clip[] clips, Voice voice)
    {
        double[]?[] ours = run.Map("measuring styles", clips, clip => StyleFeatures.Measure(clip.Ours, clip.Text)?.ToVector());

        // Told apart: half of the sentences teach the classifier, the other half are asked, and the other way round.
        string[] texts = [.. clips.Select(clip => clip.Text).Distinct()];
        bool IsEven(Clip clip) => Array.IndexOf(texts, clip.Text) % 2 == 0;
        List<bool> apart = [];
        foreach (bool even in (bool[])[true, false])
        {
            var classifier = new NearestCentroid([.. clips.Zip(ours).Where(pair => pair.Second is not null && IsEven(pair.First) == even).Select(pair => (pair.First.Style, pair.Second!))]);
            apart.AddRange(clips.Zip(ours).Where(pair => IsEven(pair.First) != even).Select(pair => pair.Second is { } features && classifier.Classify(features) == pair.First.Style));
        }

        run.Add("24 styles told apart", run.Share(apart), Target.Min(85), "nearest centroid of the voice's own clips of other sentences");

        // Recognized: by the centroids of the shipped voices' recordings, moved by as much as the two plain styles differ.
        TestUtterance[] train = [.. run.Corpus.Utterances.Where(u => u.Split == "train" && u.Kind == "styled").GroupBy(u => u.Style).SelectMany(style => run.Choose(style, ExamplesPerStyle))];
        double[]?[] learned = run.Map("measuring flite's styles", train, u => StyleFeatures.Measure(run.Corpus.Read(u), u.Text)?.ToVector());
        (string Label, double[] Features)[] flite = [.. train.Zip(learned).Where(pair => pair.Second is not null).Select(pair => (pair.First.Style, pair.Second!))];
        string plain = $"{voice.Gender}-neutral-normal";
        double[] offset = Difference(
            Mean(clips.Zip(ours).Where(pair => pair.First.Style == plain && pair.Second is not null).Select(pair => pair.Second!)), Mean(flite.Where(example => example.Label == plain).Select(example => example.Features)));
        var judge = new NearestCentroid(flite);
        string?[] found = [.. ours.Select(features => features is null ? null : judge.Classify(Difference(features, offset)))];
        run.Add("24 styles recognized", run.Share(clips.Select((clip, i) => found[i] == clip.Style)), Target.Min(85), "nearest centroid of flite's recordings, moved to the new speaker's plain style");
        run.Add("emotion recognized", run.Share(clips.Select((clip, i) => found[i] is { } style && style.Split('-')[1] == clip.Style.Split('-')[1])));
    }

    private static async Task AddWordErrorsAsync(TinyRun run, Clip[] clips)
    {
        ErrorRate[] ours = await run.ListenAsync("listening to the voice", [.. clips.Select(clip => (clip.Text, clip.Ours))]).ConfigureAwait(false);
        ErrorRate[] shipped = await run.ListenAsync("listening to the shipped voice", [.. clips.Select(clip => (clip.Text, clip.Shipped))]).ConfigureAwait(false);
        run.Add("word errors heard by pocketsphinx, 24 styles", run.Rate(ours), Target.Max(10), FormattableString.Invariant($"the shipped voice saying the same units: {100 * run.Rate(shipped).Value:0.0} %"));
        (string worst, Estimate rate) = clips.Zip(ours).GroupBy(pair => pair.First.Style, pair => pair.Second).Select(group => (group.Key, run.Rate(group))).MaxBy(style => style.Item2.Value);
        run.Add("word errors of the worst style", rate, null, worst);
    }

    /// <summary>Mean log-mel bands around their average, so that loudness does not count. Shape (40).</summary>
    private static double[] Spectrum(float[] samples)
    {
        float[] bands = MelStatistics.Measure(samples)[..MelStatistics.Bands];
        double level = bands.Average();
        return [.. bands.Select(band => band - level)];
    }

    private static float[][] ReadRecordings(string folder)
    {
        if (!Directory.Exists(folder)) throw new EmovaException($"--recordings {folder}: no such folder");
        List<float[]> recordings = [];
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            try
            {
                AudioClip clip = SilenceTrimmer.Trim(AudioFile.Read(file, TimeSpan.FromMinutes(30)), 70);
                recordings.Add(clip.SampleRate == 16000 ? clip.Samples : Resampler.Resample(clip.Samples, clip.SampleRate, 16000));
            }
            catch (EmovaException)
            {
                // What training did not use either: it is listed in the voice's card.
            }
        }

        return recordings.Count > 0 ? [.. recordings] : throw new EmovaException($"--recordings {folder}: no usable recordings ({AudioFile.Formats})");
    }

    private static double[] Mean(IEnumerable<double[]> vectors)
    {
        double[][] all = [.. vectors];
        return [.. Enumerable.Range(0, all[0].Length).Select(f => all.Average(vector => vector[f]))];
    }

    private static double[] Difference(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x - y)];
}

using Emova.Evaluation.Data;
using Emova.Evaluation.Judges;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Reports;
using Emova.Evaluation.Speech;
using Emova.Models.Speech;

namespace Emova.Evaluation.Tiny;

/// <summary>
/// Is the voice understood in all 24 styles, and do the styles sound as flite renders them? Units of the canonical recording of a
/// test sentence are spoken in every style; flite's own rendering of the same sentence and style stands beside each figure.
/// </summary>
internal static class VoicePart
{
    private const int Sentences = 12;
    private const int StreamedClips = 24;
    private const int ExamplesPerStyle = 40;

    private sealed record Clip(string Text, string Style, int[] Units, float[] Ours, float[] Flite);

    public static async Task RunAsync(TinyRun run)
    {
        Clip[] clips = Speak(run);
        AddStreaming(run, clips);
        AddStyles(run, clips);
        if (PocketsphinxJudge.WhyMissing() is { } reason) run.Skip("word errors", reason);
        else await AddWordErrorsAsync(run, clips).ConfigureAwait(false);
    }

    private static Clip[] Speak(TinyRun run)
    {
        ILookup<string, TestUtterance> styled = run.Test("styled").ToLookup(u => u.Text);
        string[] texts = run.Choose(styled.Select(group => group.Key).Where(text => run.Corpus.Saying(text, "canonical").Count > 0).Order(StringComparer.Ordinal), Sentences);
        Dictionary<string, int[]> units = texts.ToDictionary(text => text, text =>
            SpeechUnits.Collapse(run.Model.Encode(run.Corpus.Read(run.Corpus.Saying(text, "canonical")[0]))).Units);
        TestUtterance[] renderings = [.. texts.SelectMany(text => styled[text])];
        return run.Map("speaking", renderings, rendering =>
        {
            int[] said = units[rendering.Text];
            return new Clip(rendering.Text, rendering.Style, said, run.Model.Speak(said, rendering.Style), run.Corpus.Read(rendering));
        });
    }

    private static void AddStreaming(TinyRun run, Clip[] clips)
    {
        bool[] equal = run.Map("streaming", run.Choose(clips, StreamedClips), clip =>
            run.Model.SpeakStreamed(clip.Units, clip.Style).AsSpan().SequenceEqual(clip.Ours));
        run.Add("streamed audio equals batch audio sample for sample", run.Share(equal), Target.Min(100));
    }

    private static void AddStyles(TinyRun run, Clip[] clips)
    {
        TestUtterance[] train = [.. run.Corpus.Utterances.Where(u => u.Split == "train" && u.Kind == "styled").GroupBy(u => u.Style)
            .SelectMany(style => run.Choose(style, ExamplesPerStyle))];
        StyleFeatures?[] learned = run.Map("measuring flite's styles", train, utterance => StyleFeatures.Measure(run.Corpus.Read(utterance), utterance.Text));
        var classifier = new NearestCentroid([.. train.Zip(learned).Where(pair => pair.Second is not null).Select(pair => (pair.First.Style, pair.Second!.ToVector()))]);
        (string? Ours, string? Flite)[] found = run.Map("measuring styles", clips, clip => (Classify(clip.Ours, clip.Text), Classify(clip.Flite, clip.Text)));

        AddShare("24 styles recognized", style => style, Target.Min(85));
        AddShare("emotion recognized", style => style.Split('-')[1], Target.Min(95));
        AddShare("gender recognized", style => style.Split('-')[0], null);
        AddShare("pitch recognized", style => style.Split('-')[2], null);

        string? Classify(float[] samples, string text) => StyleFeatures.Measure(samples, text) is { } features ? classifier.Classify(features.ToVector()) : null;

        void AddShare(string name, Func<string, string> trait, Target? target)
        {
            Estimate flite = run.Share(clips.Select((clip, i) => found[i].Flite is { } style && trait(style) == trait(clip.Style)));
            run.Add(name, run.Share(clips.Select((clip, i) => found[i].Ours is { } style && trait(style) == trait(clip.Style))), target,
                FormattableString.Invariant($"nearest centroid of flite's recordings; flite's own test recordings reach {100 * flite.Value:0.0} %"));
        }
    }

    private static async Task AddWordErrorsAsync(TinyRun run, Clip[] clips)
    {
        ErrorRate[] ours = await run.ListenAsync("listening to our voice", [.. clips.Select(clip => (clip.Text, clip.Ours))]).ConfigureAwait(false);
        ErrorRate[] flite = await run.ListenAsync("listening to flite", [.. clips.Select(clip => (clip.Text, clip.Flite))]).ConfigureAwait(false);
        string yardstick = FormattableString.Invariant($"flite's own recordings of the same sentences and styles: {100 * run.Rate(flite).Value:0.0} %");
        if (run.Judge.MissingWords.Count > 0) yardstick += $"; words the judge does not know: {string.Join(", ", run.Judge.MissingWords)}";
        run.Add("word errors heard by pocketsphinx, 24 styles", run.Rate(ours), Target.Max(8), yardstick);

        var byStyle = clips.Zip(ours).GroupBy(pair => pair.First.Style, pair => pair.Second).Select(group => (Style: group.Key, Rate: run.Rate(group))).ToList();
        if (byStyle.Count == 0) return;
        (string worst, Estimate rate) = byStyle.MaxBy(style => style.Rate.Value);
        run.Add("word errors of the worst style", rate, Target.Max(15), worst);
    }
}

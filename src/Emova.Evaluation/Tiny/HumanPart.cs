using Emova.Evaluation.Data;
using Emova.Evaluation.Judges;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Speech;

namespace Emova.Evaluation.Tiny;

/// <summary>
/// Real people saying single nouns: which word of the set's own list does our speech encoder's phone head find most likely, and
/// which does pocketsphinx choose? Trained on synthetic voices only, this is where the model is weakest, and it is shown.
/// </summary>
internal static class HumanPart
{
    // flite writes the unstressed vowel and the stressed one differently, the dictionary does not.
    private static readonly Dictionary<string, string[]> Variants = new() { ["AH"] = ["ah", "ax"], ["AO"] = ["ao", "aa"] };

    public static async Task RunAsync(TinyRun run)
    {
        foreach (HumanSet set in (HumanSet[])[HumanRecordings.TuxPaint(run.Options.PackageRoot), HumanRecordings.Ktuberling(run.Options.PackageRoot)])
        {
            if ((set.WhyMissing ?? SoundDecoder.WhyMissing() ?? PocketsphinxJudge.WhyMissing()) is { } reason) run.Skip(set.Name, reason);
            else await MeasureAsync(run, set).ConfigureAwait(false);
        }
    }

    private static async Task MeasureAsync(TinyRun run, HumanSet set)
    {
        PronouncingDictionary dictionary = PocketsphinxJudge.OpenDictionary();
        HumanRecording[] items = [.. set.Items.Where(item => BigramModel.SplitWords(item.Word).All(word => dictionary[word].Count > 0))];
        string[] words = [.. items.Select(item => item.Word).Distinct().Order(StringComparer.Ordinal)];
        List<int[]>[] spelled = [.. words.Select(word => Labels(run.Phones, dictionary, word))];
        var samples = new float[items.Length][];
        for (int i = 0; i < items.Length; i++)
            samples[i] = await SoundDecoder.DecodeAsync(items[i].Path, run.Cancellation).ConfigureAwait(false);

        string[] ours = run.Map(set.Name, samples, sound =>
        {
            float[] logits = run.Model.PhoneLogits(run.Model.Encode(sound));
            return words.Zip(spelled).MaxBy(word => PhoneDecoder.LogLikelihood(logits, run.Phones.Count + 1, word.Second)).First;
        });
        using PocketsphinxJudge judge = PocketsphinxJudge.ForClosedSet(words);
        string[] theirs = await judge.TranscribeAsync(samples, run.Cancellation).ConfigureAwait(false);
        Estimate yardstick = run.Share(items.Select((item, i) => theirs[i] == item.Word));
        run.Add($"{set.Name}, one of {words.Length} words", run.Share(items.Select((item, i) => ours[i] == item.Word)), null,
            FormattableString.Invariant($"pocketsphinx on the same recordings: {100 * yardstick.Value:0.0} %; {set.Items.Count - items.Length} words without a dictionary entry left out"));
    }

    /// <summary>Labels each phone of the word may have; phones the encoder never learned are left out.</summary>
    private static List<int[]> Labels(IReadOnlyList<string> phones, PronouncingDictionary dictionary, string word)
    {
        var index = phones.Select((phone, label) => (phone, label)).ToDictionary(pair => pair.phone, pair => pair.label);
        return [.. BigramModel.SplitWords(word).SelectMany(part => dictionary[part][0])
            .Select(phone => Variants.GetValueOrDefault(phone, [phone.ToLowerInvariant()]).Where(index.ContainsKey).Select(name => index[name]).ToArray())
            .Where(labels => labels.Length > 0)];
    }
}

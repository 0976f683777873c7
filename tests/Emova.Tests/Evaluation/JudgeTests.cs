using Emova.Evaluation.Judges;
using Xunit;

namespace Emova.Tests.Evaluation;

public sealed class JudgeTests
{
    private static readonly string[] Sentences = ["the cat is red", "the dog is blue", "the cat is blue", "how many cats are there"];

    [Fact]
    public void Bigram_probabilities_sum_to_one_after_every_word()
    {
        var model = new BigramModel(Sentences);
        string[] all = [.. model.Words, "</s>"];
        foreach (string previous in (string[])["<s>", "the", "cat", "there", "unheard"])
            Assert.Equal(1, all.Sum(word => model.Probability(previous, word)), 9);
        Assert.True(model.Probability("the", "cat") > model.Probability("the", "dog"));
        Assert.True(model.Probability("the", "red") > 0);
    }

    [Fact]
    public void The_arpa_file_backs_off_to_the_same_probabilities()
    {
        var model = new BigramModel(Sentences);
        var text = new StringWriter();
        model.WriteArpa(text);
        string[] lines = text.ToString().Split('\n');
        int words = int.Parse(lines.Single(l => l.StartsWith("ngram 1=", StringComparison.Ordinal))[8..]);
        int pairs = int.Parse(lines.Single(l => l.StartsWith("ngram 2=", StringComparison.Ordinal))[8..]);
        int first = Array.IndexOf(lines, "\\1-grams:") + 1, second = Array.IndexOf(lines, "\\2-grams:") + 1;
        Assert.Equal(model.Words.Count() + 2, words);
        Assert.Equal(string.Empty, lines[first + words]);
        Assert.Equal(string.Empty, lines[second + pairs]);
        Assert.Contains("\\end\\", lines);

        Dictionary<string, string[]> unigrams = lines[first..(first + words)].Select(l => l.Split(' ')).ToDictionary(parts => parts[1]);
        double unseen = double.Parse(unigrams["the"][2]) + double.Parse(unigrams["red"][0]); // backoff weight and unigram, both log10
        Assert.Equal(model.Probability("the", "red"), Math.Pow(10, unseen), 1e-4);
    }

    [Fact]
    public void Dictionary_subsets_keep_variants_and_report_missing_words()
    {
        using var folder = new TemporaryFolder();
        string path = folder["words.dict"];
        File.WriteAllText(path, "read R EH D\nread(2) R IY D\ncat K AE T\n");
        PronouncingDictionary dictionary = PronouncingDictionary.Open(path);
        var subset = new StringWriter();
        Assert.Equal(["zebu"], dictionary.WriteSubset(["read", "zebu"], subset));
        Assert.Equal("read R EH D\nread(2) R IY D\n", subset.ToString());
        Assert.Equal(["K", "AE", "T"], dictionary["cat"][0]);
    }

    [Fact]
    public void Hypothesis_lines_are_matched_by_name()
    {
        Assert.Equal((12, "i read it"), PocketsphinxJudge.ParseHypothesis("i read(2) it (000012 -4711)"));
        Assert.Equal((3, ""), PocketsphinxJudge.ParseHypothesis("(000003 -1)"));
        Assert.Null(PocketsphinxJudge.ParseHypothesis("noise"));
    }

    [Fact]
    public async Task The_judge_hears_nothing_in_silence_and_reports_unknown_words()
    {
        SkipWithoutJudge();
        using PocketsphinxJudge judge = PocketsphinxJudge.ForSentences([.. Sentences, "the zzyzx is red"]);
        Assert.Equal(["zzyzx"], judge.MissingWords);
        string[] heard = await judge.TranscribeAsync([new float[16000], new float[8000], new float[4000]], TestContext.Current.CancellationToken);
        Assert.Equal(3, heard.Length);
        Assert.All(heard, text => Assert.True(text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length <= 1, text));
    }

    [Fact]
    public async Task A_failing_program_is_reported_in_one_line()
    {
        EmovaException error = await Assert.ThrowsAsync<EmovaException>(() =>
            ExternalProgram.RunAsync("/bin/sh", ["-c", "echo first >&2; echo it broke >&2; exit 3"], TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Assert.Contains("exit code 3: it broke", error.Message, StringComparison.Ordinal);
        EmovaException late = await Assert.ThrowsAsync<EmovaException>(() =>
            ExternalProgram.RunAsync("/bin/sh", ["-c", "exec sleep 30"], TimeSpan.FromMilliseconds(200), TestContext.Current.CancellationToken));
        Assert.Contains("stopped after", late.Message, StringComparison.Ordinal);
    }

    private static void SkipWithoutJudge()
    {
        string? reason = PocketsphinxJudge.WhyMissing();
        Assert.SkipWhen(reason is not null && Environment.GetEnvironmentVariable("CI") != "true", reason ?? "");
    }
}

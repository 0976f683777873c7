namespace Emova.Training.Data;

/// <summary>Decides which sentences are rendered in which voice and style.</summary>
public sealed class SpeechPlan
{
    private readonly DataConfig _config;
    private readonly ulong _seed;
    private readonly List<RenderJob> _jobs = [];

    private const string AnswerPrefix = "a";

    private SpeechPlan(DataConfig config, ulong seed) => (_config, _seed) = (config, seed);

    public static List<RenderJob> Create(
        IReadOnlyDictionary<string, List<Dialogue>> dialogues, IReadOnlyList<Concept> concepts, DataConfig config, SplitRule rule, ulong seed)
    {
        var plan = new SpeechPlan(config, seed);
        var replies = new Dictionary<string, List<string>>();
        foreach (string split in SplitRule.Splits)
        {
            replies[split] = [.. dialogues[split].SelectMany(d => d.Turns).Select(t => t.Reply.Text).Distinct().Order(StringComparer.Ordinal)];
            plan.AddCanonical(replies[split], split);
            plan.AddQuestions(dialogues[split].SelectMany(d => d.Turns).Select(t => t.User), split);
        }
        var spoken = replies.Values.SelectMany(r => r).ToHashSet();
        foreach (string sentence in ExtraSentences.Generate(config.ExtraSentences, concepts, seed).Where(s => !spoken.Contains(s)))
            plan.AddExtra(sentence, rule.OfSentence(sentence));
        plan.AddStyled(replies[SplitRule.Train], replies[SplitRule.Test]);
        plan.AddUnseen(replies[SplitRule.Test]);
        plan.AddAnswers(concepts, rule);
        plan.AddStrangers();
        return plan._jobs;
    }

    /// <summary>Whether a job is one of <see cref="AnswerSentences"/>, whose words are those of the others in random order.</summary>
    public static bool IsAnswer(RenderJob job) => job.Id.StartsWith(AnswerPrefix, StringComparison.Ordinal);

    private void AddCanonical(IEnumerable<string> texts, string split)
    {
        foreach (string text in texts)
            Add("c", text, VoiceStyle.Canonical, "canonical", split);
    }

    private void AddQuestions(IEnumerable<Remark> remarks, string split)
    {
        foreach (Remark remark in remarks.DistinctBy(r => r.Text).OrderBy(r => r.Text, StringComparer.Ordinal))
        {
            DeterministicRandom random = RandomOf("question " + remark.Text);
            int gender = random.Next(2);
            for (int k = 0; k < _config.QuestionRenderings; k++)
            {
                string emotion = k == 0 ? remark.Emotion : random.Pick(VoiceStyle.Emotions);
                Add("q", remark.Text, new VoiceStyle(VoiceStyle.Genders[(gender + k) % 2], emotion, random.Pick(VoiceStyle.Pitches)), "question", split);
            }
        }
    }

    private void AddExtra(string text, string split)
    {
        Add("c", text, VoiceStyle.Canonical, "canonical", split);
        Add("q", text, RandomOf("extra " + text).Pick(VoiceStyle.All), "question", split);
    }

    private void AddStyled(List<string> train, List<string> test)
    {
        List<string> testTexts = Sample(test, _config.StyledTestPerStyle, "styled test");
        var trainTexts = new Queue<string>(Sample(train, _config.StyledTrainPerStyle * VoiceStyle.All.Count, "styled train"));
        foreach (VoiceStyle style in VoiceStyle.All)
        {
            for (int i = 0; i < _config.StyledTrainPerStyle && trainTexts.TryDequeue(out string? text); i++)
                Add("s", text, style, "styled", SplitRule.Train);
            foreach (string text in testTexts)
                Add("s", text, style, "styled", SplitRule.Test);
        }
    }

    private void AddUnseen(List<string> test)
    {
        foreach (string voice in new[] { "rms", "kal16" })
        {
            foreach (string text in Sample(test, _config.UnseenTestPerVoice, "unseen " + voice))
                _jobs.Add(new RenderJob(NextId("u"), text, voice, "male-neutral-normal", "unseen", SplitRule.Test));
        }
    }

    /// <summary>Last, so that the number of answers changes nothing before them.</summary>
    private void AddAnswers(IReadOnlyList<Concept> concepts, SplitRule rule)
    {
        HashSet<string> taken = [.. _jobs.Select(j => j.Text)];
        foreach (string text in AnswerSentences.Generate(_config.AnswerSentences, concepts, text => !taken.Contains(text) && rule.OfSentence(text) == SplitRule.Train, _seed))
            Add(AnswerPrefix, text, VoiceStyle.Canonical, "canonical", SplitRule.Train);
    }

    /// <summary>Questions and answers of training in strangers' voices, half of each.</summary>
    private void AddStrangers()
    {
        DeterministicRandom random = RandomOf("strangers");
        foreach (string kind in new[] { "question", "canonical" })
        {
            string[] texts = [.. _jobs.Where(j => j.Split == SplitRule.Train && j.Kind == kind && !IsAnswer(j)).Select(j => j.Text).Distinct().Order(StringComparer.Ordinal)];
            random.Shuffle(texts);
            foreach (string text in texts.Take(_config.StrangerUtterances / 2))
                _jobs.Add(new RenderJob(NextId("f"), text, StrangerSynthesizer.Pick(random), VoiceStyle.Canonical.Name, "stranger", SplitRule.Train));
        }
    }

    /// <summary>Sentences of four to eleven words: long enough for a style to be heard.</summary>
    private List<string> Sample(IEnumerable<string> texts, int count, string purpose)
    {
        var chosen = texts.Where(t => t.Split(' ').Length is >= 4 and <= 11).ToList();
        RandomOf(purpose).Shuffle(chosen);
        return [.. chosen.Take(count)];
    }

    private void Add(string prefix, string text, VoiceStyle style, string kind, string split) =>
        _jobs.Add(new RenderJob(NextId(prefix), text, style.Voice, style.Name, kind, split));

    private string NextId(string prefix) => $"{prefix}{_jobs.Count:00000}";

    private DeterministicRandom RandomOf(string purpose) => new(DeterministicRandom.Hash(purpose, _seed + 20));
}

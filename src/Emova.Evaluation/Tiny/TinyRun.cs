using Emova.Evaluation.Data;
using Emova.Evaluation.Judges;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Reports;
using Emova.Evaluation.Speech;

namespace Emova.Evaluation.Tiny;

/// <summary>What the parts of one run share: the test data, the model, the judge, and where figures go.</summary>
internal sealed class TinyRun(IEvaluatedModel model, TestCorpus corpus, TinyOptions options, Action<TinyProgress>? progress, CancellationToken cancellation) : IDisposable
{
    private readonly List<Figure> _figures = [];
    private readonly List<Mistake> _mistakes = [];
    private readonly Dictionary<string, string> _skipped = [];
    private PocketsphinxJudge? _judge;
    private (TestUtterance Utterance, float[] Samples)[]? _festival;

    public IEvaluatedModel Model => model;

    public TestCorpus Corpus => corpus;

    public TinyOptions Options => options;

    public CancellationToken Cancellation => cancellation;

    public IReadOnlyList<Figure> Figures => _figures;

    public IReadOnlyDictionary<string, string> Skipped => _skipped;

    public IReadOnlyList<Mistake> Mistakes => _mistakes;

    /// <summary>Part that is running; figures are filed under it.</summary>
    public string Part { get; set; } = "";

    /// <summary>Conversations of the test split.</summary>
    public IReadOnlyList<TestDialogue> Dialogues => field ??= corpus.Dialogues("test");

    /// <summary>Labels of the phone head: all phones of the corpus, sorted, as the encoder was trained.</summary>
    public IReadOnlyList<string> Phones => field ??= [.. corpus.Utterances.SelectMany(u => u.Phones).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>The listener for sentences of the domain: it knows the training sentences, never the test ones.</summary>
    public PocketsphinxJudge Judge => _judge ??= PocketsphinxJudge.ForSentences(
        corpus.Utterances.Where(u => u.Split == "train" && u.Kind is "canonical" or "question" && !IsAboutAnything(u)).Select(u => u.Text).Distinct());

    /// <summary>Answers about random things would tell the judge that any word follows any other.</summary>
    private static bool IsAboutAnything(TestUtterance utterance) => utterance.Id.StartsWith('a');

    public void Dispose() => _judge?.Dispose();

    /// <summary>Test recordings of one kind.</summary>
    public IEnumerable<TestUtterance> Test(string kind) => corpus.Utterances.Where(u => u.Split == "test" && u.Kind == kind);

    public void Add(string name, Estimate estimate, Target? target = null, string? note = null) =>
        _figures.Add(Figure.Percent(Part, name, estimate, target, note));

    /// <summary>Notes answers that differ from what they should be.</summary>
    public void Note(string figure, IEnumerable<(string Item, string Question, string Expected, string Actual)> answers) => _mistakes.AddRange(
        answers.Where(a => !Answers.Same(a.Expected, a.Actual)).Select(a => new Mistake($"{Part}, {figure}", a.Item, a.Question, a.Expected, a.Actual)));

    public void Add(Figure figure) => _figures.Add(figure);

    public void Skip(string what, string reason) => _skipped[$"{Part}, {what}"] = reason;

    /// <summary>The test sentences of the unseen voices, said by Festival; null where it is not installed, which is noted.</summary>
    public (TestUtterance Utterance, float[] Samples)[]? Festival()
    {
        if (FestivalSpeaker.WhyMissing(options.PackageRoot) is { } reason)
        {
            Skip($"unseen voice {FestivalSpeaker.Voice}", reason);
            return null;
        }
        if (_festival is null)
        {
            TestUtterance[] utterances = Choose(Test("unseen").DistinctBy(u => u.Text), options.Limit / 2);
            _festival = [.. utterances.Zip(Map($"{FestivalSpeaker.Voice} speaks", utterances, u => FestivalSpeaker.SayAsync(u.Text, cancellation).GetAwaiter().GetResult()))];
        }
        return _festival;
    }

    /// <summary>A fixed random choice of at most <see cref="TinyOptions.Limit"/> items.</summary>
    public T[] Choose<T>(IEnumerable<T> items, int? limit = null)
    {
        T[] all = [.. items];
        new Random(options.Seed).Shuffle(all);
        return all[..Math.Min(all.Length, Math.Min(limit ?? int.MaxValue, options.Limit))];
    }

    /// <summary>Maps items on all threads, in order of the input, reporting progress.</summary>
    public TResult[] Map<T, TResult>(string step, IReadOnlyList<T> items, Func<T, TResult> work)
    {
        var results = new TResult[items.Count];
        int done = 0;
        Parallel.For(0, items.Count, new ParallelOptions { MaxDegreeOfParallelism = options.Threads, CancellationToken = cancellation }, i =>
        {
            results[i] = work(items[i]);
            progress?.Invoke(new TinyProgress(Part, step, Interlocked.Increment(ref done), items.Count));
        });
        return results;
    }

    /// <summary>Total errors over total length, with this run's seed.</summary>
    public Estimate Rate(IEnumerable<ErrorRate> items) => Bootstrap.Rate([.. items], options.Seed);

    /// <summary>Share of items that are right.</summary>
    public Estimate Share(IEnumerable<bool> items) => Bootstrap.Share([.. items], options.Seed);

    /// <summary>Word errors of the judge's transcripts of recordings that should say the given texts.</summary>
    public async Task<ErrorRate[]> ListenAsync(string step, IReadOnlyList<(string Text, float[] Samples)> recordings)
    {
        progress?.Invoke(new TinyProgress(Part, step, 0, recordings.Count));
        string[] heard = await Judge.TranscribeAsync([.. recordings.Select(r => r.Samples)], cancellation).ConfigureAwait(false);
        progress?.Invoke(new TinyProgress(Part, step, recordings.Count, recordings.Count));
        return [.. heard.Select((text, i) => ErrorRate.OfWords(recordings[i].Text, text))];
    }
}

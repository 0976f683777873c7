using Emova.Evaluation.Metrics;
using Emova.Text;
using Emova.Training.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Stages.Language;

/// <summary>Measures a language stage on the validation split: likelihood of every task, and answers to a fixed set of questions.</summary>
public sealed class LanguageEvaluator
{
    private const int MaxTextTokens = 48;
    private const int MaxUnits = 220;
    private const int BatchTokens = 4000;

    private readonly OmniModel _model;
    private readonly LanguageStep _step;
    private readonly AnswerDecoder _decoder;
    private readonly Func<int[], string[]>? _unitPhones;
    private readonly Dictionary<LanguageTask, TrainingSample[]> _samples = [];
    private readonly Dictionary<string, string[]> _phones = new(StringComparer.Ordinal);

    /// <param name="model">the model</param>
    /// <param name="step">computes losses</param>
    /// <param name="tokenizer">tokenizer of the stage</param>
    /// <param name="pools">draws validation samples of the tasks to measure</param>
    /// <param name="corpus">gives the phones a spoken text should have; null = not measured</param>
    /// <param name="unitPhones">recognizes phones in units with the speech encoder's own head; null = speech is not measured</param>
    /// <param name="samplesPerTask">size of the fixed sets</param>
    /// <param name="seed">chooses them</param>
    /// <param name="template">template of the samples; null = that of the corpus</param>
    public LanguageEvaluator(
        OmniModel model, LanguageStep step, HuggingFaceTokenizer tokenizer, IReadOnlyDictionary<LanguageTask, Func<Random, TrainingSample>> pools,
        TinyCorpus? corpus, Func<int[], string[]>? unitPhones, int samplesPerTask, int seed,
        ConversationTemplate? template = null)
    {
        (_model, _step, _unitPhones) = (model, step, unitPhones);
        _decoder = new AnswerDecoder(model, step, tokenizer, (template ?? ConversationTemplate.Qwen2).EndToken);
        foreach ((LanguageTask task, Func<Random, TrainingSample> draw) in pools)
        {
            Random random = new(seed);
            _samples[task] = [.. Enumerable.Range(0, samplesPerTask).Select(_ => draw(random))];
        }

        foreach (Utterance utterance in corpus?.Utterances.Where(u => u.Kind == "canonical" && u.Split == "validation") ?? [])
        {
            _phones[utterance.Text] = [.. utterance.Phones];
        }
    }

    /// <summary>All measures by name.</summary>
    /// <param name="withAnswers">whether questions are answered too, which takes longer than the likelihoods</param>
    public List<KeyValuePair<string, double>> Measure(bool withAnswers)
    {
        _model.Language.eval();
        try
        {
            List<KeyValuePair<string, double>> values = [];
            foreach ((LanguageTask task, TrainingSample[] samples) in _samples)
            {
                values.Add(new($"nll_{task}", MeanLoss(samples)));
                if (withAnswers)
                {
                    values.AddRange(Answers(task, samples));
                }
            }

            return values;
        }
        finally
        {
            _model.Language.train();
        }
    }

    private double MeanLoss(TrainingSample[] samples)
    {
        using IDisposable noGrad = no_grad();
        double sum = 0;
        long count = 0;
        Queue<TrainingSample> left = new(samples.OrderBy(s => s.Length));
        while (left.Count > 0)
        {
            using DisposeScope scope = NewDisposeScope();
            List<TrainingSample> part = [left.Dequeue()];
            while (left.TryPeek(out TrainingSample? next) && (part.Count + 1) * next.Length <= BatchTokens)
            {
                part.Add(left.Dequeue());
            }

            Tensor losses = _step.Losses(LanguageBatch.Create(part));
            sum += losses.sum().item<float>();
            count += losses.numel();
        }

        return sum / count;
    }

    private List<KeyValuePair<string, double>> Answers(LanguageTask task, TrainingSample[] samples)
    {
        switch (task)
        {
            case LanguageTask.Transcribe:
                return [new("transcribe_wer", WordErrors(_decoder.Answer(samples, MaxTextTokens)))];
            case LanguageTask.Conversation or LanguageTask.Picture or LanguageTask.Caption:
                (string Expected, string Written)[] texts = _decoder.Answer(samples, MaxTextTokens);
                return [new($"{task}_exact".ToLowerInvariant(), texts.Average(a => a.Written == a.Expected ? 1.0 : 0))];
            case LanguageTask.Speak:
                (string Expected, string Written)[] speech = _decoder.Answer(samples, MaxUnits);
                return Speech("speak", speech.Zip(samples, (a, s) => (Units(a.Expected), Units(a.Written))));
            case LanguageTask.SpokenReply or LanguageTask.SpokenPicture:
                return Replies(task, _decoder.Answer(samples, MaxUnits + (2 * MaxTextTokens)));
            default:
                return [];
        }
    }

    private List<KeyValuePair<string, double>> Replies(LanguageTask task, (string Expected, string Written)[] answers)
    {
        string name = task.ToString().ToLowerInvariant();
        (ParsedReply Expected, ParsedReply Written)[] replies = [.. answers.Select(a => (ReplyFormat.Parse(a.Expected), ReplyFormat.Parse(a.Written)))];
        List<KeyValuePair<string, double>> values =
        [
            new($"{name}_complete", answers.Average(a => ReplyFormat.IsComplete(a.Written) ? 1.0 : 0)),
            new($"{name}_heard_wer", WordErrors(replies.Select(r => (r.Expected.UserText ?? "", r.Written.UserText ?? "")))),
            new($"{name}_exact", replies.Average(r => r.Expected.ResponseText == r.Written.ResponseText ? 1.0 : 0)),
            new($"{name}_emotion", replies.Average(r => r.Expected.Emotion == r.Written.Emotion ? 1.0 : 0)),
            new($"{name}_pitch", replies.Average(r => r.Expected.Pitch == r.Written.Pitch ? 1.0 : 0)),
        ];

        // The units are to say what the reply's own text says, right or wrong.
        if (_unitPhones is not null)
        {
            IEnumerable<ErrorRate> own = replies
                .Where(r => r.Written.ResponseText is { } text && _phones.ContainsKey(text))
                .Select(r => ErrorRate.Of<string>(_phones[r.Written.ResponseText!], _unitPhones(r.Written.Units)));
            values.Add(new($"{name}_speech_per", own.Aggregate(default(ErrorRate), (a, b) => a + b).Rate));
        }

        return values;
    }

    private List<KeyValuePair<string, double>> Speech(string name, IEnumerable<(int[] Expected, int[] Written)> pairs)
    {
        if (_unitPhones is null)
        {
            return [];
        }

        // The canonical units themselves are not read perfectly: compare with what the head makes of them, too.
        ErrorRate errors = default;
        foreach ((int[] expected, int[] written) in pairs)
        {
            errors += ErrorRate.Of<string>(_unitPhones(expected), _unitPhones(written));
        }

        return [new($"{name}_per", errors.Rate)];
    }

    private static int[] Units(string unitText) => ReplyFormat.Parse(unitText).Units;

    private static double WordErrors(IEnumerable<(string Expected, string Written)> pairs) =>
        pairs.Aggregate(default(ErrorRate), (sum, pair) => sum + ErrorRate.OfWords(pair.Expected, pair.Written)).Rate;
}

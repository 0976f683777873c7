using System.Diagnostics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Reports;
using Emova.Models.Language;
using Emova.Text;

namespace Emova.Evaluation.Agreement;

/// <summary>
/// <c>eval agreement</c>: how far a quantized model is from the one it was made of. The reference answers every turn; both models then
/// score that answer token by token (perplexity, divergence of their predictions, same first choice), and the quantized model answers
/// the turn by itself (same heard text, same answer, same units).
/// </summary>
public static class AgreementSuite
{
    /// <summary>Compares two models.</summary>
    /// <param name="reference">The model it was made of.</param>
    /// <param name="model">The model under test; the same tokenizer.</param>
    /// <param name="turns">First turns of conversations.</param>
    /// <param name="command">The command that repeats the run.</param>
    /// <param name="seed">Of the intervals.</param>
    /// <param name="onTurn">Called with the number of turns done.</param>
    /// <param name="cancellation">Stops the run.</param>
    /// <exception cref="EmovaException">The models have different vocabularies, or there are no turns.</exception>
    public static Report Run(
        Assistant reference, Assistant model, IReadOnlyList<UserTurn> turns, string command, int seed, Action<int>? onTurn = null, CancellationToken cancellation = default)
    {
        if (reference.Tokenizer.VocabularySize != model.Tokenizer.VocabularySize)
            throw new EmovaException($"eval agreement: the models have {reference.Tokenizer.VocabularySize} and {model.Tokenizer.VocabularySize} token ids: one was not made of the other");
        if (turns.Count == 0)
            throw new EmovaException("eval agreement: there are no turns to compare");
        Stopwatch watch = Stopwatch.StartNew();
        List<TurnAgreement> results = [];
        foreach (UserTurn turn in turns)
        {
            cancellation.ThrowIfCancellationRequested();
            results.Add(Compare(reference, model, turn, cancellation));
            onTurn?.Invoke(results.Count);
        }

        TurnAgreement[] spoken = [.. results.Where(result => result.SameUnits is not null)];
        int tokens = results.Sum(result => result.Tokens);
        List<Figure> figures =
        [
            Figure.Percent("agreement", "same answer", Bootstrap.Share([.. results.Select(result => result.SameAnswer)], seed), Target.Min(95)),
            Figure.Percent("agreement", "same first choice, per token", Ratio(results, result => result.SameChoice, result => result.Tokens, seed), Target.Min(98), $"{tokens} tokens of the reference's answers"),
            Of("divergence of predictions, millinats per token", Ratio(results, result => 1000 * result.Divergence, result => result.Tokens, seed), Target.Max(20)),
            Of("perplexity of the reference's answers, reference", Perplexity(results, result => result.ReferenceLoss, seed), null),
            Of("perplexity of the reference's answers, this model", Perplexity(results, result => result.Loss, seed), null),
        ];
        if (spoken.Length > 0)
        {
            figures.Add(Figure.Percent("agreement", "same question heard", Bootstrap.Share([.. spoken.Select(result => result.SameHeard)], seed)));
            figures.Add(Figure.Percent("agreement", "same speech units throughout", Bootstrap.Share([.. spoken.Select(result => result.SameUnits == true)], seed)));
        }

        string machine = $"{Environment.ProcessorCount} processors, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}";
        return new Report("agreement", command, seed, machine, figures, new Dictionary<string, string>(), new Dictionary<string, double> { ["agreement"] = Math.Round(watch.Elapsed.TotalSeconds, 1) });
    }

    private static Figure Of(string name, Estimate estimate, Target? target) =>
        new("agreement", name, estimate.Value, estimate.Low, estimate.High, estimate.Items, "", target);

    private static Estimate Ratio(List<TurnAgreement> items, Func<TurnAgreement, double> numerator, Func<TurnAgreement, double> denominator, int seed) =>
        Bootstrap.Of(items.Count, seed, chosen => chosen.Sum(i => numerator(items[i])) / Math.Max(1, chosen.Sum(i => denominator(items[i]))));

    private static Estimate Perplexity(List<TurnAgreement> items, Func<TurnAgreement, double> loss, int seed) =>
        Bootstrap.Of(items.Count, seed, chosen => Math.Exp(chosen.Sum(i => loss(items[i])) / Math.Max(1, chosen.Sum(i => items[i].Tokens))));

    private static TurnAgreement Compare(Assistant reference, Assistant model, UserTurn turn, CancellationToken cancellation)
    {
        Conversation asked = reference.StartConversation();
        Reply expected = asked.Respond(turn, null, cancellation), actual = model.StartConversation().Respond(turn, null, cancellation);
        List<int> prompt = PromptOf(reference, asked.Messages[0].Text!, turn);
        IReadOnlyList<int> answer = reference.Tokenizer.Encode(expected.Raw);
        Predictions left = new(reference, turn, prompt), right = new(model, turn, prompt);
        int vocabulary = reference.Tokenizer.VocabularySize;
        double divergence = 0, referenceLoss = 0, loss = 0;
        int same = 0;
        foreach (int token in answer)
        {
            ReadOnlySpan<float> p = left.LogProbabilities(vocabulary), q = right.LogProbabilities(vocabulary);
            for (int i = 0; i < vocabulary; i++)
                divergence += MathF.Exp(p[i]) * (p[i] - q[i]);
            referenceLoss -= p[token];
            loss -= q[token];
            same += TensorPrimitives.IndexOfMax(p) == TensorPrimitives.IndexOfMax(q) ? 1 : 0;
            left.Append(token);
            right.Append(token);
        }

        return new TurnAgreement(
            answer.Count, same, divergence, referenceLoss, loss, expected.Text == actual.Text, expected.Heard == actual.Heard,
            turn.Audio is null ? null : expected.Units.SequenceEqual(actual.Units));
    }

    private static List<int> PromptOf(Assistant assistant, string question, UserTurn turn)
    {
        string text = turn.Image is null ? question : $"{ImagePlaceholder.Text}\n{question}";
        return ImagePlaceholder.Encode(assistant.Template.Render([new(ConversationRole.User, text), new(ConversationRole.Assistant, null)]), assistant.Tokenizer);
    }

    /// <summary>What one model expects next, after a prompt and the tokens appended to it.</summary>
    private sealed class Predictions
    {
        private readonly Assistant _assistant;
        private readonly KvCache _cache;
        private readonly float[] _scores;

        public Predictions(Assistant assistant, UserTurn turn, List<int> prompt)
        {
            _assistant = assistant;
            _scores = new float[assistant.Model.Language.Config.VocabSize];
            float[] embeddings = assistant.Model.EmbedPrompt(CollectionsMarshal.AsSpan(prompt), turn.Image is null ? [] : [assistant.Model.EncodeImage(turn.Image)]);
            _cache = assistant.Model.Language.CreateCache(assistant.Model.Language.Config.MaxPositionEmbeddings);
            assistant.Model.Language.Forward(_cache, embeddings, _scores);
        }

        public ReadOnlySpan<float> LogProbabilities(int vocabulary)
        {
            Span<float> scores = _scores.AsSpan(0, vocabulary);
            float largest = TensorPrimitives.Max<float>(scores);
            double sum = 0;
            foreach (float score in scores)
                sum += Math.Exp(score - largest);
            TensorPrimitives.Subtract(scores, largest + (float)Math.Log(sum), scores);
            return scores;
        }

        public void Append(int token) => _assistant.Model.Language.Forward(_cache, [token], _scores);
    }
}

/// <summary>Sums over the tokens of one answer, and whether the answers are the same.</summary>
internal sealed record TurnAgreement(
    int Tokens, int SameChoice, double Divergence, double ReferenceLoss, double Loss, bool SameAnswer, bool SameHeard, bool? SameUnits);

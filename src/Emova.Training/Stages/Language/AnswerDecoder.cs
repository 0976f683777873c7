using Emova.Text;
using Emova.Training.Modules.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Stages.Language;

/// <summary>Lets the model answer the last question of samples, greedily and without any constraint on the form.</summary>
/// <param name="model">the model</param>
/// <param name="step">embeds prompts</param>
/// <param name="tokenizer">tokenizer of the stage</param>
/// <param name="endToken">what an answer ends with</param>
public sealed class AnswerDecoder(OmniModel model, LanguageStep step, HuggingFaceTokenizer tokenizer, string endToken)
{
    /// <summary>Prompts that are decoded together.</summary>
    private const int BatchSize = 32;

    private readonly int _end = tokenizer.RequireToken(endToken);

    /// <summary>Expected and written text of the last answer of every sample, in order.</summary>
    public (string Expected, string Written)[] Answer(IReadOnlyList<TrainingSample> samples, int maxTokens)
    {
        (string, string)[] answers = new (string, string)[samples.Count];
        foreach (int[] part in Enumerable.Range(0, samples.Count).OrderBy(i => samples[i].Length).Chunk(BatchSize))
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable noGrad = no_grad();
            Tensor[] prompts = [.. part.Select(i => Prompt(samples[i]))];
            int[][] written = GreedyDecoder.Decode(model.Language, prompts, _end, maxTokens);
            for (int k = 0; k < part.Length; k++)
            {
                answers[part[k]] = (Expected(samples[part[k]]), tokenizer.Decode(written[k]));
            }
        }

        return answers;
    }

    /// <summary>First label of the last answer.</summary>
    private static int AnswerStart(TrainingSample sample)
    {
        int last = Array.FindLastIndex(sample.Labels, l => l != ConversationLabels.Ignore);
        return Array.FindLastIndex(sample.Labels, last, l => l == ConversationLabels.Ignore) + 1;
    }

    private string Expected(TrainingSample sample) =>
        tokenizer.Decode(sample.Ids.Skip(AnswerStart(sample)).TakeWhile(id => id != _end));

    /// <summary>(T, D)</summary>
    private Tensor Prompt(TrainingSample sample)
    {
        int start = AnswerStart(sample);

        // A batch predicts the token after each of its columns, so it takes one id more than it has columns.
        LanguageBatch batch = LanguageBatch.Create([sample with { Ids = sample.Ids[..(start + 1)], Labels = sample.Labels[..(start + 1)] }]);
        return step.Embeddings(batch).squeeze(0);
    }
}

using System.Numerics.Tensors;

namespace Emova.Evaluation.Speech;

/// <summary>Reads the phone head of the speech encoder: logits (T, labels + 1), the blank last.</summary>
public static class PhoneDecoder
{
    /// <summary>Best label of every frame, repetitions and blanks removed.</summary>
    public static int[] Greedy(ReadOnlySpan<float> logits, int classes)
    {
        var phones = new List<int>();
        int previous = -1, blank = classes - 1;
        for (int t = 0; t < logits.Length / classes; t++)
        {
            int best = TensorPrimitives.IndexOfMax(logits.Slice(t * classes, classes));
            if (best != previous && best != blank) phones.Add(best);
            previous = best;
        }
        return [.. phones];
    }

    /// <summary>
    /// Log-likelihood of a phone sequence under connectionist temporal classification: the sum over all alignments, so
    /// sequences of different lengths compare fairly. Each position accepts any of several labels.
    /// </summary>
    public static double LogLikelihood(ReadOnlySpan<float> logits, int classes, IReadOnlyList<int[]> phones)
    {
        int frames = logits.Length / classes, states = 2 * phones.Count + 1;
        double[] current = new double[states], next = new double[states];
        Array.Fill(current, double.NegativeInfinity);
        var probabilities = new double[classes];
        for (int t = 0; t < frames; t++)
        {
            LogSoftmax(logits.Slice(t * classes, classes), probabilities);
            for (int s = 0; s < states; s++)
            {
                double incoming = t == 0 ? (s <= 1 ? 0 : double.NegativeInfinity) : Incoming(current, phones, s);
                next[s] = incoming + Emission(probabilities, phones, s);
            }
            (current, next) = (next, current);
        }
        return states > 1 ? LogAdd(current[^1], current[^2]) : current[^1];
    }

    private static double Incoming(double[] scores, IReadOnlyList<int[]> phones, int state)
    {
        double total = scores[state];
        if (state > 0) total = LogAdd(total, scores[state - 1]);
        // A blank may be left out between two different phones.
        if (state > 2 && state % 2 == 1 && !phones[state / 2].AsSpan().SequenceEqual(phones[state / 2 - 1])) total = LogAdd(total, scores[state - 2]);
        return total;
    }

    private static double Emission(double[] probabilities, IReadOnlyList<int[]> phones, int state)
    {
        if (state % 2 == 0) return probabilities[^1];
        double total = double.NegativeInfinity;
        foreach (int label in phones[state / 2]) total = LogAdd(total, probabilities[label]);
        return total;
    }

    private static void LogSoftmax(ReadOnlySpan<float> logits, double[] result)
    {
        double max = TensorPrimitives.Max(logits), sum = 0;
        foreach (float logit in logits) sum += Math.Exp(logit - max);
        double norm = max + Math.Log(sum);
        for (int c = 0; c < result.Length; c++) result[c] = logits[c] - norm;
    }

    private static double LogAdd(double a, double b)
    {
        if (double.IsNegativeInfinity(a)) return b;
        if (double.IsNegativeInfinity(b)) return a;
        return a > b ? a + Math.Log(1 + Math.Exp(b - a)) : b + Math.Log(1 + Math.Exp(a - b));
    }
}

namespace Emova.Evaluation.Speech;

/// <summary>
/// Softmax regression: how much of a property can be read off a representation by a linear map. Features are standardized;
/// training is full-batch gradient descent with momentum and weight decay, so it is deterministic.
/// </summary>
public sealed class LinearProbe
{
    private const int Steps = 400;
    private const float LearningRate = 0.5f;
    private const float Momentum = 0.9f;
    private const float WeightDecay = 1e-3f;

    private readonly string[] _labels;
    private readonly float[] _mean;
    private readonly float[] _scale;
    private readonly float[] _weight; // (classes, features + 1), the last column is the bias

    /// <summary>Fits the probe.</summary>
    public LinearProbe(IReadOnlyList<(string Label, float[] Features)> examples)
    {
        ArgumentOutOfRangeException.ThrowIfZero(examples.Count, nameof(examples));
        _labels = [.. examples.Select(example => example.Label).Distinct().Order(StringComparer.Ordinal)];
        int width = examples[0].Features.Length;
        (_mean, _scale) = Standardize(examples, width);
        float[][] inputs = [.. examples.Select(example => Prepare(example.Features))];
        int[] targets = [.. examples.Select(example => Array.IndexOf(_labels, example.Label))];

        _weight = new float[_labels.Length * (width + 1)];
        var velocity = new float[_weight.Length];
        var gradient = new float[_weight.Length];
        var probabilities = new float[_labels.Length];
        for (int step = 0; step < Steps; step++)
        {
            Array.Clear(gradient);
            for (int i = 0; i < inputs.Length; i++)
            {
                Score(inputs[i], probabilities);
                Emova.Numerics.VectorMath.Softmax(probabilities);
                probabilities[targets[i]] -= 1;
                for (int c = 0; c < _labels.Length; c++)
                    System.Numerics.Tensors.TensorPrimitives.MultiplyAdd(
                        inputs[i], probabilities[c] / inputs.Length, Row(gradient, c), Row(gradient, c));
            }
            // Inputs of unit variance in many dimensions make the loss steep: the step shrinks with their number.
            float rate = LearningRate / MathF.Sqrt(width + 1);
            for (int j = 0; j < _weight.Length; j++)
            {
                velocity[j] = Momentum * velocity[j] - rate * (gradient[j] + WeightDecay * _weight[j]);
                _weight[j] += velocity[j];
            }
        }
    }

    /// <summary>The most probable label.</summary>
    public string Classify(float[] features)
    {
        var scores = new float[_labels.Length];
        Score(Prepare(features), scores);
        return _labels[Array.IndexOf(scores, scores.Max())];
    }

    private static (float[] Mean, float[] Scale) Standardize(IReadOnlyList<(string Label, float[] Features)> examples, int width)
    {
        var mean = new float[width];
        var scale = new float[width];
        for (int f = 0; f < width; f++)
        {
            double average = examples.Average(example => (double)example.Features[f]);
            double variance = examples.Average(example => Math.Pow(example.Features[f] - average, 2));
            mean[f] = (float)average;
            scale[f] = variance < 1e-12 ? 0 : (float)(1 / Math.Sqrt(variance));
        }
        return (mean, scale);
    }

    private float[] Prepare(float[] features)
    {
        var input = new float[features.Length + 1];
        for (int f = 0; f < features.Length; f++) input[f] = (features[f] - _mean[f]) * _scale[f];
        input[^1] = 1;
        return input;
    }

    private void Score(float[] input, float[] scores)
    {
        for (int c = 0; c < _labels.Length; c++)
            scores[c] = System.Numerics.Tensors.TensorPrimitives.Dot<float>(input, Row(_weight, c));
    }

    private Span<float> Row(float[] matrix, int row) => matrix.AsSpan(row * (matrix.Length / _labels.Length), matrix.Length / _labels.Length);
}

using System.Numerics;

namespace Emova.Generation;

/// <summary>
/// Chooses tokens from scores. Deterministic: ties go to the smaller token id, and the random numbers are a function of the
/// seed and the number of draws. Buffers are owned; choosing allocates nothing.
/// </summary>
public sealed class Sampler
{
    private const int FirstSelection = 64;

    private readonly SamplingOptions _options;
    private readonly int[] _tokens;
    private readonly float[] _scores;
    private readonly double[] _weights;
    private ulong _state;

    /// <summary>Creates a sampler.</summary>
    /// <param name="options">How to choose.</param>
    /// <param name="vocabularySize">Number of scores per choice.</param>
    /// <exception cref="EmovaException">An option is out of range.</exception>
    public Sampler(SamplingOptions options, int vocabularySize)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Validate();
        _tokens = new int[vocabularySize];
        _scores = new float[vocabularySize];
        _weights = new double[vocabularySize];
        _state = options.Seed;
    }

    /// <summary>Chooses a token.</summary>
    /// <param name="logits">Scores (V).</param>
    /// <param name="allowed">Bit i of word i/32: whether token i may be chosen. Empty means all.</param>
    /// <param name="speech">Whether a speech unit may come (<see cref="SamplingOptions.SpeechTemperature"/>).</param>
    /// <exception cref="ArgumentException">No token is allowed.</exception>
    public int Choose(ReadOnlySpan<float> logits, ReadOnlySpan<uint> allowed, bool speech = false)
    {
        int count = Collect(logits, allowed);
        if (count == 0)
            throw new ArgumentException("no token is allowed", nameof(allowed));
        int best = 0;
        for (int i = 1; i < count; i++)
        {
            if (_scores[i] > _scores[best])
                best = i;
        }

        float temperature = speech ? _options.SpeechTemperature ?? _options.Temperature : _options.Temperature;
        return temperature == 0 ? _tokens[best] : _tokens[Draw(count, _scores[best], temperature)];
    }

    /// <summary>Lists the allowed tokens with their scores; a NaN counts as the lowest score.</summary>
    private int Collect(ReadOnlySpan<float> logits, ReadOnlySpan<uint> allowed)
    {
        int count = 0;
        for (int word = 0; word * 32 < logits.Length; word++)
        {
            uint bits = allowed.IsEmpty ? uint.MaxValue : word < allowed.Length ? allowed[word] : 0;
            for (; bits != 0; bits &= bits - 1)
            {
                int token = word * 32 + BitOperations.TrailingZeroCount(bits);
                if (token >= logits.Length)
                    break;
                _tokens[count] = token;
                _scores[count++] = float.IsNaN(logits[token]) ? float.MinValue : Math.Clamp(logits[token], float.MinValue, float.MaxValue);
            }
        }

        return count;
    }

    private int Draw(int count, float maximum, float temperature)
    {
        if (_options.TopK > 0 && _options.TopK < count)
            count = KeepLargest(count, _options.TopK);
        double total = 0;
        for (int i = 0; i < count; i++)
            total += Weight(i, maximum, temperature);
        if (_options.TopP < 1)
            (count, total) = KeepNucleus(count, total * _options.TopP, maximum, temperature);

        for (int i = 0; i < count; i++)
            _weights[i] = Weight(i, maximum, temperature);
        double target = NextUniform() * total;
        for (int i = 0; i < count - 1; i++)
        {
            target -= _weights[i];
            if (target < 0)
                return i;
        }

        return count - 1;
    }

    private double Weight(int i, float maximum, float temperature) => Math.Exp(((double)_scores[i] - maximum) / temperature);

    /// <summary>The shortest list of most likely tokens that reaches the wanted weight. Usually 64 are enough; sorting all would cost more than the model's last layer.</summary>
    private (int Count, double Total) KeepNucleus(int count, double wanted, float maximum, float temperature)
    {
        for (int size = Math.Min(FirstSelection, count); ; size = Math.Min(8 * size, count))
        {
            KeepLargest(count, size);
            double total = 0;
            for (int i = 0; i < size; i++)
            {
                total += Weight(i, maximum, temperature);
                if (total >= wanted)
                    return (i + 1, total);
            }

            if (size == count)
                return (count, total);
        }
    }

    /// <summary>Moves the k best candidates to the front, best first, by a heap of size k whose root is the worst kept one.</summary>
    private int KeepLargest(int count, int k)
    {
        for (int i = k / 2 - 1; i >= 0; i--)
            SiftDown(i, k);
        for (int i = k; i < count; i++)
        {
            if (IsBetter(i, 0))
            {
                Swap(i, 0);
                SiftDown(0, k);
            }
        }

        for (int end = k - 1; end > 0; end--)
        {
            Swap(0, end);
            SiftDown(0, end);
        }

        return k;
    }

    private void SiftDown(int root, int size)
    {
        while (2 * root + 1 < size)
        {
            int child = 2 * root + 1;
            if (child + 1 < size && IsBetter(child, child + 1))
                child++;
            if (!IsBetter(root, child))
                return;
            Swap(root, child);
            root = child;
        }
    }

    private bool IsBetter(int a, int b) => _scores[a] > _scores[b] || _scores[a] == _scores[b] && _tokens[a] < _tokens[b];

    private void Swap(int a, int b)
    {
        (_scores[a], _scores[b]) = (_scores[b], _scores[a]);
        (_tokens[a], _tokens[b]) = (_tokens[b], _tokens[a]);
    }

    /// <summary>SplitMix64: a counter through a mixing function, the same on every platform and runtime.</summary>
    private double NextUniform()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        return (z >> 11) * (1.0 / (1UL << 53));
    }
}

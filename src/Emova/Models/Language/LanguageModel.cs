using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>
/// A decoder-only language model: token embeddings, pre-norm layers with causal attention and rotary positions, a final norm and
/// the scores of the next token. What a layer is made of follows from the configuration: <see cref="DenseDecoderConfig"/> (Qwen2,
/// LLaMA) or <see cref="DeepSeekV2Config"/>. Weights are read only: any number of <see cref="KvCache"/> sessions may run at the
/// same time, or in one pass with a <see cref="DecodeBatch"/>. A row's result does not depend on how the sequence is cut into calls.
/// </summary>
public sealed class LanguageModel
{
    // Longer inputs are processed in chunks of this many rows, which bounds the buffers.
    internal const int ChunkRows = 256;

    private readonly LinearWeight embedTokens; // (V, D)
    private readonly DecoderLayer[] layers;
    private readonly float[] norm;
    private readonly LinearWeight head; // (V, D)
    private readonly float[] inverseFrequencies;
    private readonly float rotaryScale;

    private LanguageModel(LanguageConfig config, WeightLoader weights)
    {
        Config = config;
        WeightLoader model = weights.Push("model");
        embedTokens = model.GetLinear("embed_tokens", config.VocabSize, config.HiddenSize, bias: false);
        layers = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => config.LoadLayer(model.Push("layers").Push(i), i))];
        norm = model.Get("norm.weight", config.HiddenSize);
        if (config.TieWordEmbeddings)
        {
            head = embedTokens;
            weights.Ignore("lm_head.weight"); // some exporters store the tied matrix twice
        }
        else
        {
            head = weights.GetLinear("lm_head", config.VocabSize, config.HiddenSize, bias: false);
        }

        inverseFrequencies = RotaryEmbedding.InverseFrequencies(config.RotaryDim, config.RopeTheta);
        config.RopeScaling?.Apply(inverseFrequencies, config.RopeTheta);
        rotaryScale = config.RopeScaling?.RotaryScale ?? 1;
    }

    /// <summary>The dimensions.</summary>
    public LanguageConfig Config { get; }

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="weights">Positioned at the root of the checkpoint: names are <c>model.layers.0...</c> and <c>lm_head</c>.</param>
    public static LanguageModel Load(LanguageConfig config, WeightLoader weights) => new(config, weights);

    /// <summary>The memory of a new conversation.</summary>
    /// <param name="capacity">Most positions, 1 to MaxPositionEmbeddings.</param>
    /// <param name="firstPosition">Number of the first position. Attention sees differences of positions only, so that another
    /// number changes results by rounding alone.</param>
    /// <param name="adapter">Changes the model for this conversation; loaded for this model.</param>
    public KvCache CreateCache(int capacity, int firstPosition = 0, LoraAdapter? adapter = null)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, Config.MaxPositionEmbeddings);
        if (adapter is not null && adapter.Model != this)
            throw new ArgumentException("the adapter was loaded for another model", nameof(adapter));
        return new KvCache(Config, capacity, firstPosition, adapter);
    }

    /// <summary>The linear layers that adapters can change.</summary>
    internal IEnumerable<AdaptableLinear> Linears => layers.SelectMany(layer => layer.Linears);

    /// <summary>Turns per position of the pairs of a head, (RotaryDim / 2), scaled as configured.</summary>
    internal ReadOnlySpan<float> InverseFrequencies => inverseFrequencies;

    /// <summary>Looks up embeddings.</summary>
    /// <param name="tokens">T token ids, 0 to VocabSize - 1.</param>
    /// <param name="embeddings">Receives (T, D).</param>
    public void Embed(ReadOnlySpan<int> tokens, Span<float> embeddings)
    {
        int dim = Config.HiddenSize;
        for (int i = 0; i < tokens.Length; i++)
        {
            if ((uint)tokens[i] >= (uint)Config.VocabSize)
                throw new ArgumentOutOfRangeException(nameof(tokens), tokens[i], $"token ids are 0 to {Config.VocabSize - 1}");
            embedTokens.CopyRow(tokens[i], embeddings.Slice(i * dim, dim));
        }
    }

    /// <summary>Appends tokens to a conversation. A single token allocates nothing after the first call.</summary>
    /// <param name="cache">The conversation.</param>
    /// <param name="tokens">T token ids.</param>
    /// <param name="logits">Receives the scores after the last token (V), after every token (T, V), or nothing when empty.</param>
    /// <exception cref="EmovaException">The conversation would become longer than the cache.</exception>
    public void Forward(KvCache cache, ReadOnlySpan<int> tokens, Span<float> logits)
    {
        CheckArguments(cache, tokens.Length, logits);
        for (int start = 0; start < tokens.Length; start += ChunkRows)
        {
            int rows = Math.Min(ChunkRows, tokens.Length - start);
            Span<float> scores = LogitsOfChunk(logits, tokens.Length, start, rows);
            DecodeBatch batch = cache.Alone(this);
            batch.Add(cache, tokens.Slice(start, rows), scores.Length / Config.VocabSize);
            batch.Run(scores, probe: null);
        }
    }

    /// <summary>Appends positions given as embeddings, such as a prompt with a picture, to a conversation.</summary>
    /// <param name="cache">The conversation.</param>
    /// <param name="embeddings">(T, D).</param>
    /// <param name="logits">Receives the scores after the last position (V), after every position (T, V), or nothing when empty.</param>
    /// <param name="probe">Receives <c>hidden.i</c>: the embeddings (0), each layer's output, the last one after the final norm; and
    /// before each the layer's parts: <c>layeri.qkv</c> after rotation, <c>layeri.attn</c>, the choice of experts, <c>layeri.mlp</c>; separately for each chunk of 256 positions.</param>
    /// <exception cref="EmovaException">The conversation would become longer than the cache.</exception>
    public void Forward(KvCache cache, ReadOnlySpan<float> embeddings, Span<float> logits, ActivationProbe? probe = null)
    {
        int dim = Config.HiddenSize, count = embeddings.Length / dim;
        if (embeddings.Length % dim != 0)
            throw new ArgumentException($"{embeddings.Length} values are not rows of {dim}", nameof(embeddings));
        CheckArguments(cache, count, logits);
        for (int start = 0; start < count; start += ChunkRows)
        {
            int rows = Math.Min(ChunkRows, count - start);
            Span<float> scores = LogitsOfChunk(logits, count, start, rows);
            DecodeBatch batch = cache.Alone(this);
            batch.Add(cache, embeddings.Slice(start * dim, rows * dim), scores.Length / Config.VocabSize);
            batch.Run(scores, probe);
        }
    }

    private void CheckArguments(KvCache cache, int count, Span<float> logits)
    {
        ArgumentNullException.ThrowIfNull(cache);
        if (count == 0 || (logits.Length != 0 && logits.Length != Config.VocabSize && logits.Length != (long)count * Config.VocabSize))
        {
            throw new ArgumentException(
                $"{count} positions and {logits.Length} scores: need at least one position and 0, {Config.VocabSize} or positions * {Config.VocabSize} scores", nameof(logits));
        }

        cache.RequireRoom(count);
    }

    /// <summary>The part of the caller's scores that belongs to a chunk: its own rows, or only the last row of the last chunk.</summary>
    private Span<float> LogitsOfChunk(Span<float> logits, int count, int start, int rows)
    {
        int vocabulary = Config.VocabSize;
        if (logits.Length == count * vocabulary)
            return logits.Slice(start * vocabulary, rows * vocabulary);
        return start + rows == count ? logits : [];
    }

    /// <summary>Runs the rows in the batch's residual stream; their keys and values go into the caches.</summary>
    /// <param name="batch">The rows.</param>
    /// <param name="logits">Receives the scores of the scored rows, (n, V).</param>
    internal void Run(DecodeBatch batch, Span<float> logits)
    {
        int dim = Config.HiddenSize;
        DecoderScratch scratch = batch.Scratch;
        Span<float> x = scratch.X.AsSpan(0, batch.Rows * dim); // (rows, D)
        FillRotaryTable(batch);
        scratch.Probe?.Invoke("hidden.0", x);
        foreach (DecoderLayer layer in layers)
        {
            layer.Forward(x, batch);
            if (layer != layers[^1])
                scratch.Probe?.Invoke($"hidden.{layer.Index + 1}", x);
        }

        if (scratch.Probe is { } probe)
        {
            NormedRows.RmsNorm(x, norm, Config.RmsNormEps, scratch.Normed);
            probe($"hidden.{layers.Length}", scratch.Normed.AsSpan(0, x.Length));
        }

        Span<float> last = scratch.Normed.AsSpan(0, batch.ScoredRows * dim); // (scored, D)
        foreach (BatchEntry entry in batch.Entries)
        {
            ReadOnlySpan<float> scored = x.Slice((entry.FirstRow + entry.Rows - entry.ScoredRows) * dim, entry.ScoredRows * dim);
            NormedRows.RmsNorm(scored, norm, Config.RmsNormEps, last[(entry.FirstScored * dim)..]);
        }

        head.Multiply(last, batch.ScoredRows, dim, logits, Config.VocabSize);
    }

    private void FillRotaryTable(DecodeBatch batch)
    {
        int half = inverseFrequencies.Length;
        (float[] sines, float[] cosines) = (batch.Scratch.Sin, batch.Scratch.Cos);
        foreach (BatchEntry entry in batch.Entries)
        {
            int first = entry.Cache.FirstPosition + entry.Cache.Length;
            for (int r = 0; r < entry.Rows; r++)
            {
                for (int i = 0; i < half; i++)
                {
                    (float sin, float cos) = MathF.SinCos((first + r) * inverseFrequencies[i]);
                    int slot = (entry.FirstRow + r) * half + i;
                    (sines[slot], cosines[slot]) = (sin * rotaryScale, cos * rotaryScale);
                }
            }
        }
    }
}

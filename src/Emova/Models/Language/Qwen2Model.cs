using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>
/// Qwen2 / Qwen2.5 decoder (arXiv 2407.10671): pre-norm layers with grouped-query attention, rotary positions and a SiLU-gated
/// feed-forward layer. Weights are read only: any number of <see cref="KvCache"/> sessions may run at the same time.
/// A row's result does not depend on how the sequence is cut into calls.
/// </summary>
public sealed class Qwen2Model
{
    // Longer inputs are processed in chunks of this many rows, which bounds the buffers.
    private const int ChunkRows = 256;

    private readonly LinearWeight embedTokens; // (V, D), a table: only its rows are read
    private readonly DecoderLayer[] layers;
    private readonly float[] norm;
    private readonly LinearWeight head;
    private readonly float[] inverseFrequencies;

    private Qwen2Model(Qwen2Config config, WeightLoader weights)
    {
        Config = config;
        WeightLoader model = weights.Push("model");
        embedTokens = model.GetLinear("embed_tokens", config.VocabSize, config.HiddenSize, bias: false);
        layers = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => new DecoderLayer(config, model.Push("layers").Push(i), i))];
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

        inverseFrequencies = RotaryEmbedding.InverseFrequencies(config.HeadDim, config.RopeTheta);
    }

    /// <summary>The dimensions.</summary>
    public Qwen2Config Config { get; }

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="weights">Positioned at the root of the checkpoint: names are <c>model.layers.0...</c> and <c>lm_head</c>.</param>
    public static Qwen2Model Load(Qwen2Config config, WeightLoader weights) => new(config, weights);

    /// <summary>Reserves memory for a conversation.</summary>
    /// <param name="capacity">Positions, 1 to MaxPositionEmbeddings.</param>
    public KvCache CreateCache(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, Config.MaxPositionEmbeddings);
        return new KvCache(Config, capacity);
    }

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
            cache.Scratch.Reserve(rows);
            Embed(tokens.Slice(start, rows), cache.Scratch.X);
            ForwardChunk(cache, rows, LogitsOfChunk(logits, tokens.Length, start, rows), probe: null);
        }
    }

    /// <summary>Appends positions given as embeddings, such as a prompt with a picture, to a conversation.</summary>
    /// <param name="cache">The conversation.</param>
    /// <param name="embeddings">(T, D).</param>
    /// <param name="logits">Receives the scores after the last position (V), after every position (T, V), or nothing when empty.</param>
    /// <param name="probe">Receives <c>hidden.i</c>: the embeddings (0), each layer's output, the last one after the final norm;
    /// separately for each chunk of 256 positions.</param>
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
            cache.Scratch.Reserve(rows);
            embeddings.Slice(start * dim, rows * dim).CopyTo(cache.Scratch.X);
            ForwardChunk(cache, rows, LogitsOfChunk(logits, count, start, rows), probe);
        }
    }

    private void CheckArguments(KvCache cache, int count, Span<float> logits)
    {
        if (cache.Config != Config)
            throw new ArgumentException("the cache was created for a model of other dimensions", nameof(cache));
        if (count == 0 || (logits.Length != 0 && logits.Length != Config.VocabSize && logits.Length != (long)count * Config.VocabSize))
        {
            throw new ArgumentException(
                $"{count} positions and {logits.Length} scores: need at least one position and 0, {Config.VocabSize} or positions * {Config.VocabSize} scores", nameof(logits));
        }

        if (cache.Length + count > cache.Capacity)
            throw new EmovaException($"the conversation needs {cache.Length + count} positions, the context has {cache.Capacity}");
    }

    /// <summary>The part of the caller's scores that belongs to a chunk: its own rows, or only the last row of the last chunk.</summary>
    private Span<float> LogitsOfChunk(Span<float> logits, int count, int start, int rows)
    {
        int vocabulary = Config.VocabSize;
        if (logits.Length == count * vocabulary)
            return logits.Slice(start * vocabulary, rows * vocabulary);
        return start + rows == count ? logits : [];
    }

    /// <summary>Runs the rows in scratch.X and appends them to the cache.</summary>
    private void ForwardChunk(KvCache cache, int rows, Span<float> logits, ActivationProbe? probe)
    {
        int dim = Config.HiddenSize;
        Qwen2Scratch scratch = cache.Scratch;
        Span<float> x = scratch.X.AsSpan(0, rows * dim); // (rows, D)
        FillRotaryTable(cache.Length, rows, scratch);
        probe?.Invoke("hidden.0", x);
        foreach (DecoderLayer layer in layers)
        {
            layer.Forward(x, rows, cache);
            if (layer != layers[^1])
                probe?.Invoke($"hidden.{layer.Index + 1}", x);
        }

        cache.Advance(rows);
        int scored = probe is null ? logits.Length / Config.VocabSize : rows;
        Span<float> last = x[((rows - scored) * dim)..];
        RmsNormRows(last, norm, Config.RmsNormEps, last);
        probe?.Invoke($"hidden.{layers.Length}", last);
        scored = logits.Length / Config.VocabSize;
        head.Multiply(x[((rows - scored) * dim)..], scored, dim, logits, Config.VocabSize);
    }

    private void FillRotaryTable(int firstPosition, int rows, Qwen2Scratch scratch)
    {
        int half = inverseFrequencies.Length;
        for (int r = 0; r < rows; r++)
        {
            for (int i = 0; i < half; i++)
                (scratch.Sin[r * half + i], scratch.Cos[r * half + i]) = MathF.SinCos((firstPosition + r) * inverseFrequencies[i]);
        }
    }

    private static void RmsNormRows(ReadOnlySpan<float> x, float[] weight, float epsilon, Span<float> y)
    {
        int dim = weight.Length;
        for (int start = 0; start < x.Length; start += dim)
            VectorMath.RmsNorm(x.Slice(start, dim), weight, epsilon, y.Slice(start, dim));
    }

    /// <summary>x += attention(norm(x)); x += feedforward(norm(x)).</summary>
    private sealed class DecoderLayer(Qwen2Config config, WeightLoader weights, int index)
    {
        private readonly int dim = config.HiddenSize;
        private readonly float[] inputNorm = weights.Get("input_layernorm.weight", config.HiddenSize);
        private readonly LinearWeight qkv = weights.Push("self_attn").GetFusedLinear(
            config.HiddenSize, bias: true, ("q_proj", config.HiddenSize), ("k_proj", config.KeyValueDim), ("v_proj", config.KeyValueDim));

        private readonly LinearWeight output = weights.GetLinear("self_attn.o_proj", config.HiddenSize, config.HiddenSize, bias: false);
        private readonly float[] postAttentionNorm = weights.Get("post_attention_layernorm.weight", config.HiddenSize);
        private readonly LinearWeight gateUp = weights.Push("mlp").GetFusedLinear(
            config.HiddenSize, bias: false, ("gate_proj", config.IntermediateSize), ("up_proj", config.IntermediateSize));

        private readonly LinearWeight down = weights.GetLinear("mlp.down_proj", config.HiddenSize, config.IntermediateSize, bias: false);

        public int Index => index;

        public void Forward(Span<float> x, int rows, KvCache cache)
        {
            Qwen2Scratch scratch = cache.Scratch;
            Span<float> sublayer = scratch.Normed.AsSpan(0, rows * dim);
            RmsNormRows(x, inputNorm, config.RmsNormEps, sublayer);
            Attend(sublayer, rows, cache);
            VectorMath.Add(x, sublayer, x);

            RmsNormRows(x, postAttentionNorm, config.RmsNormEps, sublayer);
            FeedForward(sublayer, rows, scratch.GateUp);
            VectorMath.Add(x, sublayer, x);
        }

        /// <summary>Replaces the normalized rows by the attention output and stores their keys and values in the cache.</summary>
        private void Attend(Span<float> rowsInOut, int rows, KvCache cache)
        {
            Qwen2Scratch scratch = cache.Scratch;
            int half = config.HeadDim / 2, keyValueDim = config.KeyValueDim, stride = dim + 2 * keyValueDim;
            float[] fused = scratch.Qkv; // (rows, [q | k | v])
            qkv.Multiply(rowsInOut, rows, dim, fused, stride);
            Span<float> keys = cache.Keys(index), values = cache.Values(index);
            for (int r = 0; r < rows; r++)
            {
                // Queries and keys lie side by side and turn by the same angles.
                Span<float> row = fused.AsSpan(r * stride, stride);
                RotaryEmbedding.Rotate(row[..(dim + keyValueDim)], scratch.Cos.AsSpan(r * half, half), scratch.Sin.AsSpan(r * half, half));
                int slot = (cache.Length + r) * keyValueDim;
                row.Slice(dim, keyValueDim).CopyTo(keys[slot..]);
                row[(dim + keyValueDim)..].CopyTo(values[slot..]);
            }

            AttentionKernel.Causal(
                fused, stride, keys, keyValueDim, values, keyValueDim, scratch.Attended, dim, rows, cache.Length,
                config.NumAttentionHeads, config.NumKeyValueHeads, config.HeadDim, 1 / MathF.Sqrt(config.HeadDim));
            output.Multiply(scratch.Attended, rows, dim, rowsInOut, dim);
        }

        /// <summary>Replaces the normalized rows by down(silu(gate) * up).</summary>
        private void FeedForward(Span<float> rowsInOut, int rows, float[] fused)
        {
            int wide = config.IntermediateSize;
            gateUp.Multiply(rowsInOut, rows, dim, fused, 2 * wide);
            for (int r = 0; r < rows; r++)
            {
                Span<float> gate = fused.AsSpan(2 * r * wide, wide);
                VectorMath.SiLUMultiply(gate, fused.AsSpan((2 * r + 1) * wide, wide), gate);
            }

            down.Multiply(fused, rows, 2 * wide, rowsInOut, dim);
        }
    }
}

using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>
/// New positions of one or several conversations, computed in one pass: the weights are read once for all of them. A row's result is
/// bit for bit the same whatever other rows there are. A batch owns the buffers of the pass; used again, it allocates nothing.
/// </summary>
public sealed class DecodeBatch
{
    private readonly LanguageModel model;
    private BatchEntry[] entries = new BatchEntry[4];
    private int count;
    private float[] logits = [];

    /// <summary>Creates a batch; it may be used from one thread at a time.</summary>
    /// <param name="model">The model that computes.</param>
    /// <param name="maxRows">Most rows of one pass, at least 1.</param>
    public DecodeBatch(LanguageModel model, int maxRows = LanguageModel.ChunkRows)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRows, 1);
        this.model = model;
        MaxRows = maxRows;
        Scratch = new DecoderScratch(model.Config);
    }

    /// <summary>Most rows of one pass.</summary>
    public int MaxRows { get; }

    /// <summary>Rows added so far.</summary>
    public int Rows { get; private set; }

    /// <summary>Rows whose scores are wanted.</summary>
    public int ScoredRows { get; private set; }

    internal LanguageModel Model => model;

    internal DecoderScratch Scratch { get; }

    internal ReadOnlySpan<BatchEntry> Entries => entries.AsSpan(0, count);

    /// <summary>Removes all entries; their conversations stay as they are.</summary>
    public void Clear()
    {
        entries.AsSpan(0, count).Clear();
        (count, Rows, ScoredRows) = (0, 0, 0);
    }

    /// <summary>Adds tokens that continue a conversation.</summary>
    /// <param name="cache">The conversation; once per batch.</param>
    /// <param name="tokens">T token ids, 0 to VocabSize - 1.</param>
    /// <param name="scoredRows">Scores are wanted after each of the last so many tokens, 0 to T.</param>
    /// <returns>Number of the entry, for <see cref="Logits"/>.</returns>
    /// <exception cref="EmovaException">The conversation would become longer than its cache.</exception>
    public int Add(KvCache cache, ReadOnlySpan<int> tokens, int scoredRows = 1)
    {
        CheckEntry(cache, tokens.Length, scoredRows);
        Scratch.Reserve(Rows + tokens.Length, Rows);
        model.Embed(tokens, Scratch.X.AsSpan(Rows * model.Config.HiddenSize));
        return AddEntry(cache, tokens.Length, scoredRows);
    }

    /// <summary>Adds positions given as embeddings, such as a part of a prompt with a picture.</summary>
    /// <param name="cache">The conversation; once per batch.</param>
    /// <param name="embeddings">(T, D).</param>
    /// <param name="scoredRows">Scores are wanted after each of the last so many positions, 0 to T.</param>
    /// <returns>Number of the entry, for <see cref="Logits"/>.</returns>
    /// <exception cref="EmovaException">The conversation would become longer than its cache.</exception>
    public int Add(KvCache cache, ReadOnlySpan<float> embeddings, int scoredRows = 1)
    {
        int dim = model.Config.HiddenSize, rows = embeddings.Length / dim;
        if (embeddings.Length % dim != 0)
            throw new ArgumentException($"{embeddings.Length} values are not rows of {dim}", nameof(embeddings));
        CheckEntry(cache, rows, scoredRows);
        Scratch.Reserve(Rows + rows, Rows);
        embeddings.CopyTo(Scratch.X.AsSpan(Rows * dim));
        return AddEntry(cache, rows, scoredRows);
    }

    /// <summary>Computes all rows and appends them to their conversations. The entries stay, for <see cref="Logits"/>, until <see cref="Clear"/>.</summary>
    public void Run()
    {
        int wanted = ScoredRows * model.Config.VocabSize;
        if (logits.Length < wanted)
            logits = GC.AllocateUninitializedArray<float>(wanted);
        Run(logits.AsSpan(0, wanted), probe: null);
    }

    /// <summary>Scores of the token after a row of the last <see cref="Run()"/>; valid until the next one.</summary>
    /// <param name="entry">What <see cref="Add(KvCache, ReadOnlySpan{int}, int)"/> returned.</param>
    /// <param name="row">Number among the entry's scored rows; null for the last one.</param>
    /// <returns>(V).</returns>
    public ReadOnlySpan<float> Logits(int entry, int? row = null)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)entry, (uint)count, nameof(entry));
        BatchEntry wanted = entries[entry];
        int index = row ?? wanted.ScoredRows - 1;
        if ((uint)index >= (uint)wanted.ScoredRows)
            throw new ArgumentOutOfRangeException(nameof(row), index, $"the entry has {wanted.ScoredRows} scored rows");
        return logits.AsSpan((wanted.FirstScored + index) * model.Config.VocabSize, model.Config.VocabSize);
    }

    /// <summary>As <see cref="Run()"/>, with the scores of all scored rows (n, V) written to the caller's memory.</summary>
    internal void Run(Span<float> scores, ActivationProbe? probe)
    {
        if (count == 0)
            throw new InvalidOperationException("the batch is empty");
        Scratch.Probe = probe;
        model.Run(this, scores);
        Scratch.Probe = null;
        foreach (BatchEntry entry in Entries)
            entry.Cache.Advance(entry.Rows);
    }

    /// <summary>Whether any of the conversations has an adapter.</summary>
    internal bool HasAdapters
    {
        get
        {
            foreach (BatchEntry entry in Entries)
            {
                if (entry.Cache.Adapter is not null)
                    return true;
            }

            return false;
        }
    }

    /// <summary>Multiplies the rows of all entries by a weight; where a conversation has an adapter, as that changes it.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="x">Inputs; row r starts at r * <paramref name="xStride"/>.</param>
    /// <param name="xStride">Distance of two rows.</param>
    /// <param name="y">Outputs; row r starts at r * <paramref name="yStride"/>.</param>
    /// <param name="yStride">Distance of two rows.</param>
    internal void Multiply(LinearWeight weight, ReadOnlySpan<float> x, int xStride, Span<float> y, int yStride)
    {
        weight.Multiply(x, Rows, xStride, y, yStride);
        foreach (BatchEntry entry in Entries)
            entry.Cache.Adapter?.Apply(weight, x[(entry.FirstRow * xStride)..], entry.Rows, xStride, y[(entry.FirstRow * yStride)..], yStride);
    }

    /// <summary>Lets an attention layer attend for every entry: single rows side by side, several rows each with all threads.</summary>
    internal void AttendEach<TAttention>(TAttention attention)
        where TAttention : class, IAttention
    {
        int single = 0;
        for (int i = 0; i < count; i++)
        {
            if (entries[i].Rows == 1 && count > 1)
                single++;
            else
                attention.Attend(entries[i], Scratch);
        }

        if (single > 0)
            WorkerTeam.Shared.For(count, new AttendBody<TAttention> { Attention = attention, Batch = this });
    }

    private void CheckEntry(KvCache cache, int rows, int scoredRows)
    {
        ArgumentNullException.ThrowIfNull(cache);
        if (cache.Config != model.Config)
            throw new ArgumentException("the cache was created for a model of other dimensions", nameof(cache));
        foreach (BatchEntry entry in Entries)
        {
            if (entry.Cache == cache)
                throw new ArgumentException("the conversation is in the batch already", nameof(cache));
        }

        if (rows == 0 || (uint)scoredRows > (uint)rows)
            throw new ArgumentException($"{rows} positions and {scoredRows} scored ones: need at least one position and not more scored ones", nameof(scoredRows));
        if (Rows + rows > MaxRows)
            throw new ArgumentException($"{rows} rows do not fit beside {Rows} into a batch of {MaxRows}", nameof(rows));
        cache.RequireRoom(rows);
    }

    private int AddEntry(KvCache cache, int rows, int scoredRows)
    {
        if (count == entries.Length)
            Array.Resize(ref entries, 2 * count);
        entries[count] = new BatchEntry(cache, Rows, rows, ScoredRows, scoredRows);
        Rows += rows;
        ScoredRows += scoredRows;
        return count++;
    }

    private struct AttendBody<TAttention> : IWorkerBody
        where TAttention : class, IAttention
    {
        public TAttention Attention;
        public DecodeBatch Batch;

        public readonly void Execute(int start, int limit)
        {
            for (int i = start; i < limit; i++)
            {
                if (Batch.entries[i].Rows == 1)
                    Attention.Attend(Batch.entries[i], Batch.Scratch);
            }
        }
    }
}

/// <summary>New positions of one conversation in a <see cref="DecodeBatch"/>.</summary>
/// <param name="Cache">The conversation; its length is the position of the first row until the pass is over.</param>
/// <param name="FirstRow">First row in the batch.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="FirstScored">Number of the first scored row among those of the batch.</param>
/// <param name="ScoredRows">The last so many rows are scored.</param>
internal readonly record struct BatchEntry(KvCache Cache, int FirstRow, int Rows, int FirstScored, int ScoredRows);

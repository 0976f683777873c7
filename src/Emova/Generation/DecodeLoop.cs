using Emova.Models.Language;

namespace Emova.Generation;

/// <summary>
/// Runs several sequences side by side: each step reads the weights once and gives every sequence that writes its next token, and a
/// part of a prompt to one that reads. What a sequence writes does not depend on the others. For use from one thread at a time.
/// </summary>
public sealed class DecodeLoop
{
    private readonly DecodeBatch batch;
    private readonly List<ISequence> entered = [];
    private readonly int promptRows;
    private int turn;

    /// <summary>Creates a loop.</summary>
    /// <param name="model">The model of all sequences.</param>
    /// <param name="maxRows">Most positions of a step.</param>
    /// <param name="promptRows">Most positions of prompts in a step in which others write: more finish a prompt sooner, and let the
    /// others wait longer for their next token.</param>
    public DecodeLoop(LanguageModel model, int maxRows = LanguageModel.ChunkRows, int promptRows = 64)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(promptRows, 1);
        batch = new DecodeBatch(model, maxRows);
        this.promptRows = promptRows;
    }

    /// <summary>Computes one step. A sequence that fails ends with its <see cref="ISequence.Failure"/>; the others go on.</summary>
    /// <param name="sequences">Those to run; ones that need nothing are passed over. Reading prompts take turns, as do writing
    /// sequences when there are more than a step has room for.</param>
    /// <returns>Whether any sequence needed the model.</returns>
    public bool Step(IReadOnlyList<ISequence> sequences)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        batch.Clear();
        entered.Clear();
        turn++;
        EnterAll(sequences, reading: false, batch.MaxRows);
        EnterAll(sequences, reading: true, batch.Rows == 0 ? batch.MaxRows : Math.Min(batch.MaxRows, batch.Rows + promptRows));
        if (batch.Rows == 0)
            return false;
        batch.Run();
        foreach (ISequence sequence in entered)
            sequence.Leave(batch);
        return true;
    }

    private void EnterAll(IReadOnlyList<ISequence> sequences, bool reading, int limit)
    {
        for (int i = 0; i < sequences.Count && batch.Rows < limit; i++)
        {
            ISequence sequence = sequences[(int)((uint)(turn + i) % (uint)sequences.Count)];
            if (!sequence.NeedsModel || sequence.IsReading != reading)
                continue;
            if (sequence.Enter(batch, limit - batch.Rows))
                entered.Add(sequence);
        }
    }
}

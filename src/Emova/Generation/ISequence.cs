using Emova.Models.Language;

namespace Emova.Generation;

/// <summary>Something a language model writes, in steps that a <see cref="DecodeLoop"/> shares among several of them.</summary>
public interface ISequence
{
    /// <summary>Whether there is something to compute; false when all is written, or after a <see cref="Failure"/>.</summary>
    bool NeedsModel { get; }

    /// <summary>Positions that wait to be computed: the prompt at first, then what was written since the last step.</summary>
    int PendingRows { get; }

    /// <summary>Whether the prompt is still being read.</summary>
    bool IsReading { get; }

    /// <summary>What made the sequence end early; null while nothing did.</summary>
    Exception? Failure { get; }

    /// <summary>Puts positions into a batch.</summary>
    /// <param name="batch">Computes them.</param>
    /// <param name="maxRows">Most positions, at least 1; what does not fit follows in a later step.</param>
    /// <returns>False when it failed instead.</returns>
    bool Enter(DecodeBatch batch, int maxRows);

    /// <summary>Goes on after the batch was run: chooses the next token, and reports what became known.</summary>
    /// <param name="batch">The batch that was entered.</param>
    void Leave(DecodeBatch batch);
}

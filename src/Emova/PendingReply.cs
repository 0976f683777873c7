using System.Diagnostics;
using Emova.Generation;
using Emova.Models.Language;

namespace Emova;

/// <summary>
/// A reply that is being made, step by step: a <see cref="DecodeLoop"/> lets the language model write it, next to others, and
/// <see cref="Voice"/> speaks what was written so far. Writing and speaking may happen on two threads; otherwise one thread at a time.
/// </summary>
public sealed class PendingReply : ISequence
{
    private readonly ReplyBuilder _builder;
    private readonly Func<string, TokenWriter?>? _next;
    private readonly Action<string?>? _onWritten;
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly List<int> _tokens = [];
    private readonly ReplyKind _kind;
    private TokenWriter? _writer;
    private bool _hasText;
    private bool _hasRead;

    /// <param name="builder">Collects the reply.</param>
    /// <param name="kind">What the first tokens are.</param>
    /// <param name="writer">Creates the writer of the first tokens; calls the given action with each one.</param>
    /// <param name="next">Given what was written, creates the writer of the units that speak it, or none; null when nothing is to be spoken.</param>
    /// <param name="onWritten">Told what the model wrote, or null when the reply was given up.</param>
    internal PendingReply(ReplyBuilder builder, ReplyKind kind, Func<Action<int>, TokenWriter> writer, Func<string, TokenWriter?>? next, Action<string?>? onWritten)
    {
        (_builder, _kind, _next, _onWritten) = (builder, kind, next, onWritten);
        _writer = writer(token =>
        {
            _tokens.Add(token);
            builder.Take(token, kind);
        });
        (PromptLength, ReusedPositions) = (_writer.PromptLength, _writer.ReusedPositions);
    }

    /// <inheritdoc/>
    public bool NeedsModel => _writer is not null;

    /// <inheritdoc/>
    public int PendingRows => _writer?.PendingRows ?? 0;

    /// <inheritdoc/>
    public bool IsReading => _writer?.IsReading ?? false;

    /// <inheritdoc/>
    public Exception? Failure { get; private set; }

    /// <summary>Whether <see cref="Voice"/> has something to do.</summary>
    public bool HasVoiceWork => Failure is null && _builder.HasVoiceWork;

    /// <summary>Whether all is written and spoken, or failed.</summary>
    public bool IsComplete => Failure is not null || (_writer is null && _builder.IsVoiced);

    /// <summary>Whether the reply was finished or given up.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Positions of the prompt that were known from before and not computed again.</summary>
    public int ReusedPositions { get; }

    /// <summary>Positions of the prompt.</summary>
    public int PromptLength { get; }

    /// <inheritdoc/>
    public bool Enter(DecodeBatch batch, int maxRows)
    {
        TokenWriter writer = _writer ?? throw new InvalidOperationException("the reply is written");
        if (writer.Enter(batch, maxRows))
            return true;
        Settle(writer);
        return false;
    }

    /// <inheritdoc/>
    public void Leave(DecodeBatch batch)
    {
        TokenWriter writer = _writer ?? throw new InvalidOperationException("the reply is written");
        writer.Leave(batch);
        if (!_hasRead && !writer.IsReading)
        {
            _hasRead = true;
            _builder.Add(ReplyBuilder.Part.Prefill, Stopwatch.GetElapsedTime(_start));
        }

        Settle(writer);
    }

    /// <summary>
    /// Speaks what was written since the last call, as far as it can be spoken yet; at the end of a reply, piece by piece. May run beside
    /// the steps of the language model. Call it until it has nothing to do.
    /// </summary>
    public void Voice()
    {
        try
        {
            _builder.Voice();
        }
        catch (Exception exception)
        {
            Fail(exception);
        }
    }

    /// <summary>Ends the writing: the reply is what was written until now. May be called while a token or an event is reported.</summary>
    public void Stop() => _writer?.Stop();

    /// <summary>Ends the reply.</summary>
    /// <exception cref="InvalidOperationException">It is not <see cref="IsComplete"/>, or was finished or given up.</exception>
    /// <exception cref="Exception">What made the reply fail.</exception>
    public Reply Finish()
    {
        if (!IsComplete || HasEnded)
            throw new InvalidOperationException("the reply is not complete, or has ended");
        if (Failure is not null)
        {
            Cancel();
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(Failure);
        }

        HasEnded = true;
        return _builder.Finish();
    }

    /// <summary>Sample at which each unit ends, for those whose duration is known so far.</summary>
    public IReadOnlyList<int> UnitEnds => _builder.UnitEnds;

    /// <summary>How many units were heard, at least in part, by one who heard the first so many samples.</summary>
    public int UnitsHeard(long samples) => Reply.UnitsHeard(_builder.UnitEnds, samples);

    /// <summary>Ends the writing and speaking, finished or not, and tells what was heard of it.</summary>
    /// <param name="samples">Samples heard.</param>
    /// <param name="tokens">The first tokens of the reply, up to the last unit heard; null when its units are not among its tokens, or
    /// there are none yet.</param>
    internal HeardPart Interrupt(long samples, out IReadOnlyList<int>? tokens)
    {
        (_writer, HasEnded) = (null, true);
        _builder.Abandon();
        int[] ends = _builder.UnitEnds;
        int heard = Reply.UnitsHeard(ends, samples), first = _builder.FirstUnitToken;
        tokens = _kind == ReplyKind.Dialogue && first >= 0 ? _tokens.GetRange(0, first + heard) : null;
        return new HeardPart(heard, heard == 0 ? 0 : ends[heard - 1]);
    }

    /// <summary>Gives the reply up; its conversation forgets the turn. Does nothing after <see cref="Finish"/>.</summary>
    public void Cancel()
    {
        if (HasEnded)
            return;
        HasEnded = true;
        _writer = null;
        _builder.Abandon();
        _onWritten?.Invoke(null);
    }

    /// <summary>Runs the reply to its end on this thread.</summary>
    internal Reply Run(Assistant assistant, CancellationToken cancellationToken)
    {
        DecodeLoop loop = assistant.TakeLoop();
        try
        {
            ISequence[] alone = [this];
            while (!IsComplete)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (NeedsModel)
                    loop.Step(alone);
                if (HasVoiceWork)
                    Voice();
            }

            return Finish();
        }
        finally
        {
            Cancel();
            assistant.PutBack(loop);
        }
    }

    /// <summary>Goes on to the next part when a writer has nothing more to write.</summary>
    private void Settle(TokenWriter writer)
    {
        if (writer.Failure is { } failure)
            Fail(failure);
        else if (!writer.NeedsModel)
            GoOn();
    }

    private void GoOn()
    {
        try
        {
            _writer = null;
            if (!_hasText)
            {
                _hasText = true;
                string raw = _builder.FinishText(_tokens, _kind);
                _onWritten?.Invoke(raw);
                _writer = _next?.Invoke(raw);
            }

            if (_writer is null)
                _builder.FinishUnits();
        }
        catch (Exception exception)
        {
            Fail(exception);
        }
    }

    private void Fail(Exception exception)
    {
        Failure ??= exception;
        _writer = null;
    }
}

/// <summary>What a language model's tokens are.</summary>
internal enum ReplyKind
{
    /// <summary>Plain text.</summary>
    Text,

    /// <summary>The JSON object of a spoken turn, units included.</summary>
    Dialogue,

    /// <summary>Nothing but units.</summary>
    Units,
}

using Emova.Models.Language;
using Emova.Text;

namespace Emova.Generation;

/// <summary>
/// Writes one reply under a grammar, in steps. Tokens without an alternative are not sampled; they are computed together with what
/// comes before them, those at the beginning with the prompt. A step in the middle of a reply allocates nothing.
/// </summary>
public sealed class TokenWriter : ISequence
{
    private readonly SequenceCache _memory;
    private readonly Prompt _prompt;
    private readonly GrammarCursor _cursor;
    private readonly Sampler _sampler;
    private readonly Action<int> _onToken;
    private readonly int _tokensToFinish;
    private bool _started;
    private bool _isShared;
    private bool _isStopped;
    private int _entry = -1;
    private int _firstDraft;
    private int _drafted;
    private int _verified;

    /// <summary>Begins a reply; nothing is computed yet.</summary>
    /// <param name="memory">The conversation; what it holds of the prompt is not computed again.</param>
    /// <param name="prompt">What to answer.</param>
    /// <param name="cursor">At the beginning of the reply; must come from a grammar of the same vocabulary.</param>
    /// <param name="tokensToFinish">Room to keep for ending the reply when the conversation runs full.</param>
    /// <param name="sampler">Chooses.</param>
    /// <param name="onToken">Called with each token of the reply as soon as it is known.</param>
    /// <exception cref="EmovaException">The conversation has no room left for a reply.</exception>
    public TokenWriter(SequenceCache memory, Prompt prompt, GrammarCursor cursor, int tokensToFinish, Sampler sampler, Action<int> onToken)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(cursor);
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(onToken);
        if (prompt.Length == 0)
            throw new ArgumentException("the prompt is empty", nameof(prompt));
        if (prompt.Length + tokensToFinish > memory.Capacity)
            throw new EmovaException($"the turn is too long: its prompt takes {prompt.Length} of {memory.Capacity} positions, and a reply needs up to {tokensToFinish}");
        (_memory, _prompt, _cursor, _sampler, _onToken, _tokensToFinish) = (memory, prompt, cursor, sampler, onToken, tokensToFinish);
        memory.Begin(prompt);
        ReusedPositions = memory.Length;
    }

    /// <summary>Positions of the prompt.</summary>
    public int PromptLength => _prompt.Length;

    /// <summary>Positions of the prompt that were known already.</summary>
    public int ReusedPositions { get; }

    /// <summary>Tokens of the reply so far.</summary>
    public int TokenCount { get; private set; }

    /// <summary>
    /// Most tokens to guess per step from what was written before (prompt lookup); 0 for none. What is written does not depend on it:
    /// guesses are computed beside the next token and kept as far as they come true.
    /// </summary>
    public int DraftTokens { get; init; }

    /// <summary>Tokens guessed so far.</summary>
    public int DraftedTokens { get; private set; }

    /// <summary>Of the guesses, those that came true.</summary>
    public int AcceptedTokens { get; private set; }

    /// <summary>Tokens after which the reply is closed as soon as its grammar allows; null for no such bound.</summary>
    public int? MaximumTokens { get; init; }

    /// <inheritdoc/>
    public bool NeedsModel => Failure is null && !_cursor.IsComplete && !_isStopped;

    /// <inheritdoc/>
    public int PendingRows => _memory.Pending;

    /// <inheritdoc/>
    public bool IsReading => _memory.Length < _prompt.Length;

    /// <inheritdoc/>
    public Exception? Failure { get; private set; }

    /// <summary>Ends the reply with the tokens it has; may be called while a token is reported.</summary>
    public void Stop() => _isStopped = true;

    /// <inheritdoc/>
    public bool Enter(DecodeBatch batch, int maxRows)
    {
        ArgumentNullException.ThrowIfNull(batch);
        try
        {
            if (!_started)
            {
                _started = true;
                FollowForced();
            }

            if (!NeedsModel)
                return false;
            int pending = _memory.Pending, rows = Math.Min(maxRows, pending);
            bool isAll = rows == pending;
            (_firstDraft, _drafted, _verified) = (_memory.Length + pending, 0, 0);
            if (isAll && DraftTokens > 0 && !IsReading)
            {
                _drafted = _memory.AppendDraft(Math.Min(DraftTokens, Math.Min(maxRows - rows, _memory.Room - _tokensToFinish)));
                DraftedTokens += _drafted;
            }

            int entry = _memory.Enter(batch, rows + _drafted, isAll ? 1 + _drafted : 0, _prompt);
            _entry = isAll ? entry : -1;
            return true;
        }
        catch (Exception exception)
        {
            Failure = exception;
            return false;
        }
    }

    /// <inheritdoc/>
    public void Leave(DecodeBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (_entry < 0)
            return; // more of the prompt is to be read
        try
        {
            if (!_isShared)
                _memory.Share(_prompt.Length);
            _isShared = true;
            // Each guess that comes true has its scores already; the first that does not ends the step, as if it had not been made.
            int scored;
            do
            {
                scored = _verified;
                _cursor.Hurry = MustHurry;
                Take(_sampler.Choose(batch.Logits(_entry, scored), _cursor.Allowed, _cursor.ExpectsUnits));
                FollowForced();
            }
            while (_verified > scored && _memory.Pending == 0 && NeedsModel);
            DropDrafts();
        }
        catch (Exception exception)
        {
            Failure = exception;
        }
    }

    private bool MustHurry => _memory.Room + _drafted - _verified <= _tokensToFinish || TokenCount >= MaximumTokens;

    /// <summary>Forgets the guesses that did not come true.</summary>
    private void DropDrafts()
    {
        if (_verified < _drafted)
            _memory.Truncate(_firstDraft + _verified);
        _drafted = _verified;
    }

    private void FollowForced()
    {
        while (NeedsModel)
        {
            _cursor.Hurry = MustHurry;
            ReadOnlySpan<int> forced = _cursor.Forced;
            if (forced.IsEmpty)
                return;
            for (int i = 0; i < forced.Length && !_isStopped; i++)
                Take(forced[i]);
        }
    }

    private void Take(int token)
    {
        _cursor.Accept(token);
        if (_verified < _drafted && _memory.KeyAt(_firstDraft + _verified) == token)
        {
            _verified++;
            AcceptedTokens++;
        }
        else
        {
            DropDrafts();
            _memory.Append(token);
        }

        TokenCount++;
        _onToken(token);
    }
}

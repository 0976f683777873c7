namespace Emova.Text;

/// <summary>A position inside a reply: which tokens may come next, and which must.</summary>
public sealed class GrammarCursor
{
    private readonly ReplyGrammar _grammar;
    private readonly GrammarLimits _limits;
    private int _state;
    private int _contentBytes;
    private int _units;

    internal GrammarCursor(ReplyGrammar grammar, GrammarLimits limits)
    {
        _grammar = grammar;
        _limits = limits;
    }

    /// <summary>Set when room runs out: texts and units are closed at the next chance.</summary>
    public bool Hurry { get; set; }

    /// <summary>Whether the reply, end token included, is complete.</summary>
    public bool IsComplete => _grammar.IsFinal(_state);

    /// <summary>Whether a speech unit may come next.</summary>
    public bool ExpectsUnits => _grammar.IsUnits(_state);

    /// <summary>The tokens that may come next: bit i of word i/32. Valid until the next <see cref="Accept"/>.</summary>
    public ReadOnlySpan<uint> Allowed => AllowedWords;

    /// <summary>The tokens that must come next, to be appended without sampling; empty where there is a choice.</summary>
    public ReadOnlySpan<int> Forced => _grammar.Forced(_state);

    private uint[] AllowedWords => _grammar.Allowed(_state, Hurry || _contentBytes >= _limits.TextBytes || _units >= _limits.Units);

    /// <summary>Whether the token may come next.</summary>
    public bool IsAllowed(int token)
    {
        uint[] allowed = AllowedWords;
        return (uint)token < (uint)allowed.Length * 32 && (allowed[token >> 5] >> (token & 31) & 1) != 0;
    }

    /// <summary>Moves past a token.</summary>
    /// <exception cref="ArgumentException">The token may not come here.</exception>
    public void Accept(int token)
    {
        if (!IsAllowed(token))
            throw new ArgumentException($"token {token} may not come here", nameof(token));
        _state = _grammar.Advance(_state, token, ref _contentBytes);
        _units = _grammar.IsUnit(token) ? _units + 1 : 0;
    }
}

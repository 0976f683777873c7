using System.Numerics;
using System.Text;

namespace Emova.Text;

/// <summary>
/// What a model may write, as sets of allowed tokens: any token sequence a <see cref="GrammarCursor"/> accepts is a reply of
/// the wanted form, for any byte-level tokenizer. The form is a byte automaton; for each of its states, the tokens whose bytes it
/// can read are found once (one walk over the sorted vocabulary) and kept as a bit set.
/// </summary>
public sealed class ReplyGrammar
{
    private readonly ByteAutomaton _automaton;
    private readonly HuggingFaceTokenizer _tokenizer;
    private readonly SpeechVocabulary? _speech;
    private readonly int _endToken;
    private readonly TokenOrder _order;
    private readonly uint[]?[] _open;
    private readonly uint[]?[] _closing;
    private readonly int[]?[] _forced;
    private readonly int[]? _distances;

    /// <summary>A grammar without speech that, when room runs out, takes the shortest way to the end: lists and objects are closed, too.</summary>
    internal ReplyGrammar(ByteAutomaton automaton, HuggingFaceTokenizer tokenizer, string endToken)
        : this(automaton, tokenizer, null, endToken, "{\"a\": [1, \"b\"]}", slack: 0)
    {
        _distances = automaton.DistancesToEnd();
        TokensToFinish = _distances.Where(distance => distance < int.MaxValue).Max();
    }

    private ReplyGrammar(ByteAutomaton automaton, HuggingFaceTokenizer tokenizer, SpeechVocabulary? speech, string endToken, string shortest, int slack)
    {
        _automaton = automaton;
        _tokenizer = tokenizer;
        _speech = speech;
        _endToken = tokenizer.RequireToken(endToken);
        _order = TokenOrder.Of(tokenizer);
        _open = new uint[]?[automaton.Count];
        _closing = new uint[]?[automaton.Count];
        _forced = new int[]?[automaton.Count];
        if (tokenizer.Decode(tokenizer.Encode(shortest)) != shortest)
            throw new EmovaException($"the tokenizer cannot write the characters of a reply ({shortest})");
        TokensToFinish = tokenizer.Encode(shortest).Count + slack;
    }

    /// <summary>An upper bound on the tokens a hurried cursor (<see cref="GrammarCursor.Hurry"/>) needs from the start to the end.</summary>
    public int TokensToFinish { get; }

    /// <summary>The JSON object of a spoken reply (<see cref="ReplyFormat"/>) with at least one speech unit, then the end token.</summary>
    /// <exception cref="EmovaException">The tokenizer lacks the end token or characters the object needs.</exception>
    public static ReplyGrammar ForDialogue(HuggingFaceTokenizer tokenizer, SpeechVocabulary speech, string endToken = "<|im_end|>")
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(speech);
        ByteAutomaton automaton = new();
        for (int i = 0; i < ReplyFormat.Keys.Count; i++)
        {
            string key = ReplyFormat.Keys[i];
            automaton.AddLiteral(i == 0 ? $"{{\"{key}\": \"" : $", \"{key}\": \"");
            switch (key)
            {
                case ReplyFormat.UserText or ReplyFormat.ResponseText:
                    automaton.AddJsonString(mayBeEmpty: key == ReplyFormat.UserText);
                    break;
                case ReplyFormat.UserEmotion or ReplyFormat.ResponseEmotion:
                    automaton.AddChoice(ReplyFormat.Emotions);
                    automaton.AddLiteral("\"");
                    break;
                case ReplyFormat.UserPitch or ReplyFormat.ResponsePitch:
                    automaton.AddChoice(ReplyFormat.Pitches);
                    automaton.AddLiteral("\"");
                    break;
                default:
                    automaton.AddUnits();
                    automaton.AddLiteral("\"}");
                    break;
            }
        }

        automaton.AddEnd();
        string shortest = ReplyFormat.Write("", "surprised", "normal", "a", "surprised", "normal", SpeechVocabulary.ToText(speech.Units[0]));
        // Where one token closes a value without its successor, the next key is spelled out; and a word may be spelled letter by letter.
        int slack = ReplyFormat.Keys.Sum(key => tokenizer.Encode($", \"{key}\": \"").Count + ReplyFormat.Emotions.Max(emotion => emotion.Length));
        return new ReplyGrammar(automaton, tokenizer, speech, endToken, shortest, slack);
    }

    /// <summary>Plain text of at least one character without speech units or control tokens, then the end token: transcripts and text answers.</summary>
    /// <exception cref="EmovaException">The tokenizer lacks the end token.</exception>
    public static ReplyGrammar ForText(HuggingFaceTokenizer tokenizer, string endToken = "<|im_end|>")
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ByteAutomaton automaton = new();
        automaton.AddPlainText();
        return new ReplyGrammar(automaton, tokenizer, null, endToken, "a", slack: 8);
    }

    /// <summary>One or more speech units, then the end token: the reply to <see cref="SpeechPrompts.Speak"/>.</summary>
    /// <exception cref="EmovaException">The tokenizer lacks the end token.</exception>
    public static ReplyGrammar ForSpeech(HuggingFaceTokenizer tokenizer, SpeechVocabulary speech, string endToken = "<|im_end|>")
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(speech);
        ByteAutomaton automaton = new();
        automaton.AddUnits();
        automaton.AddEnd();
        return new ReplyGrammar(automaton, tokenizer, speech, endToken, SpeechVocabulary.ToText(speech.Units[0]), slack: 2);
    }

    /// <summary>A cursor at the beginning of a reply.</summary>
    public GrammarCursor Start(GrammarLimits? limits = null) => new(this, limits ?? new GrammarLimits());

    internal bool IsFinal(int state) => state == _automaton.Current;

    internal bool IsUnits(int state) => _automaton.KindOf(state) == StateKind.Units;

    internal bool IsContent(int state) => _automaton.IsContent(state);

    internal bool IsUnit(int token) => _speech is not null && _speech.UnitOf(token) >= 0;

    /// <summary>Reads a token that is known to be allowed.</summary>
    internal int Advance(int state, int token, ref int contentBytes)
    {
        if (IsUnit(token))
            return _automaton.NextUnit(state);
        if (token == _endToken)
            return _automaton.NextEnd(state);
        foreach (byte value in _tokenizer.BytesOf(token))
        {
            state = _automaton.Next(state, value);
            contentBytes = _automaton.IsContent(state) ? contentBytes + 1 : 0;
        }

        return state;
    }

    /// <summary>The tokens that may come, as bits. <paramref name="closing"/>: no further character of text, no further unit.</summary>
    internal uint[] Allowed(int state, bool closing)
    {
        uint[]?[] cache = closing ? _closing : _open;
        return cache[state] ??= FindAllowed(state, closing);
    }

    /// <summary>The tokens that must come, when there is nothing to choose; else empty.</summary>
    internal int[] Forced(int state) => _forced[state] ??= FindForced(state);

    private int[] FindForced(int state)
    {
        string bytes = _automaton.ForcedBytes(state, out int reached);
        List<int> tokens = [];
        if (bytes.Length > 0)
            _tokenizer.Encode(bytes, tokens);
        else if (_automaton.NextEnd(reached) != ByteAutomaton.Dead && _automaton.KindOf(reached) == StateKind.Literal)
            tokens.Add(_endToken);
        return [.. tokens];
    }

    private uint[] FindAllowed(int state, bool closing)
    {
        uint[] allowed = new uint[(_tokenizer.VocabularySize + 31) / 32];
        void Allow(int token) => allowed[token >> 5] |= 1u << (token & 31);

        // States after each byte of the current token; tokens come sorted, so that a common beginning is walked once.
        Span<int> path = stackalloc int[TokenOrder.MaxBytes + 1];
        path[0] = state;
        int known = 0;
        ReadOnlySpan<byte> previous = default;
        for (int i = 0; i < _order.Tokens.Length; i++)
        {
            int token = _order.Tokens[i];
            ReadOnlySpan<byte> bytes = _tokenizer.BytesOf(token);
            int depth = Math.Min(known, previous.CommonPrefixLength(bytes));
            previous = bytes;
            bool added = _tokenizer.KindOf(token) != TokenKind.Text;
            bool writesContent = false;
            for (int j = 1; added && j <= depth; j++)
                writesContent |= _automaton.IsContent(path[j]);
            while (depth < bytes.Length)
            {
                int next = Step(path[depth], bytes[depth], closing);
                if (next == ByteAutomaton.Dead)
                    break;
                path[++depth] = next;
                writesContent |= _automaton.IsContent(next);
            }

            known = depth;
            // Added tokens are control tokens, units and phrases: they may spell the form of a reply but not its text.
            if (depth == bytes.Length && !(added && writesContent)
                && (_order.HasAllBytes || _automaton.KindOf(path[depth]) != StateKind.InsideCharacter))
                Allow(token);
        }

        if (_speech is not null && _automaton.NextUnit(state) != ByteAutomaton.Dead && !(closing && HasOtherExit(state)))
        {
            foreach (int unit in _speech.Units)
                Allow(_speech.TokenOf(unit));
        }

        if (_automaton.NextEnd(state) != ByteAutomaton.Dead)
            Allow(_endToken);
        return allowed;
    }

    /// <summary>While closing, a character that was begun may be finished but no new one begun.</summary>
    private int Step(int state, byte value, bool closing)
    {
        int next = _automaton.Next(state, value);
        if (closing && _distances is not null && next != ByteAutomaton.Dead && _distances[next] >= _distances[state])
            return ByteAutomaton.Dead;
        bool beginsCharacter = next != ByteAutomaton.Dead && _automaton.IsContent(next) && _automaton.KindOf(state) == StateKind.Text;
        return closing && beginsCharacter ? ByteAutomaton.Dead : next;
    }

    /// <summary>Before the first unit there is no other way on; later ones can be refused.</summary>
    private bool HasOtherExit(int state) =>
        _automaton.NextEnd(state) != ByteAutomaton.Dead || _automaton.Next(state, (byte)'"') != ByteAutomaton.Dead;

    /// <summary>The vocabulary sorted by bytes, shared by all grammars of a tokenizer.</summary>
    private sealed class TokenOrder
    {
        public const int MaxBytes = 1024;

        private static readonly System.Runtime.CompilerServices.ConditionalWeakTable<HuggingFaceTokenizer, TokenOrder> Cache = [];

        private TokenOrder(HuggingFaceTokenizer tokenizer)
        {
            BigInteger seen = BigInteger.Zero;
            List<(byte[] Bytes, int Id)> tokens = new(tokenizer.VocabularySize);
            for (int id = 0; id < tokenizer.VocabularySize; id++)
            {
                ReadOnlySpan<byte> bytes = tokenizer.BytesOf(id);
                TokenKind kind = tokenizer.KindOf(id);
                if (kind is TokenKind.Unused or TokenKind.Special || bytes.Length is 0 or > MaxBytes || bytes.StartsWith("<|speech_"u8))
                    continue;
                if (kind == TokenKind.Text && bytes.Length == 1)
                    seen |= BigInteger.One << bytes[0];
                tokens.Add((bytes.ToArray(), id));
            }

            tokens.Sort(static (a, b) => a.Bytes.AsSpan().SequenceCompareTo(b.Bytes));
            Tokens = [.. tokens.Select(token => token.Id)];
            HasAllBytes = seen == (BigInteger.One << 256) - 1;
        }

        public int[] Tokens { get; }

        /// <summary>Whether each byte is a token of its own, so that a character begun by one token can always be finished.</summary>
        public bool HasAllBytes { get; }

        public static TokenOrder Of(HuggingFaceTokenizer tokenizer) => Cache.GetValue(tokenizer, static key => new TokenOrder(key));
    }
}

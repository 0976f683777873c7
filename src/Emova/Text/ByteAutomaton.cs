using System.Text;

namespace Emova.Text;

/// <summary>
/// A deterministic automaton over UTF-8 bytes, with two kinds of token edges beside the bytes: "a speech unit" and "the end token".
/// Built front to back: each Add method continues at the state the previous one ended in.
/// </summary>
internal sealed class ByteAutomaton
{
    public const int Dead = -1;

    private readonly List<State> _states = [];
    private int _current;

    public ByteAutomaton() => _current = NewState(StateKind.Literal);

    public int Count => _states.Count;

    /// <summary>The state reached by everything added so far.</summary>
    public int Current => _current;

    /// <summary>The state after <paramref name="value"/>, or <see cref="Dead"/>.</summary>
    public int Next(int state, byte value) => _states[state].Bytes is { } bytes ? bytes[value] : _states[state].OnlyByte == value ? _states[state].OnlyNext : Dead;

    /// <summary>The state after a speech unit, or <see cref="Dead"/>.</summary>
    public int NextUnit(int state) => _states[state].Unit;

    /// <summary>The state after the end token, or <see cref="Dead"/>.</summary>
    public int NextEnd(int state) => _states[state].End;

    public StateKind KindOf(int state) => _states[state].Kind;

    /// <summary>For each state, the fewest bytes (the end token counts as one) that lead from it to <see cref="Current"/>.</summary>
    public int[] DistancesToEnd()
    {
        List<int>[] before = [.. Enumerable.Range(0, Count).Select(_ => new List<int>())];
        for (int state = 0; state < Count; state++)
        {
            State from = _states[state];
            IEnumerable<int> exits = from.Bytes is { } bytes ? bytes.Distinct() : [from.OnlyNext];
            foreach (int next in exits.Append(from.End).Append(from.Unit).Where(next => next != Dead))
                before[next].Add(state);
        }

        int[] distances = new int[Count];
        Array.Fill(distances, int.MaxValue);
        distances[_current] = 0;
        Queue<int> reached = new([_current]);
        while (reached.TryDequeue(out int state))
        {
            foreach (int earlier in before[state].Where(earlier => distances[earlier] == int.MaxValue))
            {
                distances[earlier] = distances[state] + 1;
                reached.Enqueue(earlier);
            }
        }

        return distances;
    }

    /// <summary>Adds a state that nothing leads to yet.</summary>
    public int AddState(StateKind kind) => NewState(kind);

    /// <summary>Leads from <paramref name="state"/> to <paramref name="next"/> by any byte of a range.</summary>
    public void SetRange(int state, int first, int last, int next)
    {
        for (int value = first; value <= last; value++)
            SetNext(state, (byte)value, next);
    }

    /// <summary>Leads from some states to the end by the end token.</summary>
    public void EndAt(IEnumerable<int> states)
    {
        int done = NewState(StateKind.Literal);
        foreach (int state in states)
            _states[state].End = done;
        _current = done;
    }

    /// <summary>Whether entering <paramref name="state"/> means that a byte of free text was written.</summary>
    public bool IsContent(int state) => _states[state].Kind is StateKind.Text or StateKind.InsideCharacter;

    /// <summary>The bytes that must come next, as long as there is no choice.</summary>
    public string ForcedBytes(int state, out int reached)
    {
        StringBuilder forced = new();
        while (OnlyExit(state) is { } step)
        {
            forced.Append((char)step.Value);
            state = step.Next;
        }

        reached = state;
        return forced.ToString();
    }

    public void AddLiteral(string ascii)
    {
        foreach (char character in ascii)
            _current = Link(_current, (byte)character, StateKind.Literal);
    }

    /// <summary>One of several words; none may be the beginning of another.</summary>
    public void AddChoice(IEnumerable<string> words)
    {
        int root = _current;
        int joined = NewState(StateKind.Literal);
        foreach (string word in words)
        {
            int state = root;
            foreach (char character in word[..^1])
            {
                int next = Next(state, (byte)character);
                state = next != Dead ? next : Link(state, (byte)character, StateKind.Literal);
            }

            SetNext(state, (byte)word[^1], joined);
        }

        _current = joined;
    }

    /// <summary>The characters of a JSON string and its closing quote.</summary>
    public void AddJsonString(bool mayBeEmpty)
    {
        int text = AddCharacters(json: true);
        int closed = NewState(StateKind.Literal);
        SetNext(text, (byte)'"', closed);
        if (mayBeEmpty)
            SetNext(_current, (byte)'"', closed);
        _current = closed;
    }

    /// <summary>Free text of one character or more, ended by the end token.</summary>
    /// <param name="notFirst">A byte that the text may not begin with.</param>
    public void AddPlainText(byte? notFirst = null)
    {
        int start = _current;
        int text = AddCharacters(json: false);
        if (notFirst is { } excluded)
            SetNext(start, excluded, Dead);
        int done = NewState(StateKind.Literal);
        _states[text].End = done;
        _current = done;
    }

    /// <summary>One or more speech units.</summary>
    public void AddUnits()
    {
        int more = NewState(StateKind.Units);
        _states[_current].Kind = StateKind.Units;
        _states[_current].Unit = more;
        _states[more].Unit = more;
        _current = more;
    }

    public void AddEnd()
    {
        int done = NewState(StateKind.Literal);
        _states[_current].End = done;
        _current = done;
    }

    /// <summary>Valid UTF-8 without control characters, from the current state to the returned one, which loops.</summary>
    private int AddCharacters(bool json)
    {
        int start = _current;
        int text = NewState(StateKind.Text);
        _states[start].Kind = StateKind.TextStart;
        int tail1 = Inside((0x80, 0xBF, text));
        int tail2 = Inside((0x80, 0xBF, tail1));
        int tail3 = Inside((0x80, 0xBF, tail2));
        // The narrowed second bytes shut out overlong forms, surrogates and values above U+10FFFF.
        (int First, int Last, int Next)[] leads =
        [
            (0xC2, 0xDF, tail1), (0xE0, 0xE0, Inside((0xA0, 0xBF, tail1))), (0xE1, 0xEC, tail2), (0xED, 0xED, Inside((0x80, 0x9F, tail1))),
            (0xEE, 0xEF, tail2), (0xF0, 0xF0, Inside((0x90, 0xBF, tail2))), (0xF1, 0xF3, tail3), (0xF4, 0xF4, Inside((0x80, 0x8F, tail2))),
            (' ', '~', text),
        ];
        foreach (int from in (ReadOnlySpan<int>)[start, text])
        {
            foreach ((int first, int last, int next) in leads)
                SetRange(from, first, last, next);
            if (!json)
                SetNext(from, (byte)'\n', text);
        }

        if (!json)
            return text;

        int hex4 = Hex(text);
        int hex3 = Hex(hex4);
        int hex2 = Hex(hex3);
        int hex2BelowSurrogates = Inside(('0', '7', hex3));
        int unicode = Hex(hex2);
        SetRange(unicode, 'd', 'd', hex2BelowSurrogates);
        SetRange(unicode, 'D', 'D', hex2BelowSurrogates);
        int escape = NewState(StateKind.InsideCharacter);
        foreach (char escaped in "\"\\/bfnrt")
            SetNext(escape, (byte)escaped, text);
        SetNext(escape, (byte)'u', unicode);
        foreach (int from in (ReadOnlySpan<int>)[start, text])
        {
            SetNext(from, (byte)'\\', escape);
            SetNext(from, (byte)'"', Dead);
        }

        return text;
    }

    private int Hex(int next) => Inside(('0', '9', next), ('a', 'f', next), ('A', 'F', next));

    private int Inside(params ReadOnlySpan<(int First, int Last, int Next)> ranges)
    {
        int state = NewState(StateKind.InsideCharacter);
        foreach ((int first, int last, int next) in ranges)
            SetRange(state, first, last, next);
        return state;
    }

    private int Link(int from, byte value, StateKind kind)
    {
        int next = NewState(kind);
        SetNext(from, value, next);
        return next;
    }

    /// <summary>Most states lie inside a literal and have one exit; only the others get a table.</summary>
    private void SetNext(int state, byte value, int next)
    {
        State from = _states[state];
        if (from.Bytes is null && from.OnlyNext == Dead)
        {
            from.OnlyByte = value;
            from.OnlyNext = next;
            return;
        }

        if (from.Bytes is null)
        {
            from.Bytes = new int[256];
            Array.Fill(from.Bytes, Dead);
            from.Bytes[from.OnlyByte] = from.OnlyNext;
        }

        from.Bytes[value] = next;
    }

    private (byte Value, int Next)? OnlyExit(int state)
    {
        State from = _states[state];
        // Forced bytes are encoded as text, so a character beyond ASCII, of several bytes, is left to be chosen.
        return from.Bytes is null && from.OnlyNext != Dead && from.OnlyByte < 0x80 && from.Unit == Dead && from.End == Dead ? (from.OnlyByte, from.OnlyNext) : null;
    }

    private int NewState(StateKind kind)
    {
        _states.Add(new State { Kind = kind });
        return _states.Count - 1;
    }

    private sealed class State
    {
        public StateKind Kind { get; set; }

        public byte OnlyByte { get; set; }

        public int OnlyNext { get; set; } = Dead;

        public int[]? Bytes { get; set; }

        public int Unit { get; set; } = Dead;

        public int End { get; set; } = Dead;
    }
}

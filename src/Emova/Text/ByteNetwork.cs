using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Emova.Text;

/// <summary>
/// A nondeterministic automaton over UTF-8 bytes. Alternatives are joined by empty edges without regard to what they have in
/// common; <see cref="ToAutomaton"/> sorts that out (subset construction) and leaves no way that does not reach the end.
/// </summary>
internal sealed class ByteNetwork
{
    /// <summary>More would take noticeable time and memory for one request.</summary>
    public const int MaxStates = 20_000;

    private readonly List<Node> _nodes = [];

    public int Add(StateKind kind = StateKind.Literal)
    {
        if (_nodes.Count == MaxStates)
            throw new EmovaException($"the schema is too large: it needs more than {MaxStates} states");
        _nodes.Add(new Node(kind));
        return _nodes.Count - 1;
    }

    public void Empty(int from, int to) => _nodes[from].Empty.Add(to);

    public void Range(int from, int first, int last, int to) => _nodes[from].Edges.Add(((byte)first, (byte)last, to));

    /// <summary>Spells a text.</summary>
    /// <returns>The state behind it.</returns>
    public int Literal(int from, string text)
    {
        foreach (byte value in Encoding.UTF8.GetBytes(text))
        {
            int next = Add();
            Range(from, value, value, next);
            from = next;
        }

        return from;
    }

    /// <summary>Spells a text and goes on at <paramref name="to"/>.</summary>
    public void Literal(int from, string text, int to) => Empty(Literal(from, text), to);

    /// <summary>Copies an automaton in.</summary>
    /// <returns>The state behind it.</returns>
    public int Splice(int from, ByteAutomaton part)
    {
        int first = _nodes.Count;
        for (int state = 0; state < part.Count; state++)
            Add(part.KindOf(state));
        for (int state = 0; state < part.Count; state++)
        {
            for (int value = 0, next; value < 256; value++)
            {
                if ((next = part.Next(state, (byte)value)) == ByteAutomaton.Dead)
                    continue;
                int start = value;
                while (value < 255 && part.Next(state, (byte)(value + 1)) == next)
                    value++;
                Range(first + state, start, value, first + next);
            }

            if (part.NextEnd(state) != ByteAutomaton.Dead)
                Empty(first + state, first + part.NextEnd(state));
        }

        Empty(from, first);
        return first + part.Current;
    }

    /// <summary>The deterministic form, with the end token behind <paramref name="end"/>.</summary>
    /// <exception cref="EmovaException">Nothing leads from start to end, or the form has too many states.</exception>
    public ByteAutomaton ToAutomaton(int start, int end)
    {
        bool[] useful = FindUseful(end);
        if (!useful[start])
            throw new EmovaException("the schema allows no value at all");
        ByteAutomaton result = new();
        Dictionary<string, int> known = [];
        List<int[]> sets = [];
        List<int> ends = [];
        Enter([start]);
        for (int state = 0; state < sets.Count; state++)
        {
            if (sets[state].Contains(end))
                ends.Add(state);
            List<(byte First, byte Last, int Next)> edges = [.. sets[state].SelectMany(node => _nodes[node].Edges).Where(edge => useful[edge.Next])];
            int[] cuts = [.. edges.SelectMany(edge => (int[])[edge.First, edge.Last + 1]).Distinct().Order()];
            for (int i = 0; i + 1 < cuts.Length; i++)
            {
                int[] reached = [.. edges.Where(edge => edge.First <= cuts[i] && cuts[i] <= edge.Last).Select(edge => edge.Next)];
                if (reached.Length > 0)
                    result.SetRange(state, cuts[i], cuts[i + 1] - 1, Enter(reached));
            }
        }

        result.EndAt(ends);
        return result;

        int Enter(int[] nodes)
        {
            int[] set = Closure(nodes, useful);
            string key = string.Join(' ', set.Select(node => node.ToString(CultureInfo.InvariantCulture)));
            ref int state = ref CollectionsMarshal.GetValueRefOrAddDefault(known, key, out bool exists);
            if (exists)
                return state;
            if (sets.Count == MaxStates)
                throw new EmovaException($"the schema is too large: it needs more than {MaxStates} states");
            StateKind[] kinds = [.. set.Select(node => _nodes[node].Kind)];
            state = sets.Count == 0 ? 0 : result.AddState(
                kinds.Contains(StateKind.Text) ? StateKind.Text : kinds.Contains(StateKind.InsideCharacter) ? StateKind.InsideCharacter : StateKind.Literal);
            sets.Add(set);
            return state;
        }
    }

    private int[] Closure(int[] nodes, bool[] useful)
    {
        SortedSet<int> closed = [];
        Stack<int> open = new(nodes);
        while (open.TryPop(out int node))
        {
            if (!useful[node] || !closed.Add(node))
                continue;
            foreach (int next in _nodes[node].Empty)
                open.Push(next);
        }

        return [.. closed];
    }

    private bool[] FindUseful(int end)
    {
        List<int>[] before = [.. _nodes.Select(_ => new List<int>())];
        for (int i = 0; i < _nodes.Count; i++)
        {
            foreach (int next in _nodes[i].Empty.Concat(_nodes[i].Edges.Select(edge => edge.Next)))
                before[next].Add(i);
        }

        bool[] useful = new bool[_nodes.Count];
        Stack<int> open = new([end]);
        while (open.TryPop(out int node))
        {
            if (useful[node])
                continue;
            useful[node] = true;
            foreach (int earlier in before[node])
                open.Push(earlier);
        }

        return useful;
    }

    private sealed class Node(StateKind kind)
    {
        public StateKind Kind { get; } = kind;

        public List<(byte First, byte Last, int Next)> Edges { get; } = [];

        public List<int> Empty { get; } = [];
    }
}

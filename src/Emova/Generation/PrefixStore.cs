using Emova.Models.Language;

namespace Emova.Generation;

/// <summary>
/// Beginnings of prompts that were read before, shared by all conversations of a model: the keys and values of blocks of positions in
/// a tree, each block below the one it follows. A conversation copies the blocks it can use, which takes a thousandth of the time of
/// reading them, and goes on in memory of its own. Blocks not used for the longest time make room. Safe for use from several threads.
/// </summary>
/// <param name="maximumBytes">Most memory for keys and values; 0 keeps nothing.</param>
public sealed class PrefixStore(long maximumBytes)
{
    /// <summary>Positions of a block.</summary>
    public const int BlockLength = 32;

    private readonly Lock gate = new();
    private readonly Block root = new([], [], null);
    private readonly LinkedList<Block> byUse = []; // most recently used first; a block comes before those that follow it, so the last one has none
    private long hits;
    private long size;

    /// <summary>Most memory for keys and values.</summary>
    public long MaximumBytes => maximumBytes;

    /// <summary>Bytes of the keys and values held.</summary>
    public long SizeInBytes => Interlocked.Read(ref size);

    /// <summary>Positions that conversations took from here in the place of computing them.</summary>
    public long SharedPositions => Interlocked.Read(ref hits);

    /// <summary>Appends the longest known continuation of a conversation.</summary>
    /// <param name="cache">Holds the first positions of <paramref name="keys"/>.</param>
    /// <param name="keys">What the conversation shall hold.</param>
    internal void CopyTo(KvCache cache, ReadOnlySpan<int> keys)
    {
        List<Block> path = [];
        lock (gate)
        {
            Block block = root;
            while (keys.Length - path.Count * BlockLength >= BlockLength
                && block.Next.TryGetValue(keys.Slice(path.Count * BlockLength, BlockLength).ToArray(), out Block? next))
            {
                path.Add(block = next);
            }

            Touch(path);
        }

        int held = cache.Length, known = path.Count * BlockLength;
        if (known <= held)
            return;
        int first = held / BlockLength;
        cache.Truncate(first * BlockLength);
        foreach (Block block in path[first..])
            cache.Import(block.State);
        Interlocked.Add(ref hits, known - held);
    }

    /// <summary>Keeps the whole blocks at the beginning of a conversation.</summary>
    /// <param name="cache">The conversation.</param>
    /// <param name="keys">What it holds.</param>
    internal void Keep(KvCache cache, ReadOnlySpan<int> keys)
    {
        long bytes = KvCache.StateBytes(cache.Config, BlockLength);
        int blocks = (int)Math.Min(keys.Length / BlockLength, maximumBytes / bytes);
        if (blocks == 0)
            return;
        lock (gate)
        {
            List<Block> path = [];
            Block block = root;
            for (int i = 0; i < blocks; i++)
            {
                int[] own = keys.Slice(i * BlockLength, BlockLength).ToArray();
                if (!block.Next.TryGetValue(own, out Block? next))
                {
                    next = new Block(own, new byte[bytes], block);
                    cache.Export(i * BlockLength, next.State);
                    block.Next.Add(own, next);
                    next.Place = byUse.AddFirst(next);
                    size += bytes;
                }

                path.Add(block = next);
            }

            Touch(path);
            while (size > maximumBytes)
                Drop(byUse.Last!.Value);
        }
    }

    /// <summary>Moves the blocks of a path to the front, in their order.</summary>
    private void Touch(List<Block> path)
    {
        for (int i = path.Count - 1; i >= 0; i--)
        {
            byUse.Remove(path[i].Place!);
            byUse.AddFirst(path[i].Place!);
        }
    }

    private void Drop(Block block)
    {
        byUse.Remove(block.Place!);
        block.Parent!.Next.Remove(block.Keys);
        size -= block.State.Length;
    }

    private sealed class Block(int[] keys, byte[] state, Block? parent)
    {
        public int[] Keys => keys;

        public byte[] State => state;

        public Block? Parent => parent;

        public Dictionary<int[], Block> Next { get; } = new(SameKeys.Instance);

        public LinkedListNode<Block>? Place { get; set; }
    }

    private sealed class SameKeys : IEqualityComparer<int[]>
    {
        public static SameKeys Instance { get; } = new();

        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] keys)
        {
            HashCode hash = default;
            foreach (int key in keys)
                hash.Add(key);
            return hash.ToHashCode();
        }
    }
}

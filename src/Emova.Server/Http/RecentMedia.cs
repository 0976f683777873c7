using System.Security.Cryptography;

namespace Emova.Server.Http;

/// <summary>
/// The recordings or pictures that came last, by their content. A conversation over HTTP sends them again with every turn: the same
/// object means that they are not heard or seen again, and that the prompt's beginning is recognized.
/// </summary>
internal sealed class RecentMedia<T> where T : class
{
    private const int Capacity = 16;

    private readonly Lock _lock = new();
    private readonly LinkedList<(string Key, T Value)> _recent = [];

    public T GetOrAdd(ReadOnlySpan<byte> content, Func<T> create)
    {
        string key = Convert.ToHexString(SHA256.HashData(content));
        lock (_lock)
        {
            for (LinkedListNode<(string Key, T Value)>? node = _recent.First; node is not null; node = node.Next)
            {
                if (node.Value.Key != key)
                    continue;
                _recent.Remove(node);
                _recent.AddFirst(node);
                return node.Value.Value;
            }
        }

        T value = create();
        lock (_lock)
        {
            _recent.AddFirst((key, value));
            if (_recent.Count > Capacity)
                _recent.RemoveLast();
        }

        return value;
    }
}

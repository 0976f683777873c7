namespace Emova.Server.Realtime;

/// <summary>The items of a conversation in their order.</summary>
internal sealed class ConversationItems(RealtimeLimits limits)
{
    private readonly List<ConversationEntry> _entries = [];

    public IReadOnlyList<ConversationEntry> Entries => _entries;

    public string? LastId => _entries.Count == 0 ? null : _entries[^1].Id;

    public ConversationEntry? Find(string id) => _entries.Find(entry => entry.Id == id);

    /// <summary>Inserts an entry.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="after">The item to put it behind: null for the end, "root" for the front.</param>
    /// <returns>The item before it, or null.</returns>
    /// <exception cref="RealtimeException">The id is taken, there is no such item, or the conversation is full. Nothing was inserted.</exception>
    public string? Insert(ConversationEntry entry, string? after)
    {
        if (Find(entry.Id) is not null)
            throw new RealtimeException("item_create_duplicate_item_id", $"Error adding item: an item with id '{entry.Id}' exists already.", "item.id");
        if (_entries.Count >= limits.Items)
            throw RealtimeException.Invalid("item", $"A conversation has at most {limits.Items} items; delete some first.");
        int index = after switch
        {
            null => _entries.Count,
            "root" => 0,
            _ => _entries.FindIndex(other => other.Id == after) + 1,
        };
        if (index == 0 && after is not (null or "root"))
            throw new RealtimeException("item_create_invalid_previous_item_id", $"Error adding item: the previous item with id '{after}' does not exist.", "previous_item_id");
        MakeRoom(entry.HeldBytes);
        _entries.Insert(index, entry);
        return index == 0 ? null : _entries[index - 1].Id;
    }

    /// <summary>Appends an item of the server's own, which no limit keeps out: the answer it belongs to has begun.</summary>
    /// <returns>The item before it, or null.</returns>
    public string? Append(ConversationEntry entry)
    {
        _entries.Add(entry);
        return _entries.Count == 1 ? null : _entries[^2].Id;
    }

    /// <summary>Whether another answer has a place.</summary>
    public bool IsFull => _entries.Count >= limits.Items;

    private void MakeRoom(long needed)
    {
        long held = needed + _entries.Sum(entry => entry.HeldBytes);
        foreach (ConversationEntry oldest in _entries)
        {
            if (held <= limits.HeldBytes)
                return;
            held -= oldest.ForgetSound();
        }

        if (held > limits.HeldBytes)
            throw RealtimeException.Invalid("item", $"A conversation holds at most {limits.HeldBytes} bytes of text, sound and pictures; this item would make it {held}. Delete some items first.");
    }

    public string? PreviousOf(ConversationEntry entry)
    {
        int index = _entries.IndexOf(entry);
        return index <= 0 ? null : _entries[index - 1].Id;
    }

    public bool Remove(string id) => _entries.RemoveAll(entry => entry.Id == id) > 0;
}

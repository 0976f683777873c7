using System.Text;
using System.Text.Json;
using Emova.Server.Wire;
using Emova.Text;

namespace Emova.Server.Chat;

/// <summary>Grammars of the schemas seen last. Building one, and finding its tokens, costs more than a reply of a small model.</summary>
internal sealed class GrammarCache(HuggingFaceTokenizer tokenizer, string endToken)
{
    private const int Capacity = 32;

    private readonly Lock _lock = new();
    private readonly LinkedList<(string Key, ReplyGrammar Grammar)> _recent = [];

    public ReplyGrammar Json(JsonElement? schema) =>
        Get("json " + schema?.GetRawText(), () => JsonGrammar.ForValue(tokenizer, schema?.Clone(), endToken));

    public ReplyGrammar Calls(IReadOnlyList<ChatTool> tools, bool allowText, bool allowSeveral)
    {
        StringBuilder key = new($"calls {allowText} {allowSeveral}");
        foreach (ChatTool tool in tools)
            key.Append('\n').Append(tool.Function!.Name).Append(' ').Append(Parameters(tool)?.GetRawText());
        return Get(key.ToString(), () => JsonGrammar.ForCalls(
            tokenizer, [.. tools.Select(tool => (tool.Function!.Name!, Parameters(tool)))], allowText, allowSeveral, endToken));
    }

    private static JsonElement? Parameters(ChatTool tool) =>
        tool.Function!.Parameters is { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } schema ? schema : null;

    private ReplyGrammar Get(string key, Func<ReplyGrammar> create)
    {
        lock (_lock)
        {
            for (LinkedListNode<(string Key, ReplyGrammar Grammar)>? node = _recent.First; node is not null; node = node.Next)
            {
                if (node.Value.Key != key)
                    continue;
                _recent.Remove(node);
                _recent.AddFirst(node);
                return node.Value.Grammar;
            }
        }

        ReplyGrammar grammar = create();
        lock (_lock)
        {
            _recent.AddFirst((key, grammar));
            if (_recent.Count > Capacity)
                _recent.RemoveLast();
        }

        return grammar;
    }
}

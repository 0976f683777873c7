using System.Text.Json;
using System.Text.Json.Nodes;

namespace Emova.Text;

/// <summary>Grammars of JSON answers and of calls to functions.</summary>
public static class JsonGrammar
{
    /// <summary>What stands around a call; the form Qwen2.5 and its descendants were trained with.</summary>
    public const string CallStart = "<tool_call>\n";

    /// <summary>What ends a call.</summary>
    public const string CallEnd = "\n</tool_call>";

    /// <summary>A JSON text that fits a schema, then the end token.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="schema">The schema; null for any JSON object.</param>
    /// <param name="endToken">What the model ends an answer with.</param>
    /// <exception cref="EmovaException">The schema uses something that is not supported; the message names it.</exception>
    public static ReplyGrammar ForValue(HuggingFaceTokenizer tokenizer, JsonElement? schema, string endToken = "<|im_end|>")
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ByteNetwork network = new();
        int start = network.Add(), end = network.Add();
        JsonSchemaNetwork values = new(network, schema ?? default);
        if (schema is null)
            values.AddObject(start, end);
        else
            values.Add(start, end);
        return new ReplyGrammar(network.ToAutomaton(start, end), tokenizer, endToken);
    }

    /// <summary>One call of a function or several, and where allowed free text instead, which then does not begin with <c>&lt;</c>.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="functions">Name and schema of the arguments; null for any object.</param>
    /// <param name="allowText">Whether the model may answer in text.</param>
    /// <param name="allowSeveral">Whether several calls may follow each other, a line break between them.</param>
    /// <param name="endToken">What the model ends an answer with.</param>
    /// <exception cref="EmovaException">A schema uses something that is not supported; the message names it.</exception>
    public static ReplyGrammar ForCalls(
        HuggingFaceTokenizer tokenizer, IReadOnlyList<(string Name, JsonElement? Arguments)> functions, bool allowText, bool allowSeveral, string endToken = "<|im_end|>")
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(functions);
        ByteNetwork network = new();
        int start = network.Add(), call = network.Add(), called = network.Add(), end = network.Add();
        network.Empty(start, call);
        network.Empty(called, end);
        if (allowSeveral)
            network.Literal(called, "\n", call);
        foreach ((string name, JsonElement? arguments) in functions)
        {
            int from = network.Literal(call, $"{CallStart}{{\"name\": {JsonValue.Create(name).ToJsonString()}, \"arguments\": "), to = network.Add();
            JsonSchemaNetwork values = new(network, arguments ?? default);
            if (arguments is null)
                values.AddObject(from, to);
            else
                values.Add(from, to);
            network.Literal(to, "}" + CallEnd, called);
        }

        if (allowText)
        {
            ByteAutomaton text = new();
            text.AddPlainText(notFirst: (byte)CallStart[0]);
            network.Empty(network.Splice(start, text), end);
        }

        return new ReplyGrammar(network.ToAutomaton(start, end), tokenizer, endToken);
    }
}

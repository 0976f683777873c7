using System.Text.Encodings.Web;
using System.Text.Json;

namespace Emova.Text;

/// <summary>
/// The JSON texts a schema describes, as a <see cref="ByteNetwork"/>: one space after each colon and comma, properties in the
/// schema's order. Properties that are not declared are never written, which every schema allows.
/// </summary>
internal sealed class JsonSchemaNetwork
{
    /// <summary>Nesting of values that the schema leaves open; each level doubles the number of states.</summary>
    public const int OpenDepth = 4;

    /// <summary>How often a definition may contain itself.</summary>
    public const int Recursions = 4;

    private const int MaxItems = 64;

    private static readonly string[] Annotations =
        ["$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "additionalProperties", "strict"];

    private static readonly string[] Keywords =
        [.. Annotations, "type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "properties", "required", "items", "minItems", "maxItems"];

    private static readonly JsonSerializerOptions PlainStrings = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly ByteAutomaton QuotedString = CreateString();

    private readonly ByteNetwork _network;
    private readonly JsonElement _root;
    private readonly Dictionary<string, int> _following = [];

    /// <param name="network">Where the ways are added.</param>
    /// <param name="root">The schema; what <c>$ref</c> looks in.</param>
    public JsonSchemaNetwork(ByteNetwork network, JsonElement root)
    {
        _network = network;
        _root = root;
    }

    /// <summary>Adds all texts of the schema between two states.</summary>
    /// <exception cref="EmovaException">The schema has a keyword that is not supported, or is none.</exception>
    public void Add(int from, int to) => Value(_root, "", from, to, 0);

    /// <summary>Any JSON object.</summary>
    public void AddObject(int from, int to) => OpenObject(from, to, 0, null, "");

    private void Value(JsonElement schema, string path, int from, int to, int depth)
    {
        if (schema.ValueKind == JsonValueKind.True)
        {
            Anything(from, to, depth);
            return;
        }

        if (schema.ValueKind != JsonValueKind.Object)
            throw Wrong(path, "a schema is an object");
        foreach (JsonProperty keyword in schema.EnumerateObject())
        {
            if (!Keywords.Contains(keyword.Name))
                throw Wrong(path, $"the keyword '{keyword.Name}' is not supported");
        }

        if (schema.TryGetProperty("$ref", out JsonElement reference))
            Follow(reference, path, from, to, depth);
        else if (schema.TryGetProperty("const", out JsonElement only))
            Literal(only, path, from, to);
        else if (schema.TryGetProperty("enum", out JsonElement choices))
            Each(choices, "enum", path, choice => Literal(choice, path, from, to));
        else if (schema.TryGetProperty("anyOf", out JsonElement any) || schema.TryGetProperty("oneOf", out any))
            Each(any, "anyOf", path, part => Value(part, path, from, to, depth));
        else if (schema.TryGetProperty("allOf", out JsonElement all))
            Value(all.ValueKind == JsonValueKind.Array && all.GetArrayLength() == 1 ? all[0] : throw Wrong(path, "'allOf' is supported with one entry"), path, from, to, depth);
        else if (!schema.TryGetProperty("type", out JsonElement type))
            Typed(schema, schema.TryGetProperty("properties", out _) ? "object" : schema.TryGetProperty("items", out _) ? "array" : "", path, from, to, depth);
        else if (type.ValueKind == JsonValueKind.Array)
            Each(type, "type", path, one => Typed(schema, Text(one, "type", path), path, from, to, depth));
        else
            Typed(schema, Text(type, "type", path), path, from, to, depth);
    }

    private void Typed(JsonElement schema, string type, string path, int from, int to, int depth)
    {
        switch (type)
        {
            case "":
                Anything(from, to, depth);
                break;
            case "object" when schema.TryGetProperty("properties", out JsonElement properties):
                Object(schema, properties, path, from, to, depth);
                break;
            case "object":
                bool closed = schema.TryGetProperty("additionalProperties", out JsonElement other) && other.ValueKind == JsonValueKind.False;
                if (closed)
                    _network.Literal(from, "{}", to);
                else
                    OpenObject(from, to, depth, other.ValueKind == JsonValueKind.Object ? other : null, path);
                break;
            case "array":
                Array(schema, path, from, to, depth);
                break;
            case "string":
                _network.Empty(_network.Splice(from, QuotedString), to);
                break;
            case "integer" or "number":
                Number(from, to, type == "integer");
                break;
            case "boolean":
                _network.Literal(from, "true", to);
                _network.Literal(from, "false", to);
                break;
            case "null":
                _network.Literal(from, "null", to);
                break;
            default:
                throw Wrong(path, $"the type '{type}' is unknown");
        }
    }

    private void Anything(int from, int to, int depth)
    {
        foreach (string type in (string[])["string", "number", "boolean", "null"])
            Typed(default, type, "", from, to, depth);
        if (depth >= OpenDepth)
            return;
        OpenObject(from, to, depth, null, "");
        List(from, to, 0, null, (start, end) => Anything(start, end, depth + 1));
    }

    private void OpenObject(int from, int to, int depth, JsonElement? values, string path)
    {
        int opened = _network.Literal(from, "{"), key = _network.Add(), after = _network.Add(), value = _network.Add();
        _network.Literal(opened, "}", to);
        _network.Empty(opened, key);
        _network.Literal(_network.Splice(key, QuotedString), ": ", value);
        if (values is { } schema)
            Value(schema, path, value, after, depth + 1);
        else
            Anything(value, after, depth + 1);
        _network.Literal(after, ", ", key);
        _network.Literal(after, "}", to);
    }

    /// <summary>Declared properties in order; optional ones may be passed over. Two rows of states: nothing written yet, and something written.</summary>
    private void Object(JsonElement schema, JsonElement properties, string path, int from, int to, int depth)
    {
        if (properties.ValueKind != JsonValueKind.Object)
            throw Wrong(path, "'properties' is an object");
        HashSet<string> required = [];
        if (schema.TryGetProperty("required", out JsonElement names))
            Each(names, "required", path, name => required.Add(Text(name, "required", path)));
        int empty = _network.Literal(from, "{"), written = _network.Add();
        foreach (JsonProperty property in properties.EnumerateObject())
        {
            int key = _network.Add(), nextEmpty = _network.Add(), nextWritten = _network.Add();
            _network.Empty(empty, key);
            _network.Literal(written, ", ", key);
            Value(property.Value, $"{path}/{property.Name}", _network.Literal(key, Quote(property.Name) + ": "), nextWritten, depth + 1);
            if (!required.Remove(property.Name))
            {
                _network.Empty(empty, nextEmpty);
                _network.Empty(written, nextWritten);
            }

            (empty, written) = (nextEmpty, nextWritten);
        }

        if (required.Count > 0)
            throw Wrong(path, $"the required property '{required.First()}' is not declared in 'properties'");
        _network.Literal(empty, "}", to);
        _network.Literal(written, "}", to);
    }

    private void Array(JsonElement schema, string path, int from, int to, int depth)
    {
        int minimum = Count(schema, "minItems", path) ?? 0;
        int? maximum = Count(schema, "maxItems", path);
        if (maximum < minimum)
            throw Wrong(path, "'maxItems' is less than 'minItems'");
        bool typed = schema.TryGetProperty("items", out JsonElement items);
        if (!typed && depth >= OpenDepth)
            _network.Literal(from, "[]", to);
        else
            List(from, to, minimum, maximum, (start, end) =>
            {
                if (typed)
                    Value(items, $"{path}/[]", start, end, depth + 1);
                else
                    Anything(start, end, depth + 1);
            });
    }

    private void List(int from, int to, int minimum, int? maximum, Action<int, int> item)
    {
        int opened = _network.Literal(from, "[");
        if (minimum == 0)
            _network.Literal(opened, "]", to);
        int start = opened;
        for (int count = 1; count <= (maximum ?? Math.Max(minimum, 1)); count++)
        {
            int begin = _network.Add(), after = _network.Add();
            _network.Empty(start, begin);
            item(begin, after);
            if (count >= minimum)
                _network.Literal(after, "]", to);
            if (maximum is null && count >= minimum)
                _network.Literal(after, ", ", begin);
            start = _network.Literal(after, ", ");
        }
    }

    private void Number(int from, int to, bool integer)
    {
        int signed = _network.Add(), digits = _network.Add(), whole = _network.Add();
        _network.Empty(from, signed);
        _network.Range(from, '-', '-', signed);
        _network.Range(signed, '0', '0', whole);
        _network.Range(signed, '1', '9', digits);
        _network.Range(digits, '0', '9', digits);
        _network.Empty(digits, whole);
        _network.Empty(whole, to);
        if (integer)
            return;
        int point = _network.Add(), fraction = _network.Add(), exponent = _network.Add(), power = _network.Add();
        _network.Range(whole, '.', '.', point);
        _network.Range(point, '0', '9', fraction);
        _network.Range(fraction, '0', '9', fraction);
        _network.Empty(fraction, to);
        foreach (int mantissa in (int[])[whole, fraction])
            _network.Range(mantissa, 'e', 'e', exponent);
        int unsigned = _network.Add();
        _network.Empty(exponent, unsigned);
        _network.Range(exponent, '+', '+', unsigned);
        _network.Range(exponent, '-', '-', unsigned);
        _network.Range(unsigned, '0', '9', power);
        _network.Range(power, '0', '9', power);
        _network.Empty(power, to);
    }

    private void Literal(JsonElement value, string path, int from, int to)
    {
        string text = value.ValueKind switch
        {
            JsonValueKind.String => Quote(value.GetString()!),
            JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null => value.GetRawText(),
            _ => throw Wrong(path, "'enum' and 'const' are supported with plain values"),
        };
        _network.Literal(from, text, to);
    }

    private void Follow(JsonElement reference, string path, int from, int to, int depth)
    {
        string pointer = Text(reference, "$ref", path);
        if (!pointer.StartsWith('#'))
            throw Wrong(path, $"'$ref' to '{pointer}' is not supported: only definitions of the schema itself are");
        JsonElement found = _root;
        foreach (string step in pointer.TrimStart('#').Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            string name = step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (found.ValueKind != JsonValueKind.Object || !found.TryGetProperty(name, out found))
                throw Wrong(path, $"'$ref' to '{pointer}' leads nowhere");
        }

        int active = _following.GetValueOrDefault(pointer);
        if (active == Recursions)
            return; // No way on from here: what leads only here is left out of the automaton.
        _following[pointer] = active + 1;
        Value(found, path, from, to, depth);
        _following[pointer] = active;
    }

    private static int? Count(JsonElement schema, string keyword, string path)
    {
        if (!schema.TryGetProperty(keyword, out JsonElement value))
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int count) && count is >= 0 and <= MaxItems
            ? count : throw Wrong(path, $"'{keyword}' is {value.GetRawText()}, allowed is 0 to {MaxItems}");
    }

    private static void Each(JsonElement list, string keyword, string path, Action<JsonElement> action)
    {
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0 && keyword != "required")
            throw Wrong(path, $"'{keyword}' is a list that is not empty");
        foreach (JsonElement entry in list.EnumerateArray())
            action(entry);
    }

    private static string Text(JsonElement value, string keyword, string path) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(path, $"'{keyword}' is a text");

    private static string Quote(string text) => JsonSerializer.Serialize(text, PlainStrings);

    private static EmovaException Wrong(string path, string reason) => new($"JSON schema{(path.Length == 0 ? "" : $" at {path}")}: {reason}");

    private static ByteAutomaton CreateString()
    {
        ByteAutomaton automaton = new();
        automaton.AddLiteral("\"");
        automaton.AddJsonString(mayBeEmpty: true);
        return automaton;
    }
}

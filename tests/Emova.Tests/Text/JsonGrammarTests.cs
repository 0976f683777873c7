using System.Text.Json;
using Emova.Text;
using Xunit;

namespace Emova.Tests.Text;

/// <summary>Random walks through grammars made from JSON schemas: whatever is chosen among the allowed tokens, the result fits the schema.</summary>
public sealed class JsonGrammarTests
{
    private static readonly HuggingFaceTokenizer Tokenizer = ToyTokenizer.Create();
    private static readonly int End = Tokenizer.RequireToken("<|im_end|>");

    [Fact]
    public void Any_object_parses_as_an_object()
    {
        ReplyGrammar grammar = JsonGrammar.ForValue(Tokenizer, null);
        foreach (string text in Walks(grammar, 60))
            Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(text).RootElement.ValueKind);
    }

    [Fact]
    public void A_schema_fixes_names_types_order_and_what_may_be_left_out()
    {
        ReplyGrammar grammar = Grammar("""
            {"type": "object", "additionalProperties": false, "required": ["name", "kind", "sizes"], "properties": {
              "name": {"type": "string"}, "é": {"type": "integer"}, "kind": {"enum": ["cat", "catfish", 3, null]},
              "sizes": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 3},
              "more": {"anyOf": [{"type": "boolean"}, {"type": "object", "properties": {"x": {"type": ["string", "null"]}}}]}}}
            """);
        HashSet<string> seen = [];
        foreach (string text in Walks(grammar, 200))
        {
            JsonElement root = JsonDocument.Parse(text).RootElement;
            string[] names = [.. root.EnumerateObject().Select(property => property.Name)];
            Assert.Equal(names, ((string[])["name", "é", "kind", "sizes", "more"]).Where(names.Contains));
            Assert.Equal(JsonValueKind.String, root.GetProperty("name").ValueKind);
            Assert.Contains(root.GetProperty("kind").GetRawText(), (string[])["\"cat\"", "\"catfish\"", "3", "null"]);
            Assert.InRange(root.GetProperty("sizes").GetArrayLength(), 1, 3);
            Assert.All(root.GetProperty("sizes").EnumerateArray(), size => Assert.Equal(JsonValueKind.Number, size.ValueKind));
            if (root.TryGetProperty("é", out JsonElement whole))
                Assert.Matches("^-?(0|[1-9][0-9]*)$", whole.GetRawText());
            if (root.TryGetProperty("more", out JsonElement more))
                Assert.Contains(more.ValueKind, (JsonValueKind[])[JsonValueKind.True, JsonValueKind.False, JsonValueKind.Object]);
            seen.UnionWith(names);
            seen.Add(root.GetProperty("kind").GetRawText());
        }

        Assert.Equal(9, seen.Count);
    }

    [Fact]
    public void A_definition_may_contain_itself()
    {
        ReplyGrammar grammar = Grammar("""
            {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["value"], "properties": {
              "value": {"const": 1}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}}
            """);
        foreach (string text in Walks(grammar, 60))
            Check(JsonDocument.Parse(text).RootElement, 1);

        static void Check(JsonElement node, int depth)
        {
            Assert.InRange(depth, 1, JsonSchemaNetwork.Recursions);
            Assert.Equal(1, node.GetProperty("value").GetInt32());
            if (node.TryGetProperty("children", out JsonElement children))
                Assert.All(children.EnumerateArray(), child => Check(child, depth + 1));
        }
    }

    [Fact]
    public void Calls_name_a_function_and_fit_its_parameters()
    {
        JsonElement city = Schema("""{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}""");
        ReplyGrammar free = JsonGrammar.ForCalls(Tokenizer, [("weather", city), ("now", null)], allowText: true, allowSeveral: true);
        ReplyGrammar required = JsonGrammar.ForCalls(Tokenizer, [("weather", city), ("now", null)], allowText: false, allowSeveral: true);
        int calls = 0, texts = 0;
        foreach (string text in Walks(free, 30).Concat(Walks(required, 60)))
        {
            if (!text.StartsWith(JsonGrammar.CallStart, StringComparison.Ordinal))
            {
                Assert.False(text.StartsWith('<'));
                texts++;
                continue;
            }

            foreach (string part in text.Split(JsonGrammar.CallEnd).SkipLast(1))
            {
                JsonElement call = JsonDocument.Parse(part[(part.IndexOf('>', StringComparison.Ordinal) + 1)..]).RootElement;
                Assert.Contains(call.GetProperty("name").GetString(), (string[])["weather", "now"]);
                Assert.Equal(JsonValueKind.Object, call.GetProperty("arguments").ValueKind);
                Assert.True(call.GetProperty("name").GetString() == "now" || call.GetProperty("arguments").TryGetProperty("city", out _));
                calls++;
            }
        }

        Assert.True(calls > 10 && texts > 10, $"{calls} calls, {texts} texts");
    }

    [Theory]
    [InlineData("""{"type": "string", "pattern": "a+"}""", "the keyword 'pattern' is not supported")]
    [InlineData("""{"type": "object", "properties": {"a": {"type": "number", "minimum": 3}}}""", "at /a: the keyword 'minimum' is not supported")]
    [InlineData("""{"type": "strnig"}""", "the type 'strnig' is unknown")]
    [InlineData("""{"$ref": "#/$defs/none"}""", "leads nowhere")]
    [InlineData("""{"$ref": "http://example.org/x"}""", "only definitions of the schema itself")]
    [InlineData("""{"enum": []}""", "a list that is not empty")]
    [InlineData("""{"$ref": "#"}""", "allows no value at all")]
    [InlineData("""[1]""", "a schema is an object")]
    [InlineData("""{"type": "array", "maxItems": 1000000}""", "allowed is 0 to 64")]
    [InlineData("""{"type": "object", "properties": {}, "required": ["a"]}""", "'a' is not declared")]
    public void What_is_not_supported_is_named(string schema, string message) =>
        Assert.Contains(message, Assert.Throws<EmovaException>(() => Grammar(schema)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_schema_that_explodes_is_refused()
    {
        string schema = """{"type": "array", "minItems": 60, "items": {"type": "array", "minItems": 60, "items": {"type": "array", "minItems": 60, "items": {"type": "string"}}}}""";
        Assert.Contains("too large", Assert.Throws<EmovaException>(() => Grammar(schema)).Message, StringComparison.Ordinal);
    }

    private static JsonElement Schema(string schema) => JsonDocument.Parse(schema).RootElement;

    private static ReplyGrammar Grammar(string schema) => JsonGrammar.ForValue(Tokenizer, Schema(schema));

    /// <summary>Texts of random walks; each is hurried after 60 tokens and must end within the stated number.</summary>
    private static IEnumerable<string> Walks(ReplyGrammar grammar, int count)
    {
        Random random = new(7);
        for (int walk = 0; walk < count; walk++)
        {
            GrammarCursor cursor = grammar.Start(new GrammarLimits(TextBytes: 12));
            List<int> tokens = [];
            while (!cursor.IsComplete)
            {
                cursor.Hurry = tokens.Count >= 60;
                Assert.True(tokens.Count <= 60 + grammar.TokensToFinish, Tokenizer.Decode(tokens));
                int[] forced = cursor.Forced.ToArray();
                foreach (int token in forced)
                    Take(token);
                if (forced.Length > 0)
                    continue;
                List<int> allowed = [.. Enumerable.Range(0, Tokenizer.VocabularySize).Where(cursor.IsAllowed)];
                Assert.NotEmpty(allowed);
                Take(allowed[random.Next(allowed.Count)]);

                void Take(int token)
                {
                    cursor.Accept(token);
                    tokens.Add(token);
                }
            }

            Assert.Equal(End, tokens[^1]);
            yield return Tokenizer.Decode(tokens.SkipLast(1));
        }
    }
}

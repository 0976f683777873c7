using System.Text.Json;

namespace Emova.Checkpoints;

/// <summary>
/// An object of a JSON configuration file, read with range checks. Configurations are downloaded with the weights: a value out
/// of range must become a clear message, not a failed allocation.
/// </summary>
public sealed class ConfigSection
{
    private readonly string source;
    private readonly JsonElement json;

    /// <summary>Wraps a JSON object.</summary>
    /// <param name="source">File and path of the object, used in messages: <c>models/x/config.json: text_config</c>.</param>
    /// <param name="json">The object.</param>
    /// <exception cref="EmovaException">The element is not an object.</exception>
    public ConfigSection(string source, JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
            throw new EmovaException($"{source} must be a JSON object");
        (this.source, this.json) = (source, json);
    }

    /// <summary>The JSON object itself.</summary>
    public JsonElement Json => json;

    /// <summary>Whether the key exists and is not null.</summary>
    public bool Has(string key) => json.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>The object under a key.</summary>
    /// <exception cref="EmovaException">Missing, or not an object.</exception>
    public ConfigSection Section(string key) => new(PathOf(key), Find(key));

    /// <summary>A whole number in a range.</summary>
    /// <exception cref="EmovaException">Missing without a fallback, not a whole number, or out of range.</exception>
    public int WholeNumber(string key, int minimum, int maximum, int? fallback = null)
    {
        if (fallback is int value && !Has(key))
            return value;
        if (Find(key) is { ValueKind: JsonValueKind.Number } element && element.TryGetInt32(out value) && value >= minimum && value <= maximum)
            return value;
        throw new EmovaException($"{PathOf(key)} must be a whole number from {minimum} to {maximum}, is {Describe(key)}");
    }

    /// <summary>A number in a range.</summary>
    /// <exception cref="EmovaException">Missing without a fallback, not a number, or out of range.</exception>
    public double Number(string key, double minimum, double maximum, double? fallback = null)
    {
        if (fallback is double value && !Has(key))
            return value;
        if (Find(key) is { ValueKind: JsonValueKind.Number } element && element.TryGetDouble(out value) && value >= minimum && value <= maximum)
            return value;
        throw new EmovaException($"{PathOf(key)} must be a number from {minimum} to {maximum}, is {Describe(key)}");
    }

    /// <summary>True or false.</summary>
    /// <exception cref="EmovaException">Present but neither.</exception>
    public bool Flag(string key, bool fallback)
    {
        if (!Has(key))
            return fallback;
        JsonElement element = Find(key);
        return element.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? element.GetBoolean()
            : throw new EmovaException($"{PathOf(key)} must be true or false, is {Describe(key)}");
    }

    /// <summary>A string, one of <paramref name="allowed"/> if any are given.</summary>
    /// <exception cref="EmovaException">Missing without a fallback, not a string, or none of the allowed values.</exception>
    public string Text(string key, string? fallback = null, params ReadOnlySpan<string> allowed)
    {
        if (fallback is not null && !Has(key))
            return fallback;
        if (Find(key) is { ValueKind: JsonValueKind.String } element)
        {
            string value = element.GetString()!;
            if (allowed.IsEmpty || allowed.Contains(value))
                return value;
        }

        string expected = allowed.IsEmpty ? "a string" : "one of " + string.Join(", ", allowed.ToArray());
        throw new EmovaException($"{PathOf(key)} must be {expected}, is {Describe(key)}");
    }

    private JsonElement Find(string key) =>
        Has(key) ? json.GetProperty(key) : throw new EmovaException($"{PathOf(key)} is missing");

    internal string PathOf(string key) => source.Contains(": ", StringComparison.Ordinal) ? $"{source}.{key}" : $"{source}: {key}";

    private string Describe(string key)
    {
        string text = json.GetProperty(key).GetRawText().ReplaceLineEndings(" ");
        return text.Length > 80 ? text[..80] + "..." : text;
    }
}

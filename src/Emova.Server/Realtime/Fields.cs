using System.Text.Json;

namespace Emova.Server.Realtime;

/// <summary>The fields of a JSON object from a client; every complaint names the path of the field.</summary>
internal readonly struct Fields
{
    private readonly JsonElement _element;
    private readonly string _path;

    /// <exception cref="RealtimeException">It is not an object.</exception>
    public Fields(JsonElement element, string path)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw WrongType(path, "an object", element.ValueKind);
        (_element, _path) = (element, path);
    }

    public string PathOf(string name) => _path.Length == 0 ? name : $"{_path}.{name}";

    /// <summary>Whether the field is there, be it null: absent and null mean different things in updates.</summary>
    public bool Has(string name, out JsonElement value) => _element.TryGetProperty(name, out value);

    /// <summary>Whether the field is there and not null.</summary>
    public bool Given(string name, out JsonElement value) => _element.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

    public bool HasObject(string name, out Fields fields)
    {
        bool given = Given(name, out JsonElement value);
        fields = given ? new Fields(value, PathOf(name)) : default;
        return given;
    }

    public Fields Object(string name) => HasObject(name, out Fields fields) ? fields : throw RealtimeException.Missing(PathOf(name));

    public string Text(string name) => OptionalText(name) ?? throw RealtimeException.Missing(PathOf(name));

    public string? OptionalText(string name)
    {
        if (!Given(name, out JsonElement value))
            return null;
        if (value.ValueKind != JsonValueKind.String)
            throw WrongType(PathOf(name), "a string", value.ValueKind);
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair: JSON can spell what no text is.
            throw RealtimeException.Invalid(PathOf(name), $"Invalid '{PathOf(name)}': it is not valid Unicode.");
        }
    }

    public string? OneOf(string name, params ReadOnlySpan<string> allowed)
    {
        string? value = OptionalText(name);
        return value is null || allowed.Contains(value) ? value : throw RealtimeException.OneOf(PathOf(name), value, allowed.ToArray());
    }

    public int? Whole(string name, int minimum, int maximum)
    {
        if (!Given(name, out JsonElement value))
            return null;
        if (value.ValueKind != JsonValueKind.Number)
            throw WrongType(PathOf(name), "an integer", value.ValueKind);
        // Clients compute milliseconds in floating point; 640.0 is a whole number too.
        if (!value.TryGetDouble(out double number) || number != Math.Floor(number) || number < minimum || number > maximum)
            throw RealtimeException.Invalid(PathOf(name), $"Invalid '{PathOf(name)}': expected an integer from {minimum} to {maximum}.");
        return (int)number;
    }

    public double? Number(string name, double minimum, double maximum)
    {
        if (!Given(name, out JsonElement value))
            return null;
        if (value.ValueKind != JsonValueKind.Number)
            throw WrongType(PathOf(name), "a number", value.ValueKind);
        if (!value.TryGetDouble(out double number) || !(number >= minimum && number <= maximum))
            throw RealtimeException.Invalid(PathOf(name), FormattableString.Invariant($"Invalid '{PathOf(name)}': expected a number from {minimum} to {maximum}."));
        return number;
    }

    public bool? Flag(string name)
    {
        if (!Given(name, out JsonElement value))
            return null;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw WrongType(PathOf(name), "a boolean", value.ValueKind);
    }

    /// <summary>The elements of an array; null when it is absent or null.</summary>
    public JsonElement[]? List(string name, int mostElements)
    {
        if (!Given(name, out JsonElement value))
            return null;
        if (value.ValueKind != JsonValueKind.Array)
            throw WrongType(PathOf(name), "an array", value.ValueKind);
        if (value.GetArrayLength() > mostElements)
            throw RealtimeException.Invalid(PathOf(name), $"Invalid '{PathOf(name)}': at most {mostElements} elements are allowed.");
        return [.. value.EnumerateArray()];
    }

    /// <summary>Fields that mean nothing here and would be lost without a word.</summary>
    /// <exception cref="RealtimeException">One of them is there.</exception>
    public void Refuse(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (Given(name, out _))
                throw RealtimeException.Unknown(PathOf(name));
        }
    }

    public static RealtimeException WrongType(string path, string expected, JsonValueKind found) => new(
        "invalid_type", $"Invalid type for '{path}': expected {expected}, but got {Name(found)} instead.", path);

    private static string Name(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "a boolean",
    };
}

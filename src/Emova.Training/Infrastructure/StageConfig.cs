using System.Collections;
using System.Globalization;
using System.Reflection;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Emova.Training.Infrastructure;

/// <summary>
/// Reads the settings of a stage: a YAML file whose keys are the properties of <c>T</c> in snake_case, then
/// <c>--set key=value</c> overrides (dots reach into nested sections). A key that no property has is an error. A file may begin with
/// <c>extends: other.yaml</c> (beside it): its own keys then go over those of the other file, section by section; lists are replaced.
/// </summary>
public static class StageConfig
{
    private const string Extends = "extends";

    /// <summary>Longest chain of files that extend each other; a longer one goes round in a circle.</summary>
    private const int LongestChain = 8;

    private static readonly INamingConvention Naming = UnderscoredNamingConvention.Instance;

    /// <summary>Loads <paramref name="path"/> (null: defaults only) and applies <paramref name="overrides"/>.</summary>
    /// <exception cref="EmovaException">The file is missing, is not valid YAML, or has an unknown key or an unusable value.</exception>
    public static T Load<T>(string? path, IEnumerable<string>? overrides = null) where T : class, new()
    {
        string source = path ?? "--set";
        try
        {
            Dictionary<object, object?> tree = Merged(path, overrides);
            RejectUnknownKeys(tree, typeof(T), "", source);
            string merged = new SerializerBuilder().Build().Serialize(tree);
            return new DeserializerBuilder().WithNamingConvention(Naming).Build().Deserialize<T>(merged) ?? new T();
        }
        catch (YamlException error)
        {
            throw new EmovaException($"{source}: {error.InnerException?.Message ?? error.Message}", error);
        }
    }

    /// <summary>The keys of a file, those it extends and the overrides, as one YAML text: two runs with the same text have the same settings.</summary>
    public static string Text(string? path, IEnumerable<string>? overrides = null) => new SerializerBuilder().Build().Serialize(Merged(path, overrides));

    private static Dictionary<object, object?> Merged(string? path, IEnumerable<string>? overrides)
    {
        Dictionary<object, object?> tree = path is null ? [] : Read(path, LongestChain);
        foreach (string setting in overrides ?? []) Apply(tree, setting);
        return tree;
    }

    /// <summary>Writes the settings in force, so that a run folder says how it was made.</summary>
    public static string ToYaml(object config) => new SerializerBuilder().WithNamingConvention(Naming).Build().Serialize(config);

    private static Dictionary<object, object?> Read(string path, int chain)
    {
        if (!File.Exists(path)) throw new EmovaException($"{path}: no such configuration file");
        if (chain == 0) throw new EmovaException($"{path}: more than {LongestChain} files extend each other");
        Dictionary<object, object?> tree;
        try
        {
            using StreamReader reader = new(path);
            tree = new DeserializerBuilder().Build().Deserialize<Dictionary<object, object?>>(reader) ?? [];
        }
        catch (YamlException error)
        {
            throw new EmovaException($"{path}: {error.InnerException?.Message ?? error.Message}", error);
        }
        if (!tree.Remove(Extends, out object? other)) return tree;
        if (other is not string name) throw new EmovaException($"{path}: {Extends}: expected the name of one file");
        return Merge(Read(Path.Combine(Path.GetDirectoryName(path) ?? "", name), chain - 1), tree);
    }

    private static Dictionary<object, object?> Merge(Dictionary<object, object?> general, Dictionary<object, object?> special)
    {
        foreach ((object key, object? value) in special)
        {
            general[key] = value is Dictionary<object, object?> section && general.GetValueOrDefault(key) is Dictionary<object, object?> under
                ? Merge(under, section)
                : value;
        }
        return general;
    }

    private static void Apply(Dictionary<object, object?> tree, string setting)
    {
        int equals = setting.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0) throw new EmovaException($"--set {setting}: expected key=value");
        string[] keys = setting[..equals].Split('.');
        Dictionary<object, object?> node = tree;
        foreach (string key in keys[..^1])
        {
            if (node.GetValueOrDefault(key) is not Dictionary<object, object?> child) node[key] = child = [];
            node = child;
        }
        node[keys[^1]] = new DeserializerBuilder().Build().Deserialize<object?>(setting[(equals + 1)..]);
    }

    private static void RejectUnknownKeys(IDictionary tree, Type type, string prefix, string source)
    {
        Dictionary<string, PropertyInfo> known = type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.CanWrite)
            .ToDictionary(property => Naming.Apply(property.Name), StringComparer.Ordinal);
        foreach (DictionaryEntry entry in tree)
        {
            string key = Convert.ToString(entry.Key, CultureInfo.InvariantCulture) ?? "";
            if (!known.TryGetValue(key, out PropertyInfo? property))
                throw new EmovaException($"{source}: unknown key '{prefix}{key}'; known: {string.Join(", ", known.Keys.Order(StringComparer.Ordinal))}");
            bool isSection = property.PropertyType.IsClass && property.PropertyType != typeof(string) && !typeof(IEnumerable).IsAssignableFrom(property.PropertyType);
            if (isSection && entry.Value is IDictionary section) RejectUnknownKeys(section, property.PropertyType, $"{prefix}{key}.", source);
        }
    }
}

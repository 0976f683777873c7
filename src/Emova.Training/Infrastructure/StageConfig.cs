using System.Collections;
using System.Globalization;
using System.Reflection;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Emova.Training.Infrastructure;

/// <summary>
/// Reads the settings of a stage: a YAML file whose keys are the properties of <c>T</c> in snake_case, then
/// <c>--set key=value</c> overrides (dots reach into nested sections). A key that no property has is an error.
/// </summary>
public static class StageConfig
{
    private static readonly INamingConvention Naming = UnderscoredNamingConvention.Instance;

    /// <summary>Loads <paramref name="path"/> (null: defaults only) and applies <paramref name="overrides"/>.</summary>
    /// <exception cref="EmovaException">The file is missing, is not valid YAML, or has an unknown key or an unusable value.</exception>
    public static T Load<T>(string? path, IEnumerable<string>? overrides = null) where T : class, new()
    {
        string source = path ?? "--set";
        try
        {
            Dictionary<object, object?> tree = [];
            if (path is not null)
            {
                if (!File.Exists(path)) throw new EmovaException($"{path}: no such configuration file");
                using StreamReader reader = new(path);
                tree = new DeserializerBuilder().Build().Deserialize<Dictionary<object, object?>>(reader) ?? [];
            }
            foreach (string setting in overrides ?? []) Apply(tree, setting);
            RejectUnknownKeys(tree, typeof(T), "", source);
            string merged = new SerializerBuilder().Build().Serialize(tree);
            return new DeserializerBuilder().WithNamingConvention(Naming).Build().Deserialize<T>(merged) ?? new T();
        }
        catch (YamlException error)
        {
            throw new EmovaException($"{source}: {error.InnerException?.Message ?? error.Message}", error);
        }
    }

    /// <summary>Writes the settings in force, so that a run folder says how it was made.</summary>
    public static string ToYaml(object config) => new SerializerBuilder().WithNamingConvention(Naming).Build().Serialize(config);

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

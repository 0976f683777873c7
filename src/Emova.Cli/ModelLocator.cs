using Emova.Hub;

namespace Emova.Cli;

/// <summary>Finds files that belong to the product, wherever the command is run from.</summary>
internal static class ModelLocator
{
    private static readonly string DefaultModel = Path.Combine("models", "emova-tiny");

    /// <summary>The model folder: the given folder or downloaded repository, $EMOVA_MODEL, or models/emova-tiny above the current folder or the program.</summary>
    public static string Find(string? given)
    {
        string? model = given ?? Environment.GetEnvironmentVariable("EMOVA_MODEL");
        if (!string.IsNullOrEmpty(model))
            return FindNamed(model) ?? throw new EmovaException($"{(given is null ? "EMOVA_MODEL" : "--model")} {model}: no such folder{Hint(model)}");
        return FindUpwards(DefaultModel, folder => File.Exists(Path.Combine(folder, "config.json")))
            ?? throw new EmovaException($"no model: {DefaultModel} was not found from here upwards; use --model DIR or set EMOVA_MODEL");
    }

    /// <summary>A folder, or the downloaded files of a repository of the hub (<c>emova pull</c>); null for neither.</summary>
    private static string? FindNamed(string model) =>
        Directory.Exists(model) ? model
        : HubRepository.TryParse(model, out HubRepository? repository) ? new HubCache(HubOptions.FromEnvironment().CacheFolder, repository).FindSnapshot()
        : null;

    private static string Hint(string model) =>
        HubRepository.TryParse(model, out HubRepository? repository) ? $", and not downloaded (emova pull {repository})" : "";

    /// <summary>The first folder called <paramref name="name"/> above the current folder, then above the program.</summary>
    public static string? FindUpwards(string name, Func<string, bool> isRight)
    {
        foreach (string start in (string[])[Directory.GetCurrentDirectory(), AppContext.BaseDirectory])
        {
            for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            {
                string candidate = Path.Combine(folder.FullName, name);
                if (!Directory.Exists(candidate) || !isRight(candidate))
                    continue;
                string relative = Path.GetRelativePath(Directory.GetCurrentDirectory(), candidate);
                return relative.Length < candidate.Length ? relative : candidate;
            }
        }

        return null;
    }
}

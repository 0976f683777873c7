namespace Emova.Training.Commands;

/// <summary>Settings of <c>emova-train all</c>, configs/training/tiny.yaml: the stages in the order in which they run.</summary>
public sealed record AllSettings
{
    /// <summary>The stages.</summary>
    public List<StageEntry> Stages { get; set; } = [];
}

/// <summary>One command of <c>emova-train</c>.</summary>
public sealed record StageEntry
{
    /// <summary>Name of the command.</summary>
    public string Command { get; set; } = "";

    /// <summary>Its settings, relative to the file with the list; null = what the command takes by itself.</summary>
    public string? Config { get; set; }

    /// <summary>Settings that go over those of the file, key=value.</summary>
    public List<string> Set { get; set; } = [];
}

using System.Globalization;
using System.Text.Json;
using Emova.Training.Data;

namespace Emova.Training.DataSets;

/// <summary>A recording as units: a line of <c>units-00000.jsonl</c>.</summary>
/// <param name="Id">id in the corpus</param>
/// <param name="Text">transcript</param>
/// <param name="Units">units at 25 Hz, repetitions included</param>
/// <param name="Seconds">length of the recording</param>
/// <param name="Language">language code, or null</param>
/// <param name="Speaker">who speaks, or null</param>
/// <param name="Gender">female or male, or null</param>
/// <param name="Emotion">emotion or style label, or null</param>
public sealed record UnitRecording(
    string Id, string Text, int[] Units, double Seconds, string? Language = null, string? Speaker = null, string? Gender = null, string? Emotion = null);

/// <summary>
/// A corpus as units: <c>units-00000.jsonl</c>, … of a fixed number of recordings each, in the order of the corpus, and <c>units.json</c>,
/// which says what they were made of. A shard is complete or absent.
/// </summary>
public static class UnitShards
{
    /// <summary>What the shards were made of.</summary>
    public const string InfoFile = "units.json";

    /// <summary>The recordings that could not be used.</summary>
    public const string DefectsFile = "defects.jsonl";

    /// <summary>What a folder of shards was made of. Other recordings or another encoder do not go on with it.</summary>
    /// <param name="Source">the corpus</param>
    /// <param name="Format">its format</param>
    /// <param name="Encoder">checksum of the encoder's weights</param>
    /// <param name="Recordings">recordings of the corpus</param>
    /// <param name="Ids">checksum of their ids in order</param>
    /// <param name="PerShard">recordings per shard</param>
    /// <param name="Complete">whether all shards are there</param>
    public sealed record Info(string Source, string Format, string Encoder, int Recordings, string Ids, int PerShard, bool Complete);

    /// <summary>Path of a shard.</summary>
    public static string PathOf(string folder, int shard) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"units-{shard:D5}.jsonl"));

    /// <summary>Path of the list of a shard's broken recordings.</summary>
    public static string DefectsOf(string folder, int shard) => Path.ChangeExtension(PathOf(folder, shard), ".defects");

    /// <summary>What the shards in a folder were made of; null where there are none.</summary>
    /// <exception cref="EmovaException">The file is damaged.</exception>
    public static Info? ReadInfo(string folder)
    {
        string path = Path.Combine(folder, InfoFile);
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize<Info>(File.ReadAllText(path), CorpusJson.Options) : null;
        }
        catch (JsonException e)
        {
            throw new EmovaException($"{path}: damaged: {e.Message}; delete the folder and convert again", e);
        }
    }

    /// <summary>Notes what the shards are made of.</summary>
    public static void WriteInfo(string folder, Info info)
    {
        string path = Path.Combine(folder, InfoFile);
        File.WriteAllText(path + ".tmp", JsonSerializer.Serialize(info, CorpusJson.Options));
        File.Move(path + ".tmp", path, overwrite: true);
    }
}

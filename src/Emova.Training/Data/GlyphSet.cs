using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;

namespace Emova.Training.Data;

/// <summary>
/// Emoji of other artists as further drawing styles to train on: what a model has seen drawn by three hands it knows better when a fourth
/// draws it. They come as packages of the npm registry, which are plain archives; npm itself is not needed.
/// </summary>
/// <param name="Name">Name of the folder.</param>
/// <param name="Package">Package and version.</param>
/// <param name="Archive">Path of the archive in a registry.</param>
/// <param name="Sha256">Of the archive, hexadecimal.</param>
/// <param name="Folder">Folder of the pictures inside the archive.</param>
/// <param name="License">License of the pictures.</param>
public sealed record GlyphSet(string Name, string Package, string Archive, string Sha256, string Folder, string License)
{
    /// <summary>Where the sets are kept unless a command is told otherwise.</summary>
    public const string DefaultFolder = "data/glyphs";

    /// <summary>A picture is a few kilobytes; anything much larger is none.</summary>
    private const int MaximumBytes = 1 << 20;

    /// <summary>The sets EMOVA-Tiny is trained on beside Noto.</summary>
    public static IReadOnlyList<GlyphSet> All { get; } =
    [
        new("twemoji", "emoji-datasource-twitter 16.0.0", "emoji-datasource-twitter/-/emoji-datasource-twitter-16.0.0.tgz",
            "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877", "package/img/twitter/64/", "CC BY 4.0, Twitter and contributors"),
        new("emojione", "emojione 2.2.7", "emojione/-/emojione-2.2.7.tgz",
            "5fe002738e6e276f49ac37783799d2feab99a6131fdedccfa56569d745449ae5", "package/assets/png_128x128/", "CC BY 4.0, EmojiOne"),
    ];

    /// <summary>The drawings in a folder.</summary>
    /// <exception cref="EmovaException">No such folder; the message says how to get it.</exception>
    public static GlyphSource Open(string folder) => Directory.Exists(folder)
        ? new FolderGlyphs(folder)
        : throw new EmovaException($"{folder}: no such folder of glyph pictures; get the shipped sets with `emova-train glyphs`");

    /// <summary>Downloads the set into a folder of its name below <paramref name="parent"/>; false if it is there already.</summary>
    /// <exception cref="EmovaException">The registry does not answer or sends something else than the pinned archive.</exception>
    public async Task<bool> FetchAsync(string parent, Uri registry, HttpClient client, CancellationToken cancellation)
    {
        string target = Path.Combine(parent, Name);
        if (Directory.Exists(target))
            return false;
        Uri address = new(registry, Archive);
        byte[] archive;
        try
        {
            archive = await client.GetByteArrayAsync(address, cancellation);
        }
        catch (HttpRequestException e)
        {
            throw new EmovaException($"{address}: {e.Message}");
        }
        string sha256 = Convert.ToHexStringLower(SHA256.HashData(archive));
        if (sha256 != Sha256)
            throw new EmovaException($"{address}: SHA-256 {sha256}, expected {Sha256}");
        string partial = target + ".partial";
        if (Directory.Exists(partial))
            Directory.Delete(partial, recursive: true);
        Directory.CreateDirectory(partial);
        using GZipStream unzipped = new(new MemoryStream(archive), CompressionMode.Decompress);
        using TarReader reader = new(unzipped);
        while (await reader.GetNextEntryAsync(cancellationToken: cancellation) is { } entry)
        {
            if (entry.Name.StartsWith(Folder, StringComparison.Ordinal) && entry.Name.EndsWith(".png", StringComparison.Ordinal) && entry.Length is > 0 and < MaximumBytes)
                await entry.ExtractToFileAsync(Path.Combine(partial, Path.GetFileName(entry.Name)), overwrite: true, cancellation);
        }
        // Only a complete set gets the name that stages look for.
        Directory.Move(partial, target);
        return true;
    }
}

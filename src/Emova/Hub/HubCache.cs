namespace Emova.Hub;

/// <summary>
/// The cache on disk, in the layout other tools of the hub share: <c>models--OWNER--NAME/</c> with <c>blobs/HASH</c>,
/// <c>snapshots/COMMIT/PATH</c> linking to them, and <c>refs/REVISION</c> holding a commit.
/// </summary>
public sealed class HubCache
{
    private readonly string folder;

    /// <summary>The part of a cache that belongs to a repository; nothing is created yet.</summary>
    /// <param name="cacheFolder">The cache.</param>
    /// <param name="repository">The repository.</param>
    public HubCache(string cacheFolder, HubRepository repository)
    {
        ArgumentNullException.ThrowIfNull(repository);
        Repository = repository;
        folder = Path.Combine(cacheFolder, "models--" + repository.Name.Replace("/", "--", StringComparison.Ordinal));
    }

    /// <summary>The repository.</summary>
    public HubRepository Repository { get; }

    /// <summary>The folder of the revision's files, or null when it was not downloaded.</summary>
    public string? FindSnapshot()
    {
        string reference = Path.Combine(folder, "refs", Repository.Revision);
        string commit = Repository.IsPinned || !File.Exists(reference) ? Repository.Revision : File.ReadAllText(reference).Trim();
        string snapshot = SnapshotFolder(commit);
        return HubRepository.TryParse($"{Repository.Name}@{commit}", out _) && Directory.Exists(snapshot) ? snapshot : null;
    }

    internal string BlobPath(HubFile file) => Path.Combine(folder, "blobs", file.Hash);

    internal string SnapshotFolder(string commit) => Path.Combine(folder, "snapshots", commit);

    internal void CreateBlobFolder() => Directory.CreateDirectory(Path.Combine(folder, "blobs"));

    /// <summary>Links a complete blob into a snapshot.</summary>
    internal void Link(string commit, HubFile file)
    {
        string link = Path.Combine(SnapshotFolder(commit), Path.Combine(file.Path.Split('/')));
        string blob = BlobPath(file), linkFolder = Path.GetDirectoryName(link)!;
        Directory.CreateDirectory(linkFolder);
        if (File.Exists(link))
            return;
        File.Delete(link); // a link whose blob was removed
        try
        {
            File.CreateSymbolicLink(link, Path.GetRelativePath(linkFolder, blob));
        }
        catch (Exception e) when (OperatingSystem.IsWindows() && e is IOException or UnauthorizedAccessException)
        {
            // Windows lets only some users create links; the other tools move the file then, too.
            File.Move(blob, link);
        }
    }

    /// <summary>Notes which commit the revision stands for, once all of its files are there.</summary>
    internal void WriteReference(string commit)
    {
        if (Repository.IsPinned)
            return;
        string path = Path.Combine(folder, "refs", Path.Combine(Repository.Revision.Split('/')));
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string temporary = $"{path}.{Environment.ProcessId}.tmp";
        File.WriteAllText(temporary, commit);
        File.Move(temporary, path, overwrite: true);
    }
}

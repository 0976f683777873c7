namespace Emova.Hub;

/// <summary>A file of a repository.</summary>
/// <param name="Path">Path inside the repository, with slashes.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Hash">Lower-case hexadecimal: SHA-256 of the content for large files, otherwise the file's git object (SHA-1).
/// It names the file in the cache.</param>
public sealed record HubFile(string Path, long Size, string Hash)
{
    /// <summary>Whether <see cref="Hash"/> is the SHA-256 of the content.</summary>
    public bool IsSha256 => Hash.Length == 64;
}

/// <summary>The files of a repository at a commit.</summary>
/// <param name="Commit">The commit the revision stands for.</param>
/// <param name="Files">All files.</param>
public sealed record HubListing(string Commit, IReadOnlyList<HubFile> Files);

/// <summary>How far a download has come.</summary>
/// <param name="File">The file being worked on.</param>
/// <param name="FileBytes">Bytes of it that are here.</param>
/// <param name="DoneBytes">Bytes of all files that are here.</param>
/// <param name="TotalBytes">Bytes of all files.</param>
public sealed record HubProgress(HubFile File, long FileBytes, long DoneBytes, long TotalBytes);

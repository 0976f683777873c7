using System.Security.Cryptography;
using System.Text;

namespace Emova.Hub;

/// <summary>
/// Downloads a repository into the shared cache. It can be stopped at any time: what has arrived stays in <c>blobs/HASH.incomplete</c>
/// and the next download goes on there; a file gets its name only after its hash was checked, and a revision is noted after its files.
/// </summary>
public static class HubDownload
{
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(1);

    // Weights of other programs; folders often hold them beside the safetensors files.
    private static readonly string[] OtherWeights = [".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".ot", ".tflite"];

    /// <summary>Downloads what is missing of a revision and returns the folder of its files.</summary>
    /// <param name="repository">Repository and revision.</param>
    /// <param name="options">Hub and cache.</param>
    /// <param name="progress">Called as bytes arrive; null for nobody.</param>
    /// <param name="cancellationToken">Stops; the next call continues.</param>
    /// <exception cref="EmovaException">No such repository, no access, no connection after several attempts, no room on the disk, or
    /// files that differ from their hashes.</exception>
    public static async Task<string> PullAsync(
        HubRepository repository, HubOptions options, IProgress<HubProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(repository);
        ArgumentNullException.ThrowIfNull(options);
        HubCache cache = new(options.CacheFolder, repository);
        using HubClient client = new(options);
        int failures = 0;
        HubListing? listing = null;
        while (listing is null)
        {
            try
            {
                listing = await client.ListAsync(repository, cancellationToken).ConfigureAwait(false);
            }
            catch (HubUnavailableException e)
            {
                await PauseAsync($"{repository}: list of files", e, ++failures, options, cancellationToken).ConfigureAwait(false);
            }
        }

        HubFile[] files = Select(listing.Files);
        try
        {
            cache.CreateBlobFolder();
            RequireSpace(cache, files, options);
            long total = files.Sum(file => file.Size), done = 0;
            foreach (HubFile file in files)
            {
                long before = done;
                await FetchAsync(client, cache, listing.Commit, file, options, bytes => progress?.Report(new HubProgress(file, bytes, before + bytes, total)), cancellationToken)
                    .ConfigureAwait(false);
                done += file.Size;
            }

            foreach (HubFile file in files)
                cache.Link(listing.Commit, file);
            cache.WriteReference(listing.Commit);
            return cache.SnapshotFolder(listing.Commit);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{options.CacheFolder}: cannot write: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    /// <summary>All files, without other programs' weights where safetensors files exist.</summary>
    private static HubFile[] Select(IReadOnlyList<HubFile> files)
    {
        bool hasSafetensors = files.Any(file => file.Path.EndsWith(".safetensors", StringComparison.Ordinal));
        return [.. files.Where(file => !hasSafetensors || !OtherWeights.Contains(Path.GetExtension(file.Path)))];
    }

    private static void RequireSpace(HubCache cache, HubFile[] files, HubOptions options)
    {
        long needed = 0;
        foreach (HubFile file in files.DistinctBy(file => file.Hash))
        {
            FileInfo blob = new(cache.BlobPath(file)), partial = new(cache.BlobPath(file) + ".incomplete");
            if (!blob.Exists)
                needed += file.Size - (partial.Exists ? Math.Min(partial.Length, file.Size) : 0);
        }

        long free = options.FreeSpace(options.CacheFolder);
        if (needed > free)
            throw new EmovaException($"{options.CacheFolder}: {cache.Repository} needs {Size(needed)}, but only {Size(free)} are free (set HF_HUB_CACHE to another disk)");
    }

    private static async Task FetchAsync(
        HubClient client, HubCache cache, string commit, HubFile file, HubOptions options, Action<long> onBytes, CancellationToken cancellationToken)
    {
        string blob = cache.BlobPath(file), partial = blob + ".incomplete";
        if (File.Exists(blob))
        {
            onBytes(file.Size);
            return;
        }

        // Not shared: a second process must not write into the same file.
        FileStream output = new(partial, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.Asynchronous);
        await using (output.ConfigureAwait(false))
        {
            using IncrementalHash hash = await BeginHashAsync(file, output, cancellationToken).ConfigureAwait(false);
            bool isRepeated = false;
            while (true)
            {
                await FillAsync(client, cache.Repository, commit, file, output, hash, options, onBytes, cancellationToken).ConfigureAwait(false);
                string actual = Convert.ToHexStringLower(hash.GetHashAndReset());
                if (actual == file.Hash)
                    break;
                output.SetLength(0);
                if (isRepeated)
                    throw new EmovaException($"{cache.Repository}: {file.Path} arrived with the hash {actual}, expected {file.Hash}");
                isRepeated = true;
                Restart(file, output, hash);
            }

            output.Flush(flushToDisk: true);
        }

        File.Move(partial, blob, overwrite: true);
    }

    /// <summary>Appends to the file until it is complete.</summary>
    private static async Task FillAsync(
        HubClient client, HubRepository repository, string commit, HubFile file, FileStream output, IncrementalHash hash, HubOptions options,
        Action<long> onBytes, CancellationToken cancellationToken)
    {
        int failures = 0;
        onBytes(output.Length);
        while (output.Position < file.Size)
        {
            long before = output.Position;
            try
            {
                IAsyncEnumerable<ReadOnlyMemory<byte>> content = client.DownloadAsync(repository, commit, file, before, first =>
                {
                    if (first != output.Position)
                        Restart(file, output, hash);
                }, cancellationToken);
                await foreach (ReadOnlyMemory<byte> part in content.ConfigureAwait(false))
                {
                    if (output.Position + part.Length > file.Size)
                    {
                        Restart(file, output, hash);
                        throw new HubUnavailableException($"{file.Path} is longer than the announced {file.Size} bytes");
                    }

                    await output.WriteAsync(part, cancellationToken).ConfigureAwait(false);
                    hash.AppendData(part.Span);
                    onBytes(output.Position);
                }

                if (output.Position < file.Size)
                    throw new HubUnavailableException($"the connection ended after {output.Position} of {file.Size} bytes");
            }
            catch (HubUnavailableException e)
            {
                failures = output.Position > before ? 1 : failures + 1;
                await output.FlushAsync(CancellationToken.None).ConfigureAwait(false);
                await PauseAsync($"{repository}: {file.Path}", e, failures, options, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static async Task PauseAsync(string what, HubUnavailableException reason, int failures, HubOptions options, CancellationToken cancellationToken)
    {
        if (failures >= options.MaxFailures)
            throw new EmovaException($"{what}: {reason.Message} ({failures} attempts; the next pull continues)", reason);
        TimeSpan delay = options.RetryDelay * Math.Pow(2, failures - 1);
        if (reason.RetryAfter is { } asked && asked > delay)
            delay = asked;
        await Task.Delay(delay < LongestDelay ? delay : LongestDelay, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The hash of what is already there, and the position after it.</summary>
    private static async Task<IncrementalHash> BeginHashAsync(HubFile file, FileStream output, CancellationToken cancellationToken)
    {
        // Small files are named by their git object, which git hashes with SHA-1.
        IncrementalHash hash = IncrementalHash.CreateHash(file.IsSha256 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        Restart(file, null, hash);
        if (output.Length > file.Size)
            output.SetLength(0);
        byte[] buffer = new byte[1 << 17];
        int read;
        while ((read = await output.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            hash.AppendData(buffer.AsSpan(0, read));
        return hash;
    }

    private static void Restart(HubFile file, FileStream? output, IncrementalHash hash)
    {
        output?.SetLength(0);
        hash.GetHashAndReset();
        if (!file.IsSha256)
            hash.AppendData(Encoding.ASCII.GetBytes($"blob {file.Size}\0"));
    }

    private static string Size(long bytes) => bytes < 1 << 20 ? $"{bytes} bytes" : $"{bytes / (double)(1L << 30):0.00} GiB";
}

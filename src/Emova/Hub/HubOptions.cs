namespace Emova.Hub;

/// <summary>Where the hub is, who asks, and where files go; the variables are those of other tools of the hub.</summary>
public sealed record HubOptions
{
    /// <summary>Address of the hub (<c>HF_ENDPOINT</c>).</summary>
    public Uri Endpoint { get; init; } = new("https://huggingface.co");

    /// <summary>Access token for private and gated repositories (<c>HF_TOKEN</c>); null for none. Sent to <see cref="Endpoint"/> only.</summary>
    public string? Token { get; init; }

    /// <summary>Folder of the cache: <c>HF_HUB_CACHE</c>, else <c>HF_HOME/hub</c>, else <c>~/.cache/huggingface/hub</c>.</summary>
    public required string CacheFolder { get; init; }

    /// <summary>Failures in a row, without a byte in between, after which a download is given up.</summary>
    public int MaxFailures { get; init; } = 6;

    /// <summary>Pause after the first failure; it doubles up to a minute.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A connection that sends nothing for so long has failed.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Free bytes on the disk of a folder.</summary>
    internal Func<string, long> FreeSpace { get; init; } = folder => new DriveInfo(folder).AvailableFreeSpace;

    /// <summary>Reads the variables.</summary>
    /// <exception cref="EmovaException">HF_ENDPOINT is not an http or https address.</exception>
    public static HubOptions FromEnvironment()
    {
        string endpoint = Variable("HF_ENDPOINT") ?? "https://huggingface.co";
        if (!Uri.TryCreate(endpoint.TrimEnd('/'), UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https"))
            throw new EmovaException($"HF_ENDPOINT is '{endpoint}', expected an http or https address");
        string home = Variable("HF_HOME") ?? Path.Combine(
            Variable("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"), "huggingface");
        return new HubOptions { Endpoint = address, Token = Variable("HF_TOKEN"), CacheFolder = Path.GetFullPath(Variable("HF_HUB_CACHE") ?? Path.Combine(home, "hub")) };

        static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value.Trim() : null;
    }
}

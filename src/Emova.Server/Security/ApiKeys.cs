using System.Security.Cryptography;
using System.Text;

namespace Emova.Server.Security;

/// <summary>
/// The keys callers show. The file has a line <c>NAME SHA256</c> for each; keys themselves are nowhere on disk. A plain hash is
/// enough because keys are random numbers of 256 bits and not words of people.
/// </summary>
public sealed class ApiKeys
{
    private const string Prefix = "emova-";

    private readonly List<(string Name, byte[] Hash)> _entries = [];

    private ApiKeys()
    {
    }

    /// <summary>Whether keys are asked for at all.</summary>
    public bool IsRequired { get; private init; }

    /// <summary>Reads a key file.</summary>
    /// <param name="path">The file; empty for a server without keys.</param>
    /// <exception cref="EmovaException">The file is missing, empty, or a line is no key.</exception>
    public static ApiKeys Load(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.Length == 0)
            return new ApiKeys();
        if (!File.Exists(path))
            throw new EmovaException($"{path}: no such key file; make one with emova serve --api-key-file {path} --new-api-key NAME");
        ApiKeys keys = new() { IsRequired = true };
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (line.Length == 0 || line[0] == '#')
                continue;
            string[] parts = line.Split(' ');
            if (parts.Length != 2 || parts[1].Length != 2 * SHA256.HashSizeInBytes || !parts[1].All(char.IsAsciiHexDigit))
                throw new EmovaException($"{path}: line {number} is not 'NAME SHA256'");
            keys._entries.Add((parts[0], Convert.FromHexString(parts[1])));
        }

        return keys._entries.Count > 0 ? keys : throw new EmovaException($"{path}: has no keys");
    }

    /// <summary>Makes a key and adds its hash to a file that only the owner may read.</summary>
    /// <returns>The key; it cannot be found out again.</returns>
    /// <exception cref="EmovaException">The name is not usable, or the file cannot be written.</exception>
    public static string Create(string path, string name)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length is 0 or > 64 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '@'))
            throw new EmovaException($"--new-api-key '{name}': names have 1 to 64 letters, digits and the characters _-.@");
        string key = Prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        try
        {
            FileStreamOptions options = new() { Mode = FileMode.Append, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using StreamWriter file = new(path, options);
            file.Write($"{name} {Convert.ToHexStringLower(Hash(key))}\n");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{path}: cannot be written: {error.Message}", error);
        }

        return key;
    }

    /// <summary>Whose key it is; null for nobody's. Takes the same time whichever it is.</summary>
    public string? Find(string? key)
    {
        byte[] hash = Hash(key ?? "");
        string? found = null;
        foreach ((string name, byte[] expected) in _entries)
        {
            if (CryptographicOperations.FixedTimeEquals(hash, expected))
                found = name;
        }

        return key is null ? null : found;
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}

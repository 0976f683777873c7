using System.Text.RegularExpressions;

namespace Emova.Hub;

/// <summary>A model repository of the Hugging Face hub at a revision.</summary>
/// <param name="Name">Owner and name: <c>Emova-ollm/emova-qwen-2-5-3b-hf</c>.</param>
/// <param name="Revision">Branch, tag or commit.</param>
public sealed partial record HubRepository(string Name, string Revision = "main")
{
    /// <summary>Whether the revision is a commit, which never changes.</summary>
    public bool IsPinned => Commit().IsMatch(Revision);

    /// <summary>Reads <c>OWNER/NAME</c> or <c>OWNER/NAME@REVISION</c>.</summary>
    /// <exception cref="EmovaException">Neither of them.</exception>
    public static HubRepository Parse(string text) => TryParse(text, out HubRepository? repository)
        ? repository
        : throw new EmovaException($"'{text}' is not OWNER/NAME or OWNER/NAME@REVISION (letters, digits, '.', '_', '-')");

    /// <summary>As <see cref="Parse"/>; false for text of another form.</summary>
    public static bool TryParse(string text, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out HubRepository? repository)
    {
        ArgumentNullException.ThrowIfNull(text);
        int at = text.IndexOf('@', StringComparison.Ordinal);
        HubRepository parsed = at < 0 ? new(text) : new(text[..at], text[(at + 1)..]);
        // ".." would lead out of the cache folder, "--" separates owner and name there.
        bool isValid = RepositoryName().IsMatch(parsed.Name) && RevisionName().IsMatch(parsed.Revision)
            && !text.Contains("..", StringComparison.Ordinal) && !parsed.Name.Contains("--", StringComparison.Ordinal);
        repository = isValid ? parsed : null;
        return isValid;
    }

    /// <inheritdoc/>
    public override string ToString() => Revision == "main" ? Name : $"{Name}@{Revision}";

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}\z")]
    private static partial Regex RepositoryName();

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\z")]
    private static partial Regex RevisionName();

    [GeneratedRegex(@"^[0-9a-f]{40}\z")]
    private static partial Regex Commit();
}

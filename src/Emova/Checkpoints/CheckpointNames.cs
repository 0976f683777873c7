namespace Emova.Checkpoints;

/// <summary>
/// The names of a checkpoint's tensors. Folders of the origin format hold <c>model.layers.0...</c>, <c>lm_head.weight</c>,
/// <c>model.vision_tower.vision_tower...</c>, <c>model.mm_projector...</c>; those of the Hugging Face format (<c>*-hf</c>) hold the same
/// tensors below other prefixes, which are not documented. So a part is recognized by what its names end with, whatever stands before.
/// </summary>
public sealed class CheckpointNames
{
    private const string Language = "model.";
    private const string Head = "lm_head.";
    private const string Vision = "model.vision_tower.vision_tower.";
    private const string Projector = "model.mm_projector.";
    private const string Newline = "model.image_newline";

    // Parts of this project's own folders; their names begin with these.
    private static readonly string[] OwnParts = ["speech_encoder.", "speech_decoder."];

    // One tensor every vision encoder of a kind has; the longer ending is looked for first.
    private static readonly string[] VisionAnchors =
    [
        "patch_embed.proj.weight", // Qwen2-ViT
        "vision_model.embeddings.patch_embedding.weight", // CLIP, SigLIP
        "embeddings.patch_embedding.weight", // InternViT
        "unit_model.model.patch_generator.embedder.weight", // UNIT
    ];

    private static readonly string[] LanguageNames = ["embed_tokens.", "layers.", "norm."];

    // How the names of a projector go on: MLP; C-Abstractor and self-mining resampler.
    private static readonly string[] ProjectorEndings = ["0.weight", "2.weight", "downsampler.", "mlp.", "norm.", "pos_emb"];

    private readonly List<(string Stored, string Origin)> prefixes = [];

    private CheckpointNames()
    {
    }

    /// <summary>Stored and origin prefixes of the parts found, longest stored prefix first.</summary>
    public IReadOnlyList<(string Stored, string Origin)> Prefixes => prefixes;

    /// <summary>Whether the names are those of the origin format.</summary>
    public bool IsOrigin => prefixes.TrueForAll(pair => pair.Stored == pair.Origin);

    /// <summary>Recognizes the parts of a checkpoint.</summary>
    /// <param name="names">The names of all its tensors.</param>
    /// <exception cref="EmovaException">A part seems to be there twice.</exception>
    public static CheckpointNames Detect(IEnumerable<string> names)
    {
        string[] all = [.. names.Where(name => !OwnParts.Any(part => name.StartsWith(part, StringComparison.Ordinal)))];
        CheckpointNames result = new();
        result.Add(PrefixBefore(all, "embed_tokens.weight"), Language);
        result.Add(PrefixBefore(all, "lm_head.weight") is { } head ? head + Head : null, Head);
        result.Add(VisionAnchors.Select(anchor => PrefixBefore(all, anchor)).FirstOrDefault(prefix => prefix is not null), Vision);
        result.Add(PrefixBefore(all, "image_newline") is { } newline ? newline + "image_newline" : null, Newline);
        result.Add(ProjectorPrefix(all, result), Projector);
        result.prefixes.Sort((a, b) => b.Stored.Length.CompareTo(a.Stored.Length));
        return result;
    }

    /// <summary>The origin format's name of a stored tensor; the name itself when no part is recognized.</summary>
    public string ToOrigin(string stored)
    {
        foreach ((string prefix, string origin) in prefixes)
        {
            if (stored.StartsWith(prefix, StringComparison.Ordinal))
                return origin + stored[prefix.Length..];
        }

        return stored;
    }

    /// <summary>What this checkpoint calls a tensor of the origin format.</summary>
    public string ToStored(string name)
    {
        (string Stored, string Origin) best = default;
        foreach ((string Stored, string Origin) pair in prefixes)
        {
            if (name.StartsWith(pair.Origin, StringComparison.Ordinal) && pair.Origin.Length > (best.Origin?.Length ?? -1))
                best = pair;
        }

        return best.Origin is null ? name : best.Stored + name[best.Origin.Length..];
    }

    private void Add(string? stored, string origin)
    {
        if (stored is not null)
            prefixes.Add((stored, origin));
    }

    /// <summary>What stands before <paramref name="ending"/> in the one name that ends with it: empty, or up to a dot. Null without such a name.</summary>
    private static string? PrefixBefore(string[] names, string ending)
    {
        string? found = null;
        foreach (string name in names)
        {
            if (!name.EndsWith(ending, StringComparison.Ordinal))
                continue;
            string prefix = name[..^ending.Length];
            if (prefix.Length > 0 && !prefix.EndsWith('.'))
                continue;
            if (found is not null && found != prefix)
                throw new EmovaException($"the checkpoint has two tensors ending with {ending}: {SafetensorsHeader.Shorten(found + ending)} and {SafetensorsHeader.Shorten(name)}");
            found = prefix;
        }

        return found;
    }

    /// <summary>The projector is what remains: names of no other part, with one prefix before a projector's own names.</summary>
    private static string? ProjectorPrefix(string[] names, CheckpointNames parts)
    {
        // Other parts may lie below the prefix of the language model, so only its own names are taken.
        string[] taken = [.. parts.prefixes.SelectMany(pair => pair.Origin == Language ? LanguageNames.Select(name => pair.Stored + name) : [pair.Stored])];
        string[] named = [.. names.Where(name => name.Contains("mm_projector.", StringComparison.Ordinal))];
        if (named.Length > 0)
            return named[0][..(named[0].IndexOf("mm_projector.", StringComparison.Ordinal) + "mm_projector.".Length)];
        string[] rest = [.. names.Where(name => !taken.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal)))];
        foreach (string ending in ProjectorEndings)
        {
            foreach (string name in rest)
            {
                int at = name.IndexOf("." + ending, StringComparison.Ordinal);
                if (at >= 0 && rest.All(other => other.StartsWith(name[..(at + 1)], StringComparison.Ordinal)))
                    return name[..(at + 1)];
            }
        }

        return null;
    }
}

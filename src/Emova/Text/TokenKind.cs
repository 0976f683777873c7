namespace Emova.Text;

/// <summary>What a token id stands for.</summary>
public enum TokenKind : byte
{
    /// <summary>No token has this id.</summary>
    Unused,

    /// <summary>An ordinary piece of the byte-level vocabulary.</summary>
    Text,

    /// <summary>An added token that stays visible when special tokens are skipped: speech units, fixed phrases.</summary>
    Added,

    /// <summary>A control token such as <c>&lt;|im_end|&gt;</c>.</summary>
    Special,
}

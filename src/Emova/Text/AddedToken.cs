namespace Emova.Text;

/// <summary>One entry of <c>added_tokens</c> in a <c>tokenizer.json</c>.</summary>
/// <param name="Content">The literal text.</param>
/// <param name="Id">The token id.</param>
/// <param name="Special">Whether decoding may skip it.</param>
/// <param name="SingleWord">Matched only where no letter, digit or underscore touches it.</param>
/// <param name="StripLeft">Swallows white space in front.</param>
/// <param name="StripRight">Swallows white space behind.</param>
/// <param name="Normalized">Looked for in the normalized text instead of the raw text.</param>
internal sealed record AddedToken(string Content, int Id, bool Special, bool SingleWord, bool StripLeft, bool StripRight, bool Normalized);

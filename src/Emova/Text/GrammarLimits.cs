namespace Emova.Text;

/// <summary>Upper bounds on the free parts of a reply. A token that crosses a bound is still finished.</summary>
/// <param name="TextBytes">Bytes of each text.</param>
/// <param name="Units">Speech units; 1000 are 40 seconds and more.</param>
public sealed record GrammarLimits(int TextBytes = 1024, int Units = 1000);

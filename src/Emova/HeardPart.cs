namespace Emova;

/// <summary>What a person heard of a reply before interrupting it.</summary>
/// <param name="Units">Units that were heard, at least in part.</param>
/// <param name="Samples">Where the last of them ends; 0 when nothing was heard.</param>
public sealed record HeardPart(int Units, int Samples);

using Emova.Generation;
using Emova.Text;

namespace Emova;

/// <summary>Settings of a conversation.</summary>
public sealed record ConversationOptions
{
    /// <summary>How tokens are chosen; the most likely one by default.</summary>
    public SamplingOptions Sampling { get; init; } = SamplingOptions.Greedy;

    /// <summary>How answers sound.</summary>
    public VoiceOptions Voice { get; init; } = new();

    /// <summary>Bounds on the length of an answer.</summary>
    public GrammarLimits Limits { get; init; } = new();

    /// <summary>Most tokens to guess per step from what was written before, 0 to 64; answers do not depend on it.</summary>
    public int DraftTokens { get; init; }

    /// <summary>Name of the adapter that changes the model (<see cref="Assistant.LoadAdapter"/>); null takes <see cref="Assistant.DefaultAdapter"/>.</summary>
    public string? Adapter { get; init; }

    /// <summary>Positions to remember; null takes the model's maximum, but not more than 8192.</summary>
    public int? ContextLength { get; init; }
}

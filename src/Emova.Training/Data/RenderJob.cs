namespace Emova.Training.Data;

/// <summary>One utterance to render: a line of <c>speech/plan.jsonl</c>. Jitter depends on the id and text only.</summary>
public sealed record RenderJob(string Id, string Text, string Voice, string Style, string Kind, string Split);

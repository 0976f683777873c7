namespace Emova.Training.Data;

/// <summary>What one side says: text with the emotion and pitch it is said in.</summary>
public sealed record Remark(string Text, string Emotion, string Pitch);

/// <summary>One question and its answer.</summary>
public sealed record DialogueTurn(Remark User, Remark Reply);

/// <summary>A conversation of one to three turns: a line of <c>dialogue/{split}.jsonl</c>.</summary>
/// <param name="Id">Unique id.</param>
/// <param name="Task">vqa, caption, chat, style-wish, unknown or followup.</param>
/// <param name="Scene">The picture, or null for a conversation without one.</param>
/// <param name="Turns">The turns in order.</param>
public sealed record Dialogue(string Id, string Task, Scene? Scene, IReadOnlyList<DialogueTurn> Turns);

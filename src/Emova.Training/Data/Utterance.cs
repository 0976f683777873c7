namespace Emova.Training.Data;

/// <summary>One rendered utterance: a line of <c>speech/index.jsonl</c>.</summary>
/// <param name="Id">Unique id.</param>
/// <param name="Text">Lower-case words separated by single spaces.</param>
/// <param name="Voice">flite voice: slt, awb, rms, kal16 or one of <see cref="StrangerSynthesizer.Voices"/>.</param>
/// <param name="Style">Style name such as <c>female-happy-high</c>.</param>
/// <param name="Kind">canonical, question, styled, unseen (flite's other voices, for testing) or stranger (training voices that are only ever heard).</param>
/// <param name="Split">train, validation or test.</param>
/// <param name="Shard">Shard file relative to the corpus folder, 16 kHz mono int16.</param>
/// <param name="Offset">Byte offset in the shard.</param>
/// <param name="Samples">Number of samples.</param>
/// <param name="Phones">Lower-case phones in order, without pauses.</param>
public sealed record Utterance(
    string Id, string Text, string Voice, string Style, string Kind, string Split,
    string Shard, long Offset, int Samples, IReadOnlyList<string> Phones);

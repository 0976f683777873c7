using System.Text.Json;
using Emova.Evaluation.Data;
using Emova.Evaluation.Reports;
using Emova.Models.Speech;
using Emova.Text;

namespace Emova.Evaluation.Tiny;

/// <summary>Replies drawn at temperature 1: however unlikely, each must be the JSON object it should be, with legal units only.</summary>
internal static class SampledPart
{
    public static Task RunAsync(TinyRun run)
    {
        TestDialogue[] dialogues = [.. run.Dialogues.Where(dialogue => SpokenPart.IsRecorded(run, dialogue))];
        if (dialogues.Length == 0) throw new EmovaException($"{run.Corpus.Folder}: no test dialogue with a recorded question");
        bool[] legal = run.Map("sampling", [.. Enumerable.Range(0, run.Options.SampledReplies)], i =>
        {
            TestDialogue dialogue = dialogues[i % dialogues.Length];
            return IsLegal(run.Model.Converse(run.Corpus.ReadPicture(dialogue), [SpokenPart.Recording(run, dialogue.Turns[0])], 1, run.Options.Seed + i)[0].Raw);
        });
        run.Add("replies at temperature 1 that parse, with legal units only", run.Share(legal), Target.Min(100));
        return Task.CompletedTask;
    }

    /// <summary>Judged on the raw text by the platform's JSON parser, not by the grammar that wrote it.</summary>
    internal static bool IsLegal(string raw)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(raw);
            return document.RootElement.EnumerateObject().Select(property => property.Name).SequenceEqual(ReplyFormat.Keys)
                && ReplyFormat.Emotions.Contains(Value(ReplyFormat.UserEmotion)) && ReplyFormat.Emotions.Contains(Value(ReplyFormat.ResponseEmotion))
                && ReplyFormat.Pitches.Contains(Value(ReplyFormat.UserPitch)) && ReplyFormat.Pitches.Contains(Value(ReplyFormat.ResponsePitch))
                && SpeechUnits.Parse(Value(ReplyFormat.ResponseSpeech)).Length > 0;

            string Value(string key) => document.RootElement.GetProperty(key).GetString() ?? "";
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or EmovaException)
        {
            return false;
        }
    }
}

using System.Text;
using Emova.Text;

namespace Emova.Server.Engine;

/// <summary>From the messages of a request to the token ids of a prompt and the pictures in it.</summary>
internal static class PromptComposer
{
    /// <summary>The prompt's ids, one placeholder per picture, and the pictures in order.</summary>
    /// <exception cref="EmovaException">A recording is too short, or the model cannot see or hear.</exception>
    public static (List<int> Ids, List<PictureInput> Pictures) Compose(Assistant assistant, EngineRequest request, Func<SpeechInput, string> hear)
    {
        List<PictureInput> pictures = [];
        List<ConversationMessage> shown = [];
        foreach (EngineMessage message in request.Task == EngineTask.Answer ? request.Messages : request.Messages.TakeLast(1))
        {
            string text = message.Role == ConversationRole.User ? UserText(assistant, request.Task, message, hear) : assistant.StripControls(message.Text ?? "");
            if (message.Picture is not null)
            {
                pictures.Add(message.Picture);
                text = $"{ImagePlaceholder.Text}\n{text}";
            }

            shown.Add(new ConversationMessage(message.Role, text));
        }

        shown.Add(new ConversationMessage(ConversationRole.Assistant, null));
        ConversationTemplate template = request.System is null || request.Task != EngineTask.Answer
            ? assistant.Template : assistant.Template.WithSystem(assistant.StripControls(request.System));
        return (ImagePlaceholder.Encode(template.Render(shown), assistant.Tokenizer), pictures);
    }

    /// <summary>How many of the oldest messages, in whole turns, have to go to save a number of positions; the last message always stays.</summary>
    /// <param name="assistant">The model.</param>
    /// <param name="messages">The conversation; its recordings were heard and its pictures seen.</param>
    /// <param name="positions">What all of them take in the prompt, with what stands around each.</param>
    /// <param name="surplus">Positions to save; it may become a few less, when messages are not equally long, but at least one turn goes.</param>
    public static int OldestTurns(Assistant assistant, IReadOnlyList<EngineMessage> messages, int positions, int surplus)
    {
        int[] lengths = [.. messages.Select(message => Length(assistant, message))];
        double around = Math.Max(0, positions - lengths.Sum()) / (double)messages.Count, saved = 0;
        int count = 0;
        while (saved < surplus && count < messages.Count - 1)
        {
            do
                saved += lengths[count++] + around;
            while (count < messages.Count - 1 && messages[count].Role != ConversationRole.User);
        }

        // What is left has to begin with the user.
        return count == messages.Count || messages[count].Role == ConversationRole.User ? count : 0;
    }

    private static int Length(Assistant assistant, EngineMessage message) =>
        assistant.Tokenizer.Encode(message.Text ?? "").Count + (message.Speech?.Units is { } units ? assistant.Tokenizer.Encode(units).Count : 0)
        + (message.Picture?.Features?.RowsFor(assistant.Model.Language.Config.HiddenSize) ?? 0);

    /// <summary>How many ids of each kind a prompt has; a picture counts as many as it has rows.</summary>
    public static PromptUsage Count(Assistant assistant, List<int> ids, IEnumerable<PictureInput> pictures, int cached)
    {
        int images = ids.Count(id => id == ImagePlaceholder.Id);
        int audio = assistant.Speech is { } speech ? ids.Count(id => id >= 0 && speech.UnitOf(id) >= 0) : 0;
        int rows = pictures.Sum(picture => picture.Features!.RowsFor(assistant.Model.Language.Config.HiddenSize));
        return new PromptUsage(ids.Count - images - audio, audio, rows, cached);
    }

    private static string UserText(Assistant assistant, EngineTask task, EngineMessage message, Func<SpeechInput, string> hear)
    {
        string typed = message.Text is null ? "" : assistant.PrepareText(message.Text);
        if (task == EngineTask.Speak)
            return typed.Length > 0 ? SpeechPrompts.Speak + typed : throw new EmovaException("there is nothing to say in the text");
        if (message.Speech is null)
            return typed;
        if (task == EngineTask.Transcribe)
            return SpeechPrompts.Transcribe + hear(message.Speech);
        StringBuilder text = new(typed);
        if (typed.Length > 0)
            text.Append('\n');
        return text.Append(SpeechPrompts.Dialogue).Append(hear(message.Speech)).ToString();
    }
}

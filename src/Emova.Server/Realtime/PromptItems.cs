using Emova.Server.Chat;
using Emova.Server.Engine;
using Emova.Server.Realtime.Wire;
using Emova.Text;

namespace Emova.Server.Realtime;

/// <summary>From the items of a conversation to what the engine is asked.</summary>
internal static class PromptItems
{
    /// <summary>The request of a response.</summary>
    /// <param name="entries">The context, oldest first.</param>
    /// <param name="settings">The response.</param>
    /// <param name="voice">The options of its voice.</param>
    /// <param name="canSpeak">Whether the model has a voice.</param>
    /// <param name="heard">The entry whose speech the reply will begin with a transcript of; null when the turn is typed.</param>
    /// <param name="sources">The entries behind each message.</param>
    /// <exception cref="RealtimeException">There is nothing to answer.</exception>
    public static EngineRequest Compose(
        IReadOnlyList<ConversationEntry> entries, ResponseSettings settings, VoiceOptions voice, bool canSpeak, out ConversationEntry? heard,
        out IReadOnlyList<IReadOnlyList<ConversationEntry>> sources)
    {
        List<EngineMessage> messages = [];
        List<List<ConversationEntry>> behind = [];
        sources = behind;
        List<string> system = settings.Instructions.Length > 0 ? [settings.Instructions] : [];
        heard = null;
        // A new picture begins anew, as it does in a conversation without a server: what was said about another one would only confuse.
        int start = Math.Max(0, entries.ToList().FindLastIndex(entry => entry.Pictures.Count > 0));
        for (int i = 0; i < entries.Count; i++)
        {
            ConversationEntry entry = entries[i];
            if (entry.Item is MessageItem { Role: "system" } instructions)
                system.Add(TextOf(instructions));
            else if (i >= start)
                Add(messages, entry, ref heard);
            while (behind.Count < messages.Count)
                behind.Add([]);
            if (i >= start && behind.Count > 0 && entry.Item is not MessageItem { Role: "system" })
                behind[^1].Add(entry);
        }

        if (messages.Count == 0 || messages[^1].Role != ConversationRole.User)
        {
            // A greeting, for instance: the application speaks first and says what about.
            if (!settings.HasOwnInstructions)
                throw RealtimeException.Invalid("response", "There is nothing to answer: the conversation has no user message after the last answer, and 'response.instructions' is empty.");
            messages.Add(new EngineMessage(ConversationRole.User, settings.Instructions));
            system.RemoveAt(0);
            heard = null;
        }

        return new EngineRequest
        {
            Messages = messages,
            System = system.Count == 0 ? null : string.Join('\n', system),
            Speak = settings.Spoken && canSpeak,
            Voice = settings.Output.Apply(voice),
            MaxTokens = settings.MaxOutputTokens.Value,
            Truncation = settings.Truncation,
        };
    }

    /// <summary>All typed and shown text of a message.</summary>
    public static string TextOf(MessageItem message) => string.Join('\n', message.Content.Select(part => part switch
    {
        InputText text => text.Text,
        OutputText text => text.Text,
        OutputAudio audio => audio.Transcript,
        _ => null,
    }).Where(text => !string.IsNullOrEmpty(text)));

    private static void Add(List<EngineMessage> messages, ConversationEntry entry, ref ConversationEntry? heard)
    {
        switch (entry.Item)
        {
            case MessageItem { Role: "user" } message:
                AddUser(messages, TextOf(message), entry, ref heard);
                break;
            case MessageItem message:
                AddAssistant(messages, entry.Raw ?? TextOf(message));
                break;
            case FunctionCallItem call:
                AddAssistant(messages, ToolPrompt.Call(call.Name, call.Arguments));
                break;
            case FunctionOutputItem output:
                AddUser(messages, ToolPrompt.Result(output.Output), entry, ref heard);
                break;
        }
    }

    private static void AddAssistant(List<EngineMessage> messages, string text)
    {
        if (messages.Count > 0 && messages[^1] is { Role: ConversationRole.Assistant } last)
            messages[^1] = last with { Text = $"{last.Text}\n{text}" };
        else if (text.Length > 0)
            messages.Add(new EngineMessage(ConversationRole.Assistant, text));
    }

    /// <summary>Items of the same speaker one after the other, a picture and then a question, are one message to the model.</summary>
    private static void AddUser(List<EngineMessage> messages, string text, ConversationEntry entry, ref ConversationEntry? heard)
    {
        EngineMessage? last = messages.Count > 0 && messages[^1].Role == ConversationRole.User ? messages[^1] : null;
        PictureInput? picture = entry.Pictures.Count > 0 ? entry.Pictures[^1] : null;
        SpeechInput? speech = entry.Speech.Count > 0 ? entry.Speech[^1] : null;
        heard = speech is not null ? entry : last is null ? null : heard;
        if (last is null || last.Speech is not null && speech is not null)
        {
            messages.Add(new EngineMessage(ConversationRole.User, text.Length > 0 ? text : null, speech, picture));
            return;
        }

        string joined = string.IsNullOrEmpty(last.Text) ? text : text.Length == 0 ? last.Text : $"{last.Text}\n{text}";
        messages[^1] = last with { Text = joined.Length > 0 ? joined : null, Speech = speech ?? last.Speech, Picture = picture ?? last.Picture };
    }

    /// <summary>Units as the model writes them.</summary>
    public static string UnitText(IReadOnlyList<int> units) => string.Concat(units.Select(unit => $"<|speech_{unit}|>"));
}

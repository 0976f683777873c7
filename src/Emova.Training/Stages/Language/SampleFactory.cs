using Emova.Models.Speech;
using Emova.Text;
using Emova.Training.Data;

namespace Emova.Training.Stages.Language;

/// <summary>
/// Turns corpus entries into prompts and labels, with the runtime's own templates, so that training and inference see the same bytes.
/// </summary>
/// <param name="corpus">texts and utterances</param>
/// <param name="units">units of the utterances; null before they exist (stages `language` and `pretrain`)</param>
/// <param name="tokenizer">tokenizer of the stage</param>
/// <param name="split">train, validation or test: spoken forms come from the same split</param>
/// <param name="pictureVariants">number of drawings of a picture to choose from</param>
/// <param name="unitLevels">levels per digit of the units; null = those of the speech encoder</param>
public sealed class SampleFactory(
    TinyCorpus corpus, SpeechUnitsTable? units, HuggingFaceTokenizer tokenizer, string split, int pictureVariants = 1, IReadOnlyList<int>? unitLevels = null)
{
    private static readonly ConversationTemplate Chat = ConversationTemplate.Qwen2;
    private static readonly ConversationTemplate Plain = ConversationTemplate.Get("plain");

    private readonly SpeechVocabulary? _speech = units is null ? null : new SpeechVocabulary(tokenizer, [.. unitLevels ?? []]);

    /// <summary>A sentence, every token of it predicted, ended like an answer.</summary>
    public TrainingSample Sentence(string text)
    {
        int[] ids = [.. tokenizer.Encode(text + Chat.Separator)];
        return new TrainingSample(LanguageTask.Sentence, ids, ids);
    }

    /// <summary>A typed conversation. What the picture shows, if there is one, stands in words where the picture would be.</summary>
    public TrainingSample Conversation(Dialogue dialogue) =>
        Build(LanguageTask.Conversation, Messages(dialogue, (turn, first) =>
            first && dialogue.Scene is not null ? $"{SceneDescription.Of(dialogue.Scene)}\n{turn.User.Text}" : turn.User.Text));

    /// <summary>A picture and its caption in the form of the first stage.</summary>
    public TrainingSample Caption(Dialogue dialogue, Random random)
    {
        List<ConversationMessage> messages =
        [
            new(ConversationRole.User, ImagePlaceholder.Text),
            new(ConversationRole.Assistant, dialogue.Turns[0].Reply.Text),
        ];
        return Build(LanguageTask.Caption, messages, Plain, dialogue.Scene, Variant(random));
    }

    /// <summary>A picture and the list of all that is on it.</summary>
    public TrainingSample Inventory(Scene scene, Random random) => Build(
        LanguageTask.Caption, Ask(ImagePlaceholder.Text, SceneDescription.Of(scene)), Plain, scene, Variant(random));

    /// <summary>A typed conversation with the picture itself.</summary>
    public TrainingSample Picture(Dialogue dialogue, Random random) =>
        Build(LanguageTask.Picture, Messages(dialogue, (turn, first) => Illustrated(dialogue, first, turn.User.Text)), Chat, dialogue.Scene, Variant(random));

    /// <summary>Speech to text.</summary>
    public TrainingSample Transcribe(Utterance utterance, Random random) =>
        Build(LanguageTask.Transcribe, Ask(SpeechPrompts.Transcribe + HeardText(utterance, random), utterance.Text));

    /// <summary>Text to speech in the canonical voice.</summary>
    public TrainingSample Speak(Utterance canonical) =>
        Build(LanguageTask.Speak, Ask(SpeechPrompts.Speak + canonical.Text, UnitText(canonical)));

    /// <summary>A spoken conversation: every question in a random rendering, every answer the JSON reply with canonical units.</summary>
    public TrainingSample Spoken(Dialogue dialogue, Random random)
    {
        List<ConversationMessage> messages = [];
        foreach (DialogueTurn turn in dialogue.Turns)
        {
            Utterance question = Rendering(turn.User, random);
            string prompt = Illustrated(dialogue, messages.Count == 0, SpeechPrompts.Dialogue + HeardText(question, random));
            messages.Add(new ConversationMessage(ConversationRole.User, prompt));
            messages.Add(new ConversationMessage(ConversationRole.Assistant, ReplyFormat.Write(
                turn.User.Text, turn.User.Emotion, turn.User.Pitch, turn.Reply.Text, turn.Reply.Emotion, turn.Reply.Pitch, UnitText(Canonical(turn.Reply.Text)))));
        }

        LanguageTask task = dialogue.Scene is null ? LanguageTask.SpokenReply : LanguageTask.SpokenPicture;
        return Build(task, messages, Chat, dialogue.Scene, dialogue.Scene is null ? 0 : Variant(random));
    }

    /// <summary>The canonical utterance of a text.</summary>
    public Utterance Canonical(string text) => corpus.Saying(text, "canonical", split) is [Utterance first, ..]
        ? first
        : throw new InvalidDataException($"{corpus.Folder}: no canonical utterance says '{text}' in {split}");

    /// <summary>Whether every text of a dialogue exists as speech.</summary>
    public bool IsSpoken(Dialogue dialogue) => units is not null && dialogue.Turns.All(t =>
        corpus.Saying(t.User.Text, "question", split).Any(u => units.Contains(u.Id))
        && corpus.Saying(t.Reply.Text, "canonical", split) is [Utterance reply, ..] && units.Contains(reply.Id));

    /// <summary>Units of an utterance with runs collapsed, as the tokens the model has for them.</summary>
    private string UnitText(Utterance utterance) => LegalText(units![utterance.Id]);

    /// <summary>The same for speech that is heard: sometimes as somebody else would have said it.</summary>
    private string HeardText(Utterance utterance, Random random) => LegalText(units!.Any(utterance.Id, random));

    private string LegalText(int[] frames) => _speech!.ToLegalText(SpeechUnits.Collapse(frames).Units);

    /// <summary>A rendering in the emotion and pitch the dialogue asks for where there is one, else any.</summary>
    private Utterance Rendering(Remark user, Random random)
    {
        IReadOnlyList<Utterance> all = corpus.Saying(user.Text, "question", split);
        Utterance[] fitting = [.. all.Where(u => u.Style.EndsWith($"-{user.Emotion}-{user.Pitch}", StringComparison.Ordinal))];
        IReadOnlyList<Utterance> choice = fitting.Length > 0 ? fitting : all;
        return choice.Count > 0
            ? choice[random.Next(choice.Count)]
            : throw new InvalidDataException($"{corpus.Folder}: no question utterance says '{user.Text}' in {split}");
    }

    private int Variant(Random random) => random.Next(pictureVariants);

    private static string Illustrated(Dialogue dialogue, bool first, string text) =>
        first && dialogue.Scene is not null ? $"{ImagePlaceholder.Text}\n{text}" : text;

    private static List<ConversationMessage> Ask(string question, string answer) =>
        [new(ConversationRole.User, question), new(ConversationRole.Assistant, answer)];

    private static List<ConversationMessage> Messages(Dialogue dialogue, Func<DialogueTurn, bool, string> userText)
    {
        List<ConversationMessage> messages = [];
        foreach (DialogueTurn turn in dialogue.Turns)
        {
            messages.Add(new ConversationMessage(ConversationRole.User, userText(turn, messages.Count == 0)));
            messages.Add(new ConversationMessage(ConversationRole.Assistant, turn.Reply.Text));
        }

        return messages;
    }

    private TrainingSample Build(LanguageTask task, List<ConversationMessage> messages, ConversationTemplate? template = null, Scene? scene = null, int variant = 0)
    {
        ConversationLabels labels = ConversationLabels.Build(template ?? Chat, messages, tokenizer);
        return labels.LengthsDisagree
            ? throw new InvalidOperationException($"the labels of a {task} sample do not add up: '{messages[0].Text}'")
            : new TrainingSample(task, labels.Ids, labels.Labels, scene is null ? null : new DrawnPicture(scene, variant));
    }
}

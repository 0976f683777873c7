namespace Emova.Text;

/// <summary>
/// Token ids of a training conversation with their labels: <see cref="Ignore"/> on everything but the assistant's
/// answers and their end markers. Follows the reference's arithmetic per template family, which recomputes lengths round by
/// round; where they do not add up, the whole sample is ignored and <see cref="LengthsDisagree"/> says so.
/// </summary>
/// <param name="Ids">Token ids; <see cref="ImagePlaceholder.Id"/> for the image.</param>
/// <param name="Labels">As many labels: a token id, or <see cref="Ignore"/>.</param>
/// <param name="LengthsDisagree">Whether the sample was ignored because the rounds do not add up to the whole.</param>
public sealed record ConversationLabels(int[] Ids, int[] Labels, bool LengthsDisagree)
{
    /// <summary>The label of a token that is not trained.</summary>
    public const int Ignore = -100;

    /// <summary>Builds ids and labels.</summary>
    /// <param name="template">The template.</param>
    /// <param name="messages">User and assistant in turn; leading assistant messages are dropped.</param>
    /// <param name="encoder">The tokenizer.</param>
    /// <param name="oneTokenLessAfterFirstRound">True for SentencePiece tokenizers without "legacy" (families v1 and deepseek).</param>
    /// <exception cref="EmovaException">The messages do not alternate, or the template has no label rule for them.</exception>
    public static ConversationLabels Build(
        ConversationTemplate template, IReadOnlyList<ConversationMessage> messages, ITextEncoder encoder, bool oneTokenLessAfterFirstRound = false)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(encoder);
        ConversationMessage[] turns = [.. messages.SkipWhile(message => message.Role != ConversationRole.User)];
        for (int i = 0; i < turns.Length; i++)
        {
            if (turns[i].Role != (i % 2 == 0 ? ConversationRole.User : ConversationRole.Assistant) || turns[i].Text is null)
                throw new EmovaException($"conversation message {i + 1}: user and assistant have to alternate, each with text");
        }

        return template.Version switch
        {
            "plain" => Plain(template, turns, encoder),
            "Unknown" or "phi3" => Signals(template, turns, encoder),
            "glm4" => throw new EmovaException("conversation template 'glm4' has no label rule"),
            _ => Rounds(template, turns, encoder, oneTokenLessAfterFirstRound),
        };
    }

    /// <summary>Caption training: the image, then the supervised caption; the user's words are dropped.</summary>
    private static ConversationLabels Plain(ConversationTemplate template, ConversationMessage[] turns, ITextEncoder encoder)
    {
        if (turns.Length != 2 || !turns[0].Text!.Contains(ImagePlaceholder.Text, StringComparison.Ordinal))
            throw new EmovaException("conversation template 'plain' needs two messages, the first with an image");
        int[] ids = [.. ImagePlaceholder.Encode(ImagePlaceholder.Text + turns[1].Text + template.Separator, encoder)];
        int[] labels = [.. ids];
        labels.AsSpan(0, ImagePlaceholder.Encode(ImagePlaceholder.Text, encoder).Count).Fill(Ignore);
        return new ConversationLabels(ids, labels, false);
    }

    /// <summary>The oldest form: "### Speaker: text" lines; everything of the user but the two tokens of "###" is masked.</summary>
    private static ConversationLabels Signals(ConversationTemplate template, ConversationMessage[] turns, ITextEncoder encoder)
    {
        string header = template.System + "\n\n";
        string[] lines = [.. turns.Select(turn => $"### {(turn.Role == ConversationRole.User ? template.UserRole : template.AssistantRole)}: {turn.Text}\n")];
        int[] ids = [.. ImagePlaceholder.Encode(header + string.Concat(lines) + "### ", encoder)];
        int[] labels = [.. ids];
        int position = ImagePlaceholder.Encode(header, encoder).Count;
        Mask(labels, 0, position);
        for (int i = 0; i < lines.Length; i++)
        {
            int length = ImagePlaceholder.Encode(lines[i], encoder).Count;
            if (turns[i].Role == ConversationRole.User)
                Mask(labels, position + 2, position + length);
            position += length;
        }

        return new ConversationLabels(ids, labels, false);
    }

    private static ConversationLabels Rounds(ConversationTemplate template, ConversationMessage[] turns, ITextEncoder encoder, bool oneTokenLess)
    {
        RoundRule rule = RoundRule.For(template, encoder, oneTokenLess);
        string prompt = template.Render(turns);
        int[] ids = [.. ImagePlaceholder.Encode(prompt, encoder)];
        int[] labels = [.. ids];
        int position = rule.FirstPosition;
        Mask(labels, 0, position);
        int index = 0;
        foreach (string round in rule.Split(prompt))
        {
            string[] parts = round.Split(rule.AnswerStart);
            if (round.Length == 0 || parts.Length != 2)
                break;
            int later = index++ == 0 ? 0 : rule.ExtraAfterFirst;
            int roundLength = ImagePlaceholder.Encode(round, encoder).Count + rule.RoundExtra + later;
            int instruction = ImagePlaceholder.Encode(parts[0] + rule.AnswerStart, encoder).Count + rule.InstructionExtra + later;
            Mask(labels, position, position + instruction);
            position += roundLength;
        }

        Mask(labels, position, labels.Length);
        bool disagree = position != ids.Length;
        if (disagree)
            Array.Fill(labels, Ignore);
        return new ConversationLabels(ids, labels, disagree);
    }

    private static void Mask(int[] labels, int start, int end)
    {
        start = Math.Clamp(start, 0, labels.Length);
        labels.AsSpan(start, Math.Clamp(end, start, labels.Length) - start).Fill(Ignore);
    }

    /// <summary>How a template family cuts its prompt into rounds, and the token counts it adds.</summary>
    /// <param name="Separator">Ends a message or a round.</param>
    /// <param name="MessagesJoined">Whether the pieces are messages: system + user + assistant first, then user + assistant.</param>
    /// <param name="AnswerStart">Where the answer of a round begins.</param>
    /// <param name="FirstPosition">Tokens before the first round (1: BOS).</param>
    /// <param name="RoundExtra">Added to the tokens of a round: what its cut-off separator is worth.</param>
    /// <param name="InstructionExtra">Added to the tokens of a round's instruction.</param>
    /// <param name="ExtraAfterFirst">Added to both from the second round on.</param>
    private sealed record RoundRule(
        string Separator, bool MessagesJoined, string AnswerStart, int FirstPosition, int RoundExtra, int InstructionExtra, int ExtraAfterFirst)
    {
        public static RoundRule For(ConversationTemplate template, ITextEncoder encoder, bool oneTokenLess) => template.Version switch
        {
            // <|im_end|> and the newline are two tokens; no BOS.
            "qwen2" or "qwen2_demo" => new(template.Separator, true, template.Separator + template.AssistantRole, 0, 2, 0, 0),
            // Every round is tokenized with a BOS of its own: one too many from the second on.
            "llama3" => new(template.Separator, true, template.Separator + template.AssistantRole, 0, 1, 0, -1),
            "mpt" => new(template.Separator, true, template.Separator + template.AssistantRole, 0, encoder.Encode(template.Separator).Count, 0, 0),
            "llama_v2" => new(template.Separator2!, false, "[/INST] ", 1, 0, -2, 0),
            // The -2: BOS, and the trailing space that belongs to the answer's first token.
            _ => new(template.Separator2!, false, template.Separator + template.AssistantRole + ": ", 1, 0, -2, oneTokenLess ? -1 : 0),
        };

        public IEnumerable<string> Split(string prompt)
        {
            string[] pieces = prompt.Split(Separator);
            if (!MessagesJoined)
                return pieces;
            return pieces.Take(3).Chunk(3).Concat(pieces.Skip(3).Chunk(2)).Select(chunk => string.Join(Separator, chunk));
        }
    }
}

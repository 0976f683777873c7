using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Emova.Generation;
using Emova.Text;

namespace Emova;

/// <summary>
/// A conversation over several turns, typed or spoken, about at most one picture. Answers are streamed while they are written.
/// One conversation serves one turn at a time; conversations of one <see cref="Assistant"/> may run at the same time.
/// </summary>
public sealed class Conversation
{
    private readonly Assistant _assistant;
    private readonly ConversationOptions _options;
    private readonly SequenceCache _memory;
    private readonly Sampler _sampler;
    private readonly List<ConversationMessage> _messages = [];
    private PromptImage? _image;
    private PendingReply? _pending;

    internal Conversation(Assistant assistant, ConversationOptions options)
    {
        options.Voice.Validate();
        if (options.DraftTokens is < 0 or > 64)
            throw new EmovaException($"draft tokens are {options.DraftTokens}, allowed are 0 to 64");
        _assistant = assistant;
        _options = options;
        _memory = assistant.NewMemory(options);
        _sampler = new Sampler(options.Sampling, assistant.Model.Language.Config.VocabSize);
    }

    /// <summary>Positions the model holds of this conversation.</summary>
    public int HeldPositions => _memory.Length;

    /// <summary>Messages so far, user and assistant in turn, as the model sees them.</summary>
    public IReadOnlyList<ConversationMessage> Messages => _messages;

    /// <summary>Forgets everything, the picture too.</summary>
    public void Reset()
    {
        _messages.Clear();
        (_image, _pending) = (null, null);
        _memory.Truncate(0);
    }

    /// <summary>Answers a turn.</summary>
    /// <param name="turn">What the person said, typed or showed.</param>
    /// <param name="onEvent">Called on this thread with everything that becomes known, in order; the last one is the finished reply.</param>
    /// <param name="cancellationToken">Stops the answer; the turn is forgotten then.</param>
    /// <exception cref="EmovaException">The turn is empty, the audio or picture cannot be used, or the conversation is full.</exception>
    /// <exception cref="OperationCanceledException">The answer was stopped.</exception>
    public Reply Respond(UserTurn turn, Action<ReplyEvent>? onEvent = null, CancellationToken cancellationToken = default)
    {
        PendingReply reply = Begin(turn, onEvent, cancellationToken);
        return reply.Run(_assistant, cancellationToken);
    }

    /// <summary>
    /// Begins to answer a turn: looks at its picture and listens to its speech on this thread, and leaves the writing to a
    /// <see cref="DecodeLoop"/>. One turn at a time; the conversation goes on when the reply has ended.
    /// </summary>
    /// <param name="turn">What the person said, typed or showed.</param>
    /// <param name="onEvent">Called with everything that becomes known, on the thread that makes it known.</param>
    /// <param name="cancellationToken">Stops the looking and listening.</param>
    /// <exception cref="EmovaException">The turn is empty, the audio or picture cannot be used, or the conversation is full.</exception>
    public PendingReply Begin(UserTurn turn, Action<ReplyEvent>? onEvent = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(turn);
        if (_pending is { HasEnded: false })
            throw new InvalidOperationException("the reply before is still being made");
        if (turn.Audio is null && string.IsNullOrWhiteSpace(turn.Text))
            throw new EmovaException("a turn needs speech or text");
        ReplyBuilder builder = new(_assistant, _options.Voice, onEvent);
        if (turn.Image is not null)
        {
            PromptImage image = builder.Time(ReplyBuilder.Part.Image, () => _assistant.EncodeImage(turn.Image));
            Reset();
            _image = image;
        }

        cancellationToken.ThrowIfCancellationRequested();
        bool isSpoken = turn.Audio is not null;
        string text = isSpoken
            ? SpeechPrompts.Dialogue + builder.Time(ReplyBuilder.Part.Speech, () => _assistant.EncodeToText(turn.Audio!))
            : _assistant.PrepareText(turn.Text!);
        cancellationToken.ThrowIfCancellationRequested();
        _messages.Add(new ConversationMessage(ConversationRole.User, text));
        try
        {
            ReplyGrammar grammar = isSpoken ? _assistant.DialogueGrammar : _assistant.TextGrammar;
            Prompt prompt = FittingPrompt(grammar.TokensToFinish);
            return _pending = new PendingReply(
                builder, isSpoken ? ReplyKind.Dialogue : ReplyKind.Text,
                onToken => new TokenWriter(_memory, prompt, grammar.Start(_options.Limits), grammar.TokensToFinish, _sampler, onToken) { DraftTokens = _options.DraftTokens },
                !isSpoken && turn.Speak ? raw => _assistant.SpeechWriter(raw, _options, builder) : null, Remember);
        }
        catch
        {
            Remember(null);
            throw;
        }
    }

    /// <summary>Answers a turn on another thread and streams what becomes known.</summary>
    /// <param name="turn">What the person said, typed or showed.</param>
    /// <param name="cancellationToken">Stops the answer; the turn is forgotten then.</param>
    public async IAsyncEnumerable<ReplyEvent> RespondAsync(UserTurn turn, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Channel<ReplyEvent> events = Channel.CreateUnbounded<ReplyEvent>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        Task work = Task.Run(
            () =>
            {
                try
                {
                    Respond(turn, happening => events.Writer.TryWrite(happening), stop.Token);
                }
                finally
                {
                    events.Writer.Complete();
                }
            }, CancellationToken.None);
        try
        {
            await foreach (ReplyEvent happening in events.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
                yield return happening;
        }
        finally
        {
            // A reader that leaves early must not leave the model busy behind its back.
            await stop.CancelAsync().ConfigureAwait(false);
            await work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await work.ConfigureAwait(false);
    }

    /// <summary>
    /// Ends the last reply where its listener was interrupted, while it is being made or afterwards: the conversation remembers it up to
    /// the last unit that was heard, by the voice's own durations, and goes back there in constant time. A reply of which nothing to be
    /// spoken is written yet is given up, with its turn. A typed answer that was read aloud stays as it is.
    /// </summary>
    /// <param name="samplesHeard">Samples of the reply's audio that were played.</param>
    /// <exception cref="InvalidOperationException">There is no reply.</exception>
    public HeardPart Truncate(long samplesHeard)
    {
        PendingReply reply = _pending ?? throw new InvalidOperationException("there is no reply to truncate");
        HeardPart heard = reply.Interrupt(samplesHeard, out IReadOnlyList<int>? tokens);
        bool isRemembered = _messages[^1].Role == ConversationRole.Assistant;
        if (tokens is null)
        {
            if (!isRemembered)
                Remember(null);
            return heard;
        }

        _memory.Truncate(Math.Min(_memory.Length, reply.PromptLength + tokens.Count));
        if (isRemembered)
            _messages.RemoveAt(_messages.Count - 1);
        Remember(_assistant.Tokenizer.Decode(tokens) + ReplyFormat.End);
        return heard;
    }

    /// <summary>Notes the answer to the last turn, or forgets the turn.</summary>
    private void Remember(string? answer)
    {
        if (answer is not null)
        {
            _messages.Add(new ConversationMessage(ConversationRole.Assistant, answer));
            return;
        }

        int last = _messages.FindLastIndex(message => message.Role == ConversationRole.User);
        _messages.RemoveRange(last, _messages.Count - last);
    }

    /// <summary>The prompt of all messages. The oldest turns are forgotten when it leaves too little room; the picture stays.</summary>
    private Prompt FittingPrompt(int tokensToFinish)
    {
        int room = Math.Max(tokensToFinish, _memory.Capacity / 4);
        while (true)
        {
            ConversationMessage first = _messages[0];
            string text = _image is null ? first.Text! : $"{ImagePlaceholder.Text}\n{first.Text}";
            List<ConversationMessage> shown = [first with { Text = text }, .. _messages.Skip(1), new(ConversationRole.Assistant, null)];
            Prompt prompt = _assistant.PromptOf(shown, _image is null ? [] : [_image]);
            if (_messages.Count < 3 || prompt.Length + room <= _memory.Capacity)
                return prompt;
            _messages.RemoveRange(0, 2);
        }
    }
}

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
    private readonly PromptCache _memory;
    private readonly Generator _generator;
    private readonly Sampler _sampler;
    private readonly List<ConversationMessage> _messages = [];
    private float[]? _imageFeatures;

    internal Conversation(Assistant assistant, ConversationOptions options)
    {
        options.Voice.Validate();
        _assistant = assistant;
        _options = options;
        _memory = new PromptCache(assistant.Model, assistant.ContextLength(options.ContextLength));
        _generator = new Generator(assistant.Model.Language);
        _sampler = new Sampler(options.Sampling, assistant.Model.Language.Config.VocabSize);
    }

    /// <summary>Messages so far, user and assistant in turn, as the model sees them.</summary>
    public IReadOnlyList<ConversationMessage> Messages => _messages;

    /// <summary>Forgets everything, the picture too.</summary>
    public void Reset()
    {
        _messages.Clear();
        _imageFeatures = null;
        _memory.Clear();
    }

    /// <summary>Answers a turn.</summary>
    /// <param name="turn">What the person said, typed or showed.</param>
    /// <param name="onEvent">Called on this thread with everything that becomes known, in order; the last one is the finished reply.</param>
    /// <param name="cancellationToken">Stops the answer; the turn is forgotten then.</param>
    /// <exception cref="EmovaException">The turn is empty, the audio or picture cannot be used, or the conversation is full.</exception>
    /// <exception cref="OperationCanceledException">The answer was stopped.</exception>
    public Reply Respond(UserTurn turn, Action<ReplyEvent>? onEvent = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(turn);
        if (turn.Audio is null && string.IsNullOrWhiteSpace(turn.Text))
            throw new EmovaException("a turn needs speech or text");
        ReplyBuilder builder = new(_assistant, _options.Voice, onEvent);
        if (turn.Image is not null)
        {
            float[] features = builder.Time(ReplyBuilder.Part.Image, () => _assistant.Model.EncodeImage(turn.Image));
            Reset();
            _imageFeatures = features;
        }

        cancellationToken.ThrowIfCancellationRequested();
        string text = turn.Audio is null
            ? _assistant.PrepareText(turn.Text!)
            : SpeechPrompts.Dialogue + builder.Time(ReplyBuilder.Part.Speech, () => _assistant.EncodeToText(turn.Audio));
        bool spoken = turn.Audio is not null;
        _messages.Add(new ConversationMessage(ConversationRole.User, text));
        bool done = false;
        try
        {
            string raw = Write(spoken ? _assistant.DialogueGrammar : _assistant.TextGrammar, builder, spoken, cancellationToken);
            _messages.Add(new ConversationMessage(ConversationRole.Assistant, raw));
            if (!spoken && turn.Speak)
                _assistant.SpeakInto(builder, raw, _options, cancellationToken);
            done = true;
        }
        finally
        {
            if (!done)
            {
                int last = _messages.FindLastIndex(message => message.Role == ConversationRole.User);
                _messages.RemoveRange(last, _messages.Count - last);
            }
        }

        return builder.Finish();
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

    private string Write(ReplyGrammar grammar, ReplyBuilder builder, bool spoken, CancellationToken cancellationToken)
    {
        List<int> prompt = FittingPrompt(grammar.TokensToFinish);
        List<int> written = [];
        int promptEnd = 0;
        try
        {
            promptEnd = builder.Time(ReplyBuilder.Part.Prefill, () => _memory.Read(prompt, _imageFeatures));
            cancellationToken.ThrowIfCancellationRequested();
            GrammarCursor cursor = grammar.Start(_options.Limits);
            _generator.Write(_memory.Cache, [promptEnd], cursor, grammar.TokensToFinish, _sampler, token =>
            {
                written.Add(token);
                builder.Take(token, spoken);
            }, cancellationToken);
            builder.Add(ReplyBuilder.Part.Prefill, _generator.FirstCall);
        }
        finally
        {
            _memory.Note(promptEnd, written);
        }

        return builder.FinishText(written, spoken);
    }

    /// <summary>The prompt of all messages. The oldest turns are forgotten when it leaves too little room; the picture stays.</summary>
    private List<int> FittingPrompt(int tokensToFinish)
    {
        int room = Math.Max(tokensToFinish, _memory.Cache.Capacity / 4);
        while (true)
        {
            ConversationMessage first = _messages[0];
            string text = _imageFeatures is null ? first.Text! : $"{ImagePlaceholder.Text}\n{first.Text}";
            List<ConversationMessage> shown = [first with { Text = text }, .. _messages.Skip(1), new(ConversationRole.Assistant, null)];
            List<int> prompt = ImagePlaceholder.Encode(_assistant.Template.Render(shown), _assistant.Tokenizer);
            if (_messages.Count < 3 || _memory.LengthOf(prompt, _imageFeatures) + room <= _memory.Cache.Capacity)
            {
                Assistant.RequireRoom(_memory.LengthOf(prompt, _imageFeatures), tokensToFinish, _memory.Cache.Capacity);
                return prompt;
            }

            _messages.RemoveRange(0, 2);
        }
    }
}

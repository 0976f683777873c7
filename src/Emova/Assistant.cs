using System.Collections.Concurrent;
using Emova.Checkpoints;
using Emova.Generation;
using Emova.Media;
using Emova.Models;
using Emova.Models.Language;
using Emova.Models.Speech;
using Emova.Text;

namespace Emova;

/// <summary>
/// A loaded EMOVA model with everything around it: it sees, listens, answers in text and aloud, transcribes and reads out.
/// One assistant serves any number of conversations, also at the same time.
/// </summary>
public sealed class Assistant
{
    /// <summary>Samples per second of the speech encoder's input; generated audio has the rate of the speech decoder.</summary>
    public const int SampleRate = SpeechTokenizer.InputSampleRate;

    /// <summary>What <see cref="Describe"/> asks unless told otherwise.</summary>
    public const string DescribeQuestion = "what do you see";

    private const string InnerSpeechTokenizer = "speech_tokenizer";
    private const string InnerVoices = "voices";
    private const int DefaultContextLength = 8192;
    private const long DefaultPrefixBytes = 64 << 20;

    private const int LongestMargin = 10_000; // ms

    private readonly bool _spokenText;
    private readonly int? _speechMargin;
    private readonly string[] _controlTexts;
    private readonly ConcurrentBag<DecodeLoop> _loops = [];
    private readonly ConcurrentDictionary<string, LoadedAdapter> _adapters = new(StringComparer.Ordinal);
    private readonly Lazy<ReplyGrammar> _textGrammar;
    private readonly Lazy<ReplyGrammar> _dialogueGrammar;
    private readonly Lazy<ReplyGrammar> _speechGrammar;

    private Assistant(ModelFolder folder, SpeechTokenizer? speechTokenizer)
    {
        // Beside the weights: reading a vocabulary takes about a quarter as long as reading a small model.
        string tokenizerPath = folder.TokenizerPath;
        Task<HuggingFaceTokenizer> tokenizer = Task.Run(() => HuggingFaceTokenizer.Load(tokenizerPath));
        Template = ConversationTemplate.Get(EmovaConfig.Read(folder.Config).ConversationTemplate);
        _spokenText = folder.Config.Text("text_form", "written", "written", "spoken") == "spoken";
        _speechMargin = folder.Config.Has("speech_margin_ms") ? folder.Config.WholeNumber("speech_margin_ms", 0, LongestMargin) : null;
        Model = EmovaModel.Load(folder);
        Tokenizer = tokenizer.GetAwaiter().GetResult();
        int rows = Model.Language.Config.VocabSize;
        if (Tokenizer.VocabularySize > rows)
            throw new EmovaException($"{folder.TokenizerPath}: has token ids up to {Tokenizer.VocabularySize - 1}, but the model's vocab_size is {rows}");
        SpeechParts = speechTokenizer ?? new SpeechTokenizer(
            Model.SpeechEncoder, Model.SpeechDecoder, Model.SpeechDecoder is { } decoder ? StyleTable.Load(folder, decoder.StyleDim) : null);
        IReadOnlyList<int>? levels = SpeechParts.Encoder?.Config.Levels ?? (SpeechParts.Decoder as SourceFilterVocoder)?.Config.Levels;
        Speech = levels is not null || SpeechParts.Decoder is not null ? new SpeechVocabulary(Tokenizer, [.. levels ?? []]) : null;
        _controlTexts = [.. Tokenizer.SpecialTokens.Append(ImagePlaceholder.Text).OrderByDescending(text => text.Length)];
        _textGrammar = new Lazy<ReplyGrammar>(() => ReplyGrammar.ForText(Tokenizer, Template.EndToken));
        _dialogueGrammar = new Lazy<ReplyGrammar>(() => ReplyGrammar.ForDialogue(Tokenizer, RequireSpeech(), Template.EndToken));
        _speechGrammar = new Lazy<ReplyGrammar>(() => ReplyGrammar.ForSpeech(Tokenizer, RequireSpeech(), Template.EndToken));
    }

    /// <summary>The model.</summary>
    public EmovaModel Model { get; }

    /// <summary>The tokenizer.</summary>
    public HuggingFaceTokenizer Tokenizer { get; }

    /// <summary>The prompt template (<see cref="EmovaConfig.ConversationTemplate"/>).</summary>
    public ConversationTemplate Template { get; }

    /// <summary>The speech tokens; null for a model without speech.</summary>
    public SpeechVocabulary? Speech { get; }

    /// <summary>What the model hears and speaks with: its own parts, or those of a speech tokenizer folder.</summary>
    public SpeechTokenizer SpeechParts { get; }

    /// <summary>The voice styles; null for a model that cannot speak.</summary>
    public StyleTable? Styles => SpeechParts.Styles;

    /// <summary>Beginnings of prompts that its conversations share.</summary>
    public PrefixStore Prefixes { get; } = new(DefaultPrefixBytes);

    /// <summary>Whether the model was trained on transcripts only: lower-case words, no punctuation, one language.</summary>
    internal bool KnowsSpokenTextOnly => _spokenText;

    internal ReplyGrammar TextGrammar => _textGrammar.Value;

    internal ReplyGrammar DialogueGrammar => _dialogueGrammar.Value;

    internal ReplyGrammar SpeechGrammar => _speechGrammar.Value;

    /// <summary>Loads a model folder.</summary>
    /// <param name="folder">The model.</param>
    /// <param name="speechTokenizer">
    /// A folder to take the speech parts from: EMOVA's speech tokenizer repository. When null, the model's own parts, or else a folder
    /// <c>speech_tokenizer</c> inside of the model's.
    /// </param>
    /// <exception cref="EmovaException">Something in the folder is missing, damaged, or does not fit the rest.</exception>
    public static Assistant Load(string folder, string? speechTokenizer = null)
    {
        using ModelFolder opened = ModelFolder.Open(folder);
        if (SpeechTokenizer.IsRepository(opened))
            throw new EmovaException($"{folder}: this is a speech tokenizer without a language model; give it beside a model");
        string inner = Path.Combine(folder, InnerSpeechTokenizer);
        if (speechTokenizer is null && !opened.Config.Has("speech_decoder_config") && Directory.Exists(inner))
            speechTokenizer = inner;
        Assistant assistant = new(opened, speechTokenizer is null ? null : LoadSpeechTokenizer(speechTokenizer));
        AddVoices(assistant.SpeechParts, folder);
        return assistant;
    }

    /// <summary>Loads only what hears and speaks: a speech tokenizer folder, or the speech parts of a model folder.</summary>
    /// <exception cref="EmovaException">Something in the folder is missing or damaged.</exception>
    public static SpeechTokenizer LoadSpeechTokenizer(string folder)
    {
        using ModelFolder opened = ModelFolder.Open(folder);
        SpeechTokenizer speech = SpeechTokenizer.Load(opened);
        AddVoices(speech, folder);
        return speech;
    }

    /// <summary>Names of the adapters that are loaded.</summary>
    public IReadOnlyCollection<string> Adapters => [.. _adapters.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The adapter of conversations that do not name one; null = the model as it is.</summary>
    public string? DefaultAdapter { get; set; }

    /// <summary>
    /// Loads an adapter (LoRA or DoRA, in the format of PEFT), or again when its files have changed, while conversations go on: those that
    /// began before keep what they have, later ones can use it by name.
    /// </summary>
    /// <param name="folder">The adapter.</param>
    /// <param name="name">What to call it; the name of its folder when null.</param>
    /// <returns>Its name.</returns>
    /// <exception cref="EmovaException">The folder is damaged, or does not fit this model.</exception>
    public string LoadAdapter(string folder, string? name = null)
    {
        name ??= Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        _adapters[name] = new LoadedAdapter(LoraAdapter.Load(AdapterFile.Open(folder), Model.Language), new PrefixStore(DefaultPrefixBytes));
        return name;
    }

    /// <summary>Forgets an adapter; conversations that use it go on.</summary>
    /// <returns>Whether there was one of that name.</returns>
    public bool RemoveAdapter(string name) => _adapters.TryRemove(name, out _);

    /// <summary>Begins a conversation.</summary>
    /// <exception cref="EmovaException">An option is out of range.</exception>
    public Conversation StartConversation(ConversationOptions? options = null) => new(this, options ?? new ConversationOptions());

    /// <summary>Writes down what is said.</summary>
    /// <param name="audio">Speech at any sample rate.</param>
    /// <param name="options">Sampling and limits.</param>
    /// <param name="onText">Called with new characters as they come.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="EmovaException">The audio is too short, or longer than the model can take.</exception>
    public string Transcribe(AudioClip audio, ConversationOptions? options = null, Action<string>? onText = null, CancellationToken cancellationToken = default)
    {
        PendingReply reply = BeginTranscription(audio, options, happening =>
        {
            if (happening is ReplyEvent.AnswerText text)
                onText?.Invoke(text.Text);
        });
        return reply.Run(this, cancellationToken).Raw;
    }

    /// <summary>Begins to write down what is said, as <see cref="Transcribe"/>, in steps of a <see cref="DecodeLoop"/>.</summary>
    /// <param name="audio">Speech at any sample rate.</param>
    /// <param name="options">Sampling and limits.</param>
    /// <param name="onEvent">Called with everything that becomes known.</param>
    /// <exception cref="EmovaException">The audio is too short, or longer than the model can take.</exception>
    public PendingReply BeginTranscription(AudioClip audio, ConversationOptions? options = null, Action<ReplyEvent>? onEvent = null)
    {
        ArgumentNullException.ThrowIfNull(audio);
        options ??= new ConversationOptions();
        ReplyBuilder builder = new(this, options.Voice, onEvent);
        string units = builder.Time(ReplyBuilder.Part.Speech, () => EncodeToText(audio));
        return new PendingReply(
            builder, ReplyKind.Text, onToken => WriterFor(SpeechPrompts.Transcribe + units, TextGrammar, options, onToken), next: null, onWritten: null);
    }

    /// <summary>Reads text aloud: the language model writes units, the vocoder voices them.</summary>
    /// <param name="text">What to say.</param>
    /// <param name="options">Voice, sampling and limits.</param>
    /// <param name="onAudio">Called with each piece of audio as soon as it exists.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="EmovaException">The text is empty or too long, or the style is unknown.</exception>
    public Reply Speak(string text, ConversationOptions? options = null, Action<AudioClip>? onAudio = null, CancellationToken cancellationToken = default)
    {
        PendingReply reply = BeginSpeech(text, options, happening =>
        {
            if (happening is ReplyEvent.AnswerAudio audio)
                onAudio?.Invoke(audio.Clip);
        });
        return reply.Run(this, cancellationToken);
    }

    /// <summary>Begins to read text aloud, as <see cref="Speak"/>, in steps of a <see cref="DecodeLoop"/>.</summary>
    /// <param name="text">What to say.</param>
    /// <param name="options">Voice, sampling and limits.</param>
    /// <param name="onEvent">Called with everything that becomes known.</param>
    /// <exception cref="EmovaException">The text is empty or too long, or the style is unknown.</exception>
    public PendingReply BeginSpeech(string text, ConversationOptions? options = null, Action<ReplyEvent>? onEvent = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        options ??= new ConversationOptions();
        ReplyBuilder builder = new(this, options.Voice.Validate(), onEvent);
        string prepared = PrepareText(text);
        if (prepared.Length == 0)
            throw new EmovaException("there is nothing to say in the text");
        builder.SetText(prepared);
        return new PendingReply(
            builder, ReplyKind.Units, onToken => WriterFor(SpeechPrompts.Speak + prepared, _speechGrammar.Value, options, onToken), next: null, onWritten: null);
    }

    /// <summary>Answers a question about a picture in text.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="question">What to ask; null for <see cref="DescribeQuestion"/>.</param>
    /// <param name="options">Sampling and limits.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="EmovaException">The picture cannot be used.</exception>
    public Reply Describe(RgbImage image, string? question = null, ConversationOptions? options = null, CancellationToken cancellationToken = default) =>
        StartConversation(options).Respond(new UserTurn { Image = image, Text = question ?? DescribeQuestion }, null, cancellationToken);

    /// <summary>Looks at a picture, to use it in any number of prompts.</summary>
    /// <exception cref="EmovaException">The model has no vision encoder, or the picture is too narrow.</exception>
    public PromptImage EncodeImage(RgbImage image) => new(Model.EncodeImage(image));

    /// <summary>Speech to units, 25 per second, repetitions included.</summary>
    /// <exception cref="EmovaException">The model has no speech encoder, or the audio is too short.</exception>
    public int[] EncodeSpeech(AudioClip audio) => SpeechParts.Encode(audio);

    /// <summary>Units to speech. Repetitions count as one unit: the voice decides how long each lasts.</summary>
    /// <param name="units">Units, each below the quantizer's size.</param>
    /// <param name="voice">How it sounds.</param>
    /// <param name="onAudio">Called with each piece of audio as soon as it exists.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="EmovaException">The model cannot speak, the style is unknown, or a unit does not exist.</exception>
    public AudioClip DecodeUnits(IEnumerable<int> units, VoiceOptions? voice = null, Action<AudioClip>? onAudio = null, CancellationToken cancellationToken = default) =>
        SpeechParts.Decode(units, voice, onAudio, cancellationToken);

    /// <summary>Positions a conversation may have.</summary>
    internal int ContextLength(int? wanted)
    {
        int maximum = Model.Language.Config.MaxPositionEmbeddings;
        if (wanted is { } length && (length < 1 || length > maximum))
            throw new EmovaException($"context length is {length}, allowed is 1 to {maximum}");
        return wanted ?? Math.Min(maximum, DefaultContextLength);
    }

    /// <summary>Typed text as the model may see it: without control tokens, and in spoken form where the model knows no other.</summary>
    internal string PrepareText(string text)
    {
        text = StripControls(text);
        return _spokenText ? SpokenText.From(text) : text.Trim();
    }

    /// <summary>Text without control tokens and image placeholders, each replaced by a space.</summary>
    internal string StripControls(string text)
    {
        foreach (string control in _controlTexts)
            text = text.Replace(control, " ", StringComparison.Ordinal);
        return text;
    }

    /// <summary>Speech as prompt text: units without repetitions, each one that has a token.</summary>
    internal string EncodeToText(AudioClip audio) => EncodeToText(audio, out _);

    /// <summary>
    /// A recording as conversations and transcriptions hear it: silence around the speech is cut to <c>speech_margin_ms</c> where
    /// config.json gives one, since a model trained on close-cut recordings mishears the rest. The same clip where it gives none.
    /// </summary>
    public AudioClip CutSilence(AudioClip audio) => _speechMargin is { } margin ? SilenceTrimmer.Trim(audio, margin) : audio;

    /// <summary>A recording as the language model reads it, and the units it was heard as with how often each came in a row.</summary>
    internal string EncodeToText(AudioClip audio, out IReadOnlyList<(int Unit, int Length)> runs)
    {
        SpeechVocabulary speech = RequireSpeech();
        (int[] units, int[] lengths) = SpeechUnits.Collapse(EncodeSpeech(CutSilence(audio)));
        runs = [.. units.Zip(lengths)];
        return speech.ToLegalText(units);
    }

    /// <summary>Writes the units of a text into a reply.</summary>
    internal TokenWriter SpeechWriter(string text, ConversationOptions options, ReplyBuilder builder) =>
        WriterFor(SpeechPrompts.Speak + text, _speechGrammar.Value, options, token => builder.Take(token, ReplyKind.Units));

    /// <summary>Messages as the model reads them.</summary>
    internal Prompt PromptOf(IReadOnlyList<ConversationMessage> messages, IReadOnlyList<PromptImage> images) =>
        new(ImagePlaceholder.Encode(Template.Render(messages), Tokenizer), images, Model.Language.Config.HiddenSize);

    /// <summary>A loop for a reply that is made by itself; its buffers are used again.</summary>
    internal DecodeLoop TakeLoop() => _loops.TryTake(out DecodeLoop? loop) ? loop : new DecodeLoop(Model.Language);

    internal void PutBack(DecodeLoop loop) => _loops.Add(loop);

    /// <summary>One question, one answer, no memory.</summary>
    private TokenWriter WriterFor(string question, ReplyGrammar grammar, ConversationOptions options, Action<int> onToken)
    {
        Prompt prompt = PromptOf([new(ConversationRole.User, question), new(ConversationRole.Assistant, null)], []);
        SequenceCache memory = NewMemory(options);
        return new TokenWriter(
            memory, prompt, grammar.Start(options.Limits), grammar.TokensToFinish, new Sampler(options.Sampling, Model.Language.Config.VocabSize), onToken)
        { DraftTokens = options.DraftTokens };
    }

    /// <summary>An empty sequence of the length and with the adapter of a conversation.</summary>
    internal SequenceCache NewMemory(ConversationOptions options) => CreateSequence(ContextLength(options.ContextLength), options.Adapter);

    /// <summary>An empty sequence that shares beginnings of prompts with others.</summary>
    /// <param name="length">Most positions, 1 to the model's maximum.</param>
    /// <param name="adapterName">Changes the model; null takes <see cref="DefaultAdapter"/>.</param>
    /// <exception cref="EmovaException">No adapter of that name is loaded.</exception>
    public SequenceCache CreateSequence(int length, string? adapterName = null)
    {
        if ((adapterName ?? DefaultAdapter) is not { } name)
            return new SequenceCache(Model.Language, length, Prefixes);
        if (!_adapters.TryGetValue(name, out LoadedAdapter? adapter))
            throw new EmovaException($"adapter '{name}' is not loaded; loaded are: {(_adapters.IsEmpty ? "none" : string.Join(", ", Adapters))}");
        return new SequenceCache(Model.Language, length, adapter.Prefixes, adapter.Weights);
    }

    /// <summary>Keys and values depend on the adapter, so beginnings of prompts are shared below it only.</summary>
    private sealed record LoadedAdapter(LoraAdapter Weights, PrefixStore Prefixes);

    /// <summary>The speakers that came into the model's folder after it was trained.</summary>
    private static void AddVoices(SpeechTokenizer speech, string folder)
    {
        string voices = Path.Combine(folder, InnerVoices);
        if (!Directory.Exists(voices))
            return;
        foreach (string voice in Directory.EnumerateDirectories(voices).Order(StringComparer.Ordinal))
            speech.AddVoice(Voice.Load(voice));
    }

    private SpeechVocabulary RequireSpeech() => Speech ?? throw new EmovaException("this model has no speech encoder or decoder");
}

using Emova.Generation;
using Emova.Media;
using Emova.Models.Speech;

namespace Emova.Evaluation.Tiny;

/// <summary>A loaded model folder under test.</summary>
public sealed class AssistantModel : IEvaluatedModel
{
    private readonly Assistant _assistant;
    private readonly SpiralEncoder _encoder;
    private readonly SourceFilterVocoder _vocoder;
    private readonly StyleTable _styles;
    private readonly Voice? _speaker;

    /// <param name="assistant">The model.</param>
    /// <param name="speaker">A voice that was added to it, to speak with; null for its own.</param>
    /// <exception cref="EmovaException">The model cannot hear or speak.</exception>
    public AssistantModel(Assistant assistant, Voice? speaker = null)
    {
        (_assistant, _speaker) = (assistant, speaker);
        _encoder = assistant.Model.SpeechEncoder ?? throw new EmovaException("eval tiny: this model has no speech encoder");
        _vocoder = (speaker?.Decoder ?? assistant.Model.SpeechDecoder) as SourceFilterVocoder ?? throw new EmovaException("eval tiny: this model has no speech decoder of EMOVA-Tiny's kind");
        _styles = speaker?.Styles ?? assistant.Styles ?? throw new EmovaException("eval tiny: this model has no voice styles");
    }

    public int[] Encode(float[] samples) => _encoder.Encode(_assistant.CutSilence(new AudioClip(samples, Assistant.SampleRate)).Samples);

    public float[] PhoneLogits(int[] units) => _encoder.PhoneLogits(units);

    public float[] Speak(int[] units, string style) => _vocoder.Synthesize(units, _styles.Resolve(SpeechStyle.Parse(style))).Samples;

    public float[] SpeakStreamed(int[] units, string style) => _assistant.DecodeUnits(units, VoiceOptions.Fixed(SpeechStyle.Parse(style)) with { Speaker = _speaker?.Name }).Samples;

    public string Transcribe(float[] samples) => _assistant.Transcribe(new AudioClip(samples, Assistant.SampleRate));

    public IReadOnlyList<Reply> Converse(RgbImage? picture, IReadOnlyList<SpokenOrTyped> turns, float temperature, int seed)
    {
        Conversation conversation = _assistant.StartConversation(new ConversationOptions
        {
            Sampling = new SamplingOptions { Temperature = temperature, Seed = (ulong)seed },
        });
        var replies = new List<Reply>();
        foreach (SpokenOrTyped turn in turns)
        {
            replies.Add(conversation.Respond(new UserTurn
            {
                Image = replies.Count == 0 ? picture : null,
                Text = turn.Text,
                Audio = turn.Speech is null ? null : new AudioClip(turn.Speech, Assistant.SampleRate),
            }));
        }
        return replies;
    }
}

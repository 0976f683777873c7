using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Speech.Vits;

namespace Emova.Models.Speech;

/// <summary>
/// Speech to units and back: a speech encoder, a speech decoder and the styles it speaks in. They come with a model, or from the
/// repository that EMOVA publishes them in (<c>emova_speech_tokenizer_hf</c>), which serves all its models.
/// </summary>
public sealed class SpeechTokenizer
{
    /// <summary>Samples per second of the encoder's input.</summary>
    public const int InputSampleRate = LogMelSpectrogram.SampleRate;

    // The repository's configuration names its networks; their dimensions are part of the reference's source.
    private const string EncoderType = "40ms_multilingual_8888";
    private const string DecoderType = "40ms_multilingual_8888_xujing_cosyvoice_FT";
    private const string StyleIndex = "u2s_style2idx";
    private const int MelWindow = 320;

    /// <summary>Puts parts together.</summary>
    /// <param name="encoder">Speech to units, or null.</param>
    /// <param name="decoder">Units to speech, or null.</param>
    /// <param name="styles">The decoder's styles, or null.</param>
    public SpeechTokenizer(SpiralEncoder? encoder, ISpeechDecoder? decoder, StyleTable? styles) => (Encoder, Decoder, Styles) = (encoder, decoder, styles);

    /// <summary>Speech to units; null for a model that cannot hear.</summary>
    public SpiralEncoder? Encoder { get; }

    /// <summary>Units to speech; null for a model that cannot speak.</summary>
    public ISpeechDecoder? Decoder { get; }

    /// <summary>The voice styles; null for a model that cannot speak.</summary>
    public StyleTable? Styles { get; }

    /// <summary>Speakers beside the model's own, by name; those in the folder <c>voices</c> inside of the model's are there from the start.</summary>
    public IReadOnlyList<Voice> Voices { get; private set; } = [];

    /// <summary>Adds a speaker, in the place of one of the same name. Not to be called while something is spoken.</summary>
    /// <exception cref="EmovaException">The voice speaks other units or at another sample rate than the model.</exception>
    public void AddVoice(Voice voice)
    {
        ArgumentNullException.ThrowIfNull(voice);
        ISpeechDecoder own = Decoder ?? throw new EmovaException($"voice '{voice.Name}': this model has no speech decoder, so there is nothing to replace");
        if (voice.Decoder.UnitCount != own.UnitCount || voice.Decoder.SampleRate != own.SampleRate)
        {
            throw new EmovaException(
                $"voice '{voice.Name}': made for {voice.Decoder.UnitCount} units and {voice.Decoder.SampleRate} samples per second, this model has {own.UnitCount} and {own.SampleRate}");
        }

        Voices = [.. Voices.Where(other => other.Name != voice.Name).Append(voice).OrderBy(other => other.Name, StringComparer.Ordinal)];
    }

    /// <summary>The speaker of that name.</summary>
    /// <exception cref="EmovaException">There is none; the message lists those there are.</exception>
    public Voice FindVoice(string name) => Voices.FirstOrDefault(voice => voice.Name == name)
        ?? throw new EmovaException($"voice '{name}' is unknown: expected {string.Join(", ", SpeechStyle.Genders.Concat(Voices.Select(voice => voice.Name)))}");

    /// <summary>Whether a folder is EMOVA's speech tokenizer repository, which has no language model.</summary>
    public static bool IsRepository(ModelFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return folder.Config.Has(StyleIndex);
    }

    /// <summary>Loads the speech parts of a folder and nothing else of it.</summary>
    /// <param name="folder">A model folder, or the speech tokenizer's repository; it may be closed afterwards.</param>
    /// <exception cref="EmovaException">The folder is damaged, or its weights do not fit its configuration.</exception>
    public static SpeechTokenizer Load(ModelFolder folder)
    {
        WeightLoader weights = new((folder ?? throw new ArgumentNullException(nameof(folder))).OpenWeights());
        if (IsRepository(folder))
            return LoadRepository(folder.Config, weights);

        WeightLoader encoder = weights.Push("speech_encoder"), decoder = weights.Push("speech_decoder");
        SpiralEncoder? hearing = folder.Config.Has("speech_encoder_config") ? SpiralEncoder.Load(SpiralConfig.Read(folder.Config.Section("speech_encoder_config")), encoder) : null;
        ISpeechDecoder? voice = folder.Config.Has("speech_decoder_config") ? ISpeechDecoderConfig.Read(folder.Config.Section("speech_decoder_config")).Load(decoder) : null;
        encoder.Finish();
        decoder.Finish();
        return new SpeechTokenizer(hearing, voice, voice is null ? null : StyleTable.Load(folder, voice.StyleDim));
    }

    /// <summary>The units of a recording, 25 per second, repetitions included.</summary>
    /// <param name="audio">Speech at any sample rate.</param>
    /// <exception cref="EmovaException">There is no speech encoder, or the recording is too short.</exception>
    public int[] Encode(AudioClip audio)
    {
        ArgumentNullException.ThrowIfNull(audio);
        SpiralEncoder encoder = Encoder ?? throw new EmovaException("this model has no speech encoder");
        return encoder.Encode(audio.SampleRate == InputSampleRate ? audio.Samples : Resampler.Resample(audio.Samples, audio.SampleRate, InputSampleRate));
    }

    /// <summary>The style of a recording, for speaking like it.</summary>
    /// <param name="recording">Speech at any sample rate.</param>
    /// <exception cref="EmovaException">The decoder has no style encoder, or the recording is too short.</exception>
    public float[] EncodeStyle(AudioClip recording) => Decoder is VitsDecoder decoder
        ? decoder.EncodeStyle(recording)
        : throw new EmovaException("this model's speech decoder has no style encoder");

    /// <summary>Builds the parts of the repository; every name it holds is asked for.</summary>
    internal static SpeechTokenizer LoadRepository(ConfigSection config, WeightLoader weights)
    {
        SpiralConfig encoder = config.Has("speech_encoder_config")
            ? SpiralConfig.Read(config.Section("speech_encoder_config"))
            : Known("s2u_unit_type", EncoderType, SpiralConfig.Released);
        VitsConfig decoder = config.Has("speech_decoder_config")
            ? VitsConfig.Read(config.Section("speech_decoder_config"))
            : Known("u2s_unit_type", DecoderType, VitsConfig.Released);
        int count = config.WholeNumber("u2s_num_styles", 1, 1 << 16), dim = config.WholeNumber("u2s_dim_styles", decoder.StyleDim, decoder.StyleDim);

        SpiralEncoder hearing = SpiralEncoder.Load(encoder, weights.Push("encoder"), needsPhoneHead: true);
        // Buffers of the reference that this encoder computes itself.
        weights.Expect("encoder.encoder.mask_emb", encoder.Features);
        weights.Expect("encoder.encoder.wav2spec.featurizer.window", MelWindow);
        weights.Expect("encoder.encoder.wav2spec.featurizer.fb", 1, encoder.Features, LogMelSpectrogram.FftLength / 2 + 1);
        weights.Expect("encoder.quantizer._levels_np", encoder.Levels.Count);
        weights.Expect("encoder.quantizer._basis", encoder.Levels.Count);
        VitsDecoder voice = VitsDecoder.Load(decoder, weights.Push("decoder"));
        float[] vectors = weights.Get("style_embedding.weight", count, dim);
        weights.Finish();
        return new SpeechTokenizer(hearing, voice, StyleTable.Read(config.Section(StyleIndex), vectors, dim));

        T Known<T>(string key, string known, T dimensions)
        {
            config.Text(key, null, known);
            return dimensions;
        }
    }
}

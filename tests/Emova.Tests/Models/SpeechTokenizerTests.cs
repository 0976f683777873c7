using System.Text.Json;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Models.Speech.Vits;
using Xunit;

namespace Emova.Tests.Models;

public sealed class SpeechTokenizerTests
{
    [Fact]
    public void EveryNameOfThePublishedRepositoryIsAskedForInItsShape()
    {
        string[] rows = File.ReadAllLines(Path.Combine(Repository.Root, "tests", "data", "speech-tokenizer-keys.tsv"))[1..];
        string[] expected = [.. rows.Select(row => row.Split('\t')).Select(columns => $"{columns[0]} {columns[2].Replace(" ", "", StringComparison.Ordinal)}")];
        using JsonDocument config = JsonDocument.Parse(RandomSpeechTokenizer.ReleasedConfig().ToJsonString());
        string[] asked = [.. RandomSpeechTokenizer.Names(new ConfigSection("config.json", config.RootElement)).Select(name => name.Replace(", ", ",", StringComparison.Ordinal))];
        Assert.Equal(1116, expected.Length);
        Assert.Equal(expected.Order(StringComparer.Ordinal), asked.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void TheRepositorysNamesAreThoseOfTheReferencesModules()
    {
        string[] rows = [.. File.ReadAllLines(Path.Combine(Repository.Root, "tests", "data", "speech-tokenizer-keys.tsv"))[1..].Select(row => row.Split('\t')[0])];
        foreach ((string file, string prefix) in ((string, string)[])[("s2u_state_dict.json", "encoder."), ("u2s_state_dict.json", "decoder.")])
        {
            using JsonDocument state = JsonDocument.Parse(File.ReadAllText(Fixtures.File("release_shapes", file)));
            Assert.Equal(
                state.RootElement.EnumerateObject().Select(entry => prefix + entry.Name).Order(StringComparer.Ordinal),
                rows.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        }
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    public void HearsAndSpeaksFromAFolderOfAnyType(DType type)
    {
        using RandomSpeechTokenizer folder = new(type);
        SpeechTokenizer speech = Assistant.LoadSpeechTokenizer(folder.Folder);
        int[] units = speech.Encode(RandomModelFolder.Tone(seconds: 0.5));
        Assert.Equal(13, units.Length);
        VoiceOptions voice = VoiceOptions.Fixed(SpeechStyle.Parse("gender-male_emotion-sad_speed-slow_pitch-low")) with { Seed = 4 };
        List<AudioClip> pieces = [];
        AudioClip clip = speech.Decode(units, voice, pieces.Add);
        Assert.Equal(22050, clip.SampleRate);
        Assert.True(clip.Samples.Length > 0 && clip.Samples.Length % 256 == 0);
        Assert.All(clip.Samples, sample => Assert.True(float.IsFinite(sample)));
        Assert.Equal(clip.Samples, pieces.SelectMany(piece => piece.Samples));
        Assert.Equal(clip.Samples, speech.Decode(units, voice).Samples);
        Assert.NotEqual(clip.Samples, speech.Decode(units, voice with { Seed = 5 }).Samples);

        // What the session says is what the decoder says of the merged units.
        VitsDecoder decoder = (VitsDecoder)speech.Decoder!;
        float[] style = speech.Styles!.Resolve(SpeechStyle.Parse("male-sad-low-slow")).StyleVector;
        Assert.Equal(decoder.Synthesize(SpeechUnits.Collapse(units).Units, new VitsOptions { Style = style, Seed = 4 }), clip.Samples);
    }

    [Fact]
    public void DifferencesOfTheWeightsAreReportedByName()
    {
        Refused("missing: encoder.quantizer._basis [4]", tensor => tensor.Name == "encoder.quantizer._basis" ? [] : [tensor]);
        Refused("missing: encoder.encoder.mask_emb [40]", tensor => tensor.Name == "encoder.encoder.mask_emb" ? [] : [tensor]);
        Refused("unexpected: decoder.extra [1]", tensor => tensor.Name == "style_embedding.weight" ? [tensor, TensorData.F32("decoder.extra", [1], [0])] : [tensor]);
        Refused("wrong shape: decoder.emb_g.weight is [6], expected [3, 6]", tensor => tensor.Name == "decoder.emb_g.weight" ? [TensorData.F32(tensor.Name, [6], new float[6])] : [tensor]);

        static void Refused(string reason, Func<TensorData, IEnumerable<TensorData>> change)
        {
            using RandomSpeechTokenizer folder = new(change: change);
            Assert.Contains(reason, Assert.Throws<EmovaException>(() => Assistant.LoadSpeechTokenizer(folder.Folder)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void AnotherUnitTypeIsRefused()
    {
        using RandomSpeechTokenizer folder = new();
        string config = File.ReadAllText(Path.Combine(folder.Folder, "config.json"));
        File.WriteAllText(Path.Combine(folder.Folder, "config.json"), config.Replace("speech_decoder_config", "other", StringComparison.Ordinal).Replace("xujing", "other", StringComparison.Ordinal));
        Assert.Contains("u2s_unit_type must be one of", Assert.Throws<EmovaException>(() => Assistant.LoadSpeechTokenizer(folder.Folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void StylesAreRowsOfTheTableAndCanBeMixed()
    {
        using RandomSpeechTokenizer folder = new();
        SpeechTokenizer speech = Assistant.LoadSpeechTokenizer(folder.Folder);
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder.Folder, "model.safetensors"));
        float[] rows = file.ReadFloat32("style_embedding.weight");
        StyleTable styles = speech.Styles!;
        Assert.Equal(126, styles.Names.Count);
        Assert.Equal(Row(41), styles.Resolve(SpeechStyle.Parse("female-neutral-normal")).StyleVector);
        Assert.Equal(Row(0), styles.Resolve(SpeechStyle.Parse("female-angry-high-fast")).StyleVector);
        Assert.Equal(Row(125), styles.Resolve(SpeechStyle.Parse("male-surprised-normal-slow")).StyleVector);

        // The speed is in the vector, so it is not applied a second time; the dial still is.
        Assert.Equal(1, styles.Resolve(SpeechStyle.Parse("male-surprised-normal-slow")).Speed);
        Assert.Equal(1.5f, styles.Resolve(SpeechStyle.Parse("male-sad-low-fast"), new VoiceDials(Speed: 1.5f)).Speed);
        // Half as happy: between female/neutral/normal/low (40) and female/happy/normal/low (31).
        Assert.Equal(Mixed(40, 31, 0.5f), styles.Resolve(SpeechStyle.Parse("female-happy-low"), new VoiceDials(EmotionStrength: 0.5f)).StyleVector);

        float[] Row(int index) => rows[(index * 6)..((index + 1) * 6)];
        float[] Mixed(int from, int to, float amount) => [.. Row(from).Zip(Row(to), (a, b) => a + amount * (b - a))];
    }

    [Fact]
    public void ARecordingGivesAStyleOfLengthOneAndShortOnesAreRefused()
    {
        using RandomSpeechTokenizer folder = new();
        SpeechTokenizer speech = Assistant.LoadSpeechTokenizer(folder.Folder);
        float[] style = speech.EncodeStyle(RandomModelFolder.Tone(22050));
        Assert.Equal(6, style.Length);
        Assert.Equal(1, style.Sum(value => (double)value * value), 1e-5);
        AudioClip faster = new(Resampler.Resample(RandomModelFolder.Tone(22050).Samples, 22050, 44100), 44100);
        Assert.Equal(1, speech.EncodeStyle(faster).Zip(style, (a, b) => (double)a * b).Sum(), 0.01);
        Assert.Contains("too short", Assert.Throws<EmovaException>(() => speech.EncodeStyle(new AudioClip(new float[384], 22050))).Message, StringComparison.Ordinal);
        Assert.Equal(6, speech.EncodeStyle(new AudioClip(new float[385], 22050)).Length);
        AudioClip like = speech.Decode([1, 2, 3], new VoiceOptions { Reference = RandomModelFolder.Tone(22050) });
        Assert.Equal(((VitsDecoder)speech.Decoder!).Synthesize([1, 2, 3], new VitsOptions { Style = style }), like.Samples);
    }

    [Fact]
    public void BadSettingsAreRefused()
    {
        using RandomSpeechTokenizer folder = new();
        SpeechTokenizer speech = Assistant.LoadSpeechTokenizer(folder.Folder);
        Refused("no pitch shift", () => speech.Decode([1], new VoiceOptions { Dials = new VoiceDials(PitchShift: 1) }));
        Refused("speech unit 4096 is out of range, allowed are 0 to 4095", () => speech.Decode([4096]));
        Refused("blend amount 2", () => speech.Decode([1], new VoiceOptions { BlendAmount = 2 }));
        Refused("style vector has 2 values", () => ((VitsDecoder)speech.Decoder!).Synthesize([1], new VitsOptions { Style = [1, 2] }));
        Refused("speed 0", () => ((VitsDecoder)speech.Decoder!).Synthesize([1], new VitsOptions { Speed = 0 }));
        Refused("without a language model", () => Assistant.Load(folder.Folder));
        Assert.Empty(speech.Decode([]).Samples);

        static void Refused(string reason, Action action) => Assert.Contains(reason, Assert.Throws<EmovaException>(action).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AModelSpeaksWithTheTokenizerItIsGiven()
    {
        using RandomModelFolder model = new();
        using RandomSpeechTokenizer folder = new(stochastic: false);
        Assistant assistant = Assistant.Load(model.Folder, folder.Folder);
        VoiceOptions voice = new() { BlendStyle = SpeechStyle.Parse("male-happy-high"), BlendAmount = 0.25f, Seed = 3 };
        Reply reply = assistant.Speak("one two", new ConversationOptions { Voice = voice, Limits = new(TextBytes: 8, Units: 12) });
        Assert.Equal(22050, reply.Audio!.SampleRate);
        Assert.Equal(assistant.DecodeUnits(reply.Units, voice).Samples, reply.Audio.Samples);
        Assert.NotEmpty(reply.Audio.Samples);
    }
}

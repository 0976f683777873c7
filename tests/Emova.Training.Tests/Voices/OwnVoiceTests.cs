using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Training.Commands;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;
using Emova.Training.Voices;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests.Voices;

/// <summary>From recordings to a voice that the runtime speaks with, on a model and recordings of seconds.</summary>
public sealed class OwnVoiceTests : IDisposable
{
    private const string ModelConfiguration = """
        {"speech_encoder_config": {"type": "SpiralFsqCtc", "sample_rate": 16000, "features": 80, "levels": [8, 8, 8, 8], "dec_filters": 8, "n_labels": 3,
           "blocks": [{"filters": [8, 16, 16], "conv_pos": 4, "conv_pos_groups": 4, "layers": 1, "ffn": 16, "heads": 2},
                      {"filters": [16, 16], "conv_pos": 4, "conv_pos_groups": 4, "layers": 1, "ffn": 16, "heads": 2}]},
         "speech_decoder_config": {"type": "SourceFilterVocoder", "sample_rate": 16000, "levels": [8, 8, 8, 8], "hidden_size": 16, "intermediate_size": 16,
           "style_dim": 8, "kernel_size": 7, "encoder_layers": 1, "duration_layers": 1, "max_run": 12, "frame_layers": 1, "prosody_layers": 1,
           "decoder_layers": 1, "frames_per_unit": 4, "hop": 160, "n_fft": 512}}
        """;

    private static readonly VoiceOrigin Origin = new("anna", "Anna agreed to this test on the first of May.", new DateOnly(2026, 5, 1), "emova-train voice");

    private static readonly OwnVoiceSettings Settings = new()
    {
        TotalSteps = 12, WarmupSteps = 1, LearningRate = 5e-3, LogEvery = 4, EvaluateEvery = 12, MinimumSeconds = 3, HoldOut = 4, SecondsPerStep = 3, BrainFloat = false,
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("emova-voice").FullName;
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void RecordingsThatCannotBeUsedAreListedWithTheReason()
    {
        string folder = Sub("bad");
        WavFile.Write(Path.Combine(folder, "good.wav"), Speech(1, 2.5), 16000);
        WavFile.Write(Path.Combine(folder, "copy.wav"), Speech(1, 2.5), 16000);
        WavFile.Write(Path.Combine(folder, "short.wav"), Speech(1, 0.5), 16000);
        WavFile.Write(Path.Combine(folder, "silent.wav"), new float[32000], 16000);
        WavFile.Write(Path.Combine(folder, "telephone.wav"), Speech(3, 2.5), 8000);
        WavFile.Write(Path.Combine(folder, "clipped.wav"), [.. Speech(1, 2.5).Select(x => Math.Clamp(20 * x, -1, 1))], 16000);
        WavFile.Write(Path.Combine(folder, "not-a-number.wav"), [.. Speech(1, 2).Append(float.NaN)], 16000, WavEncoding.IeeeFloat);
        Random noise = new(1);
        WavFile.Write(Path.Combine(folder, "noise.wav"), [.. Enumerable.Range(0, 32000).Select(_ => (float)(0.1 * noise.NextDouble() - 0.05))], 16000);
        File.WriteAllText(Path.Combine(folder, "song.mp3"), "ID3");
        File.WriteAllText(Path.Combine(folder, "notes.txt"), "not a recording, and not counted as one");
        using (FileStream stream = File.Create(Path.Combine(folder, "other-rate.flac")))
        using (FlacWriter writer = new(stream, 22050)) writer.Write(Resampler.Resample(Speech(2, 2.5), 16000, 22050));

        RecordingFolder read = RecordingFolder.Read(folder);
        Assert.Equal(["copy.wav#1", "other-rate.flac#1"], read.Pieces.Select(piece => piece.Name));
        Dictionary<string, string> reasons = read.Rejected.ToDictionary(bad => bad.File, bad => bad.Reason);
        Assert.Equal(["clipped.wav", "good.wav", "noise.wav", "not-a-number.wav", "short.wav", "silent.wav", "song.mp3", "telephone.wav"], reasons.Keys.Order(StringComparer.Ordinal));
        Assert.Contains("copy.wav", reasons["good.wav"], StringComparison.Ordinal);
        Assert.Contains("clipped", reasons["clipped.wav"], StringComparison.Ordinal);
        Assert.Contains("voice", reasons["noise.wav"], StringComparison.Ordinal);
        Assert.Contains("not finite", reasons["not-a-number.wav"], StringComparison.Ordinal);
        Assert.Contains("at least", reasons["short.wav"], StringComparison.Ordinal);
        Assert.Equal("silent", reasons["silent.wav"]);
        Assert.Contains("WAV", reasons["song.mp3"], StringComparison.Ordinal);
        Assert.Contains("8000", reasons["telephone.wav"], StringComparison.Ordinal);
        Assert.All(read.Pieces, piece => Assert.InRange(Math.Sqrt(piece.Samples.Average(x => x * x)), 0.099, 0.101));
    }

    [Fact]
    public void LongRecordingsAreCutWhereTheyAreQuiet()
    {
        string folder = Sub("long");
        WavFile.Write(Path.Combine(folder, "long.wav"), [.. Speech(1, 5), .. new float[8000], .. Speech(2, 6)], 16000);
        RecordingFolder read = RecordingFolder.Read(folder);
        Assert.Equal(2, read.Pieces.Count);
        Assert.InRange(read.Pieces[0].Samples.Length / 16000.0, 4.8, 5.3);
        Assert.All(read.Pieces, piece => Assert.True(piece.Samples.Length <= RecordingFolder.LongestPiece * 16000));
    }

    [Fact]
    public void AVoiceLearnsKeepsWhatItMustAndSpeaksInTheRuntime()
    {
        ShippedVoice shipped = ShippedVoice.Open(Model());
        RecordingFolder recordings = RecordingFolder.Read(Recordings());
        string output = Path.Combine(_folder, "anna");
        OwnVoiceStage stage = new(Settings, shipped, recordings, null, output);
        int evaluations = 0;
        OwnVoiceResult result = Assert.IsType<OwnVoiceResult>(stage.Run(_ => evaluations++));
        Assert.Equal(1, evaluations);
        Assert.Equal("male", result.Gender); // 110 Hz
        Assert.InRange(result.MedianPitch, 100, 125);

        double[] losses = [.. File.ReadLines(Path.Combine(output, "training", "metrics.jsonl")).Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement)
            .Where(line => line.TryGetProperty("loss", out _)).Select(line => line.GetProperty("loss").GetDouble())];
        Assert.True(losses[^1] < losses[0], $"loss {losses[0]} -> {losses[^1]}");

        (_, ParameterStore before) = shipped.Copy(brainFloat: false);
        foreach (((string name, Tensor was), (_, Tensor now)) in before.Parameters.Zip(stage.Store.Parameters))
        {
            bool isFixed = name.StartsWith("unit_embedding", StringComparison.Ordinal) || name.StartsWith("encoder", StringComparison.Ordinal)
                || name.StartsWith("frame", StringComparison.Ordinal) || name.StartsWith("run_position", StringComparison.Ordinal);
            Assert.Equal(isFixed, was.eq(now).all().item<bool>());
        }

        VoiceFolder.Write(output, shipped, stage.Store, result.Gender, Origin, result.TrainingSeconds);
        VoiceFolder.WriteCard(output, shipped, Origin, recordings, result);
        string card = File.ReadAllText(Path.Combine(output, "README.md"));
        Assert.Contains(Origin.Consent, card, StringComparison.Ordinal);
        Assert.Contains("2026-05-01", card, StringComparison.Ordinal);
        Voice voice = Voice.Load(output);
        Assert.Equal(("anna", "male", Origin.Consent), (voice.Name, voice.Gender, voice.Consent));
        Assert.Equal(VoiceStyle.All.Select(style => style.Name).Order(StringComparer.Ordinal), voice.Styles.Names);

        shipped.Speech.AddVoice(voice);
        int[] units = [5, 900, 33, 2000, 7];
        VoiceOptions own = VoiceOptions.FindSpeaker("anna-sad-low", shipped.Speech.Voices)!;
        Assert.Equal(("anna", "male", "sad", "low"), (own.Speaker, own.Gender, own.Emotion, own.Pitch));
        float[] spoken = shipped.Speech.Decode(units, own).Samples, plain = shipped.Speech.Decode(units, own with { Speaker = null }).Samples;
        Assert.NotEmpty(spoken);
        Assert.False(spoken.AsSpan().SequenceEqual(plain));
        Assert.Throws<EmovaException>(() => shipped.Speech.Decode(units, own with { Speaker = "bob" }));
    }

    [Fact]
    public void TheSameRecordingsGiveTheSameVoiceAndOthersAreRefusedOnResume()
    {
        ShippedVoice shipped = ShippedVoice.Open(Model());
        RecordingFolder recordings = RecordingFolder.Read(Recordings());
        OwnVoiceSettings settings = Settings with { TotalSteps = 3 };
        OwnVoiceStage first = new(settings, shipped, recordings, "female", Path.Combine(_folder, "a")), second = new(settings, shipped, recordings, "female", Path.Combine(_folder, "b"));
        first.Run(_ => { });
        second.Run(_ => { });
        Assert.Equal("female", first.Gender);
        foreach ((KeyValuePair<string, Tensor> a, KeyValuePair<string, Tensor> b) in first.Store.Parameters.Zip(second.Store.Parameters)) Assert.True(a.Value.eq(b.Value).all().item<bool>(), a.Key);

        string folder = Sub("others");
        for (int i = 0; i < 4; i++) WavFile.Write(Path.Combine(folder, $"{i}.wav"), Speech(20 + i, 1.5), 16000);
        EmovaException error = Assert.Throws<EmovaException>(() => new OwnVoiceStage(settings, shipped, RecordingFolder.Read(folder), null, Path.Combine(_folder, "a")).Run(_ => { }));
        Assert.Contains("other recordings", error.Message, StringComparison.Ordinal);
        Assert.Throws<EmovaException>(() => new OwnVoiceStage(settings with { MinimumSeconds = 600 }, shipped, recordings, null, Path.Combine(_folder, "c")));
    }

    [Fact]
    public void InItsOwnStyleNothingIsTransferred()
    {
        using IDisposable noGradients = no_grad();
        ShippedVoice shipped = ShippedVoice.Open(Model());
        StyleTransfer transfer = new(shipped.Copy(brainFloat: false).Vocoder);
        float[] pitch = [.. Enumerable.Range(0, 40).Select(t => t % 9 < 3 ? 0f : 120 + t)], energy = [.. Enumerable.Range(0, 40).Select(t => -3 - (t % 5) * 0.2f)];
        VocoderBatch batch = new([new VocoderExample([4, 90, 7, 8], [2, 3, 1, 4], 0, new float[6400], pitch, energy)], shipped.Dimensions);
        ShippedView own = transfer.View(batch, shipped.Styles.narrow(0, 0, 1)), other = transfer.View(batch, shipped.Styles.narrow(0, 20, 1));
        Assert.True((StyleTransfer.Prosody(batch, own, own) - batch.Prosody).abs().max().item<float>() < 1e-5f);
        Assert.True((StyleTransfer.Prosody(batch, own, other) - batch.Prosody).abs().max().item<float>() > 1e-3f);
        Tensor runs = transfer.RunTargets(batch, own, own).mul(arange(1, 13, ScalarType.Float32)).sum(-1);
        Assert.Equal([2f, 3f, 1f, 4f], runs.data<float>().ToArray().Select(run => MathF.Round(run, 4)));
        Assert.Equal([1f, 1f, 1f, 1f], transfer.RunTargets(batch, own, other).sum(-1).data<float>().ToArray().Select(sum => MathF.Round(sum, 4)));
    }

    [Fact]
    public void WithoutConsentNothingIsMade()
    {
        string[] command = ["--recordings", Recordings(), "--name", "anna", "--out", Path.Combine(_folder, "out"), "--model", Model()];
        System.CommandLine.InvocationConfiguration raw = new() { EnableDefaultExceptionHandler = false, Error = TextWriter.Null };
        EmovaException error = Assert.Throws<EmovaException>(() => VoiceCommand.Create().Parse([.. command, "--consent", "yes"]).Invoke(raw));
        Assert.Contains("consent", error.Message, StringComparison.Ordinal);
        Assert.NotEmpty(VoiceCommand.Create().Parse(command).Errors); // the option is required
        Assert.Throws<EmovaException>(() => VoiceCommand.Create().Parse([.. command[..2], "--name", "Female!", .. command[4..], "--consent", Origin.Consent]).Invoke(raw));
        Assert.False(Directory.Exists(Path.Combine(_folder, "out")));
    }

    [Fact]
    public void PrototypesAreMeansOfLabelsOrClusters()
    {
        Random generator = new(2);
        float[][] vectors = [.. Enumerable.Range(0, 30).Select(i => (float[])[i % 3 * 5 + generator.NextSingle(), i % 3 + generator.NextSingle()])];
        IReadOnlyList<StylePrototype> labels = StylePrototypes.OfLabels(vectors.Select((vector, i) => ($"style-{i % 3}", vector)));
        Assert.Equal(["style-0", "style-1", "style-2"], labels.Select(style => style.Name));
        Assert.Equal(vectors.Where((_, i) => i % 3 == 1).Average(vector => vector[0]), labels[1].Vector[0], 1e-5f);
        IReadOnlyList<StylePrototype> clusters = StylePrototypes.OfClusters(vectors, 3, seed: 1);
        Assert.Equal(labels.Select(style => style.Members.Order()).OrderBy(members => members.First()), clusters.Select(style => style.Members.Order()).OrderBy(members => members.First()));
        Assert.Equal(clusters[0].Vector, StylePrototypes.OfClusters(vectors, 3, seed: 1)[0].Vector);
        Assert.Throws<EmovaException>(() => StylePrototypes.OfClusters(vectors, 31, seed: 1));
    }

    private string Sub(string name) => Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;

    private string Recordings()
    {
        string folder = Sub("recordings");
        for (int i = 0; i < 5; i++) WavFile.Write(Path.Combine(folder, $"{i}.wav"), Speech(i, 1.5), 16000);
        return folder;
    }

    /// <summary>A model folder of which only hearing and speaking is there, with random weights.</summary>
    private string Model()
    {
        string folder = Sub("model");
        File.WriteAllText(Path.Combine(folder, "config.json"), ModelConfiguration);
        using System.Text.Json.JsonDocument config = System.Text.Json.JsonDocument.Parse(ModelConfiguration);
        random.manual_seed(4);
        ParameterStore encoder = new(), decoder = new();
        _ = new Emova.Training.Modules.Speech.SpiralEncoder(SpeechEncoderDimensions.Parse(config.RootElement.GetProperty("speech_encoder_config")), encoder.Root);
        VocoderDimensions dimensions = VocoderDimensions.Parse(config.RootElement.GetProperty("speech_decoder_config"));
        _ = new Emova.Training.Modules.Speech.SourceFilterVocoder(dimensions, decoder.Root);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), [.. encoder.Export(DType.F32, "speech_encoder."), .. decoder.Export(DType.F32, "speech_decoder.")]);
        SafetensorsWriter.Write(Path.Combine(folder, "styles.safetensors"), VoiceStyle.All.Select(style => TensorData.F32(style.Name, [8], randn(8).data<float>().ToArray())));
        return folder;
    }

    /// <summary>A buzz around 110 Hz whose vowel changes, with silence at both ends.</summary>
    private static float[] Speech(int seed, double seconds)
    {
        float[] samples = new float[(int)(seconds * 16000)];
        double phase = 0;
        for (int i = 800; i < samples.Length - 800; i++)
        {
            phase += 2 * Math.PI * (110 + 8 * Math.Sin(i / 2000.0 + seed)) / 16000;
            for (int harmonic = 1; harmonic < 20; harmonic++) samples[i] += (float)(0.05 / harmonic * (1.2 + Math.Sin(harmonic * (seed + 1) + i / 3000.0)) * Math.Sin(harmonic * phase));
        }

        return samples;
    }
}

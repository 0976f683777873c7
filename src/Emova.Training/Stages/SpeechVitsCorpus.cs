using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Training.Data;
using Emova.Training.Modules.Speech;
using Emova.Training.Voices;

namespace Emova.Training.Stages;

/// <summary>The speech-vits stage on the recordings of a corpus: their units, and the styles they are labelled with.</summary>
public sealed class SpeechVitsCorpus : IDisposable
{
    private readonly SpeechVitsSettings _settings;
    private readonly TinyCorpus _corpus;
    private readonly SpeechUnitsTable _units;
    private readonly Utterance[] _training;
    private readonly int _rate;
    private readonly SpeechVitsStage _stage;
    private readonly int[] _sample;

    /// <exception cref="EmovaException">The corpus is not there, or has no units yet.</exception>
    public SpeechVitsCorpus(SpeechVitsSettings settings, string data, string runs)
    {
        _settings = settings;
        _corpus = TinyCorpus.Open(data);
        if (!SpeechUnitsTable.Exists(data)) throw new EmovaException($"{data}: no units/index.jsonl; run `emova-train encode` first");
        _units = SpeechUnitsTable.Open(data);
        _rate = SpeechVitsStage.Read(settings.Model).SampleRate;
        _training = [.. _corpus.Utterances.Where(u => u.Split == "train" && u.Kind is "styled" or "question" && u.Samples <= settings.MaxSeconds * TinyCorpus.SampleRate)];
        Utterance[] held = [.. _corpus.Utterances.Where(u => u.Split == "test" && u.Kind == "styled").Take(settings.EvaluationUtterances)];
        if (_training.Length == 0 || held.Length == 0) throw new EmovaException($"{data}: no styled speech; run `emova-train data` first");
        _sample = SpeechUnits.Collapse(_units[held[0].Id]).Units;
        _stage = new SpeechVitsStage(settings, runs, [.. _training.Select(u => (int)((long)u.Samples * _rate / TinyCorpus.SampleRate))], i => Read(_training[i]), held.Select(Read));
    }

    public void Dispose() => _corpus.Dispose();

    /// <summary>Trains, then writes the decoder with a prototype per style to the run's folder <c>decoder</c>; true when complete.</summary>
    public bool Run(string runs)
    {
        if (!_stage.Run(WriteSamples)) return false;
        string folder = Path.Combine(runs, _settings.Run ?? SpeechVitsStage.Name, "decoder");
        _stage.WriteDecoder(folder, Prototypes(folder));
        Console.WriteLine($"decoder and styles written to {folder}");
        return true;
    }

    /// <summary>One sentence in every emotion of the first gender, spoken by the runtime with the weights as they are.</summary>
    private void WriteSamples(string folder)
    {
        string decoder = Path.Combine(folder, "decoder");
        _stage.WriteDecoder(decoder, Prototypes(decoder));
        using (ModelFolder opened = ModelFolder.Open(decoder))
        {
            SpeechTokenizer speech = SpeechTokenizer.Load(opened);
            foreach (VoiceStyle style in VoiceStyle.All.Where(style => style.Pitch == "normal" && style.Gender == VoiceStyle.Genders[0]))
                WavFile.Write(Path.Combine(folder, style.Name + ".wav"), speech.Decode(_sample, VoiceOptions.Fixed(SpeechStyle.Parse(style.Name))).Samples, _rate);
        }

        Directory.Delete(decoder, recursive: true);
    }

    /// <summary>The mean of what the style encoder says about recordings of each style.</summary>
    private IEnumerable<TensorData> Prototypes(string folder)
    {
        // The style encoder is the runtime's: it needs the weights in a folder first.
        _stage.WriteDecoder(folder, []);
        using ModelFolder opened = ModelFolder.Open(folder);
        SpeechTokenizer speech = SpeechTokenizer.Load(opened);
        IEnumerable<(string, float[])> labelled = _corpus.Utterances.Where(u => u.Split == "train" && u.Kind == "styled").GroupBy(u => u.Style)
            .SelectMany(style => style.Take(_settings.PrototypeUtterances)).Select(u => (u.Style, speech.EncodeStyle(new AudioClip(SpeechEncoderModel.Wave(_corpus.Pcm(u)), TinyCorpus.SampleRate))));
        return [.. StylePrototypes.OfLabels(labelled).Select(style => TensorData.F32(style.Name, [style.Vector.Length], style.Vector))];
    }

    private VitsExample Read(Utterance utterance)
    {
        float[] wave = SpeechEncoderModel.Wave(_corpus.Pcm(utterance));
        return new VitsExample(SpeechUnits.Collapse(_units[utterance.Id]).Units, _rate == TinyCorpus.SampleRate ? wave : Resampler.Resample(wave, TinyCorpus.SampleRate, _rate));
    }
}

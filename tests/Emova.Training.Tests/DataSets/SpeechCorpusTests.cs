using Emova.Media;
using Emova.Training.DataSets;
using Xunit;
using static Emova.Training.Tests.DataSets.DataSetFolder;

namespace Emova.Training.Tests.DataSets;

public sealed class SpeechCorpusTests : IDisposable
{
    private readonly DataSetFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Librispeech_gives_texts_in_small_letters_with_speaker_and_gender()
    {
        string path = _folder.LibriSpeech("dev", [("84-121123-0000", "GO DO YOU HEAR"), ("84-121123-0001", ""), ("84-121123-0001", "AGAIN")]);
        _folder.Flac(Sound(0.3), 16000, "dev", "84", "121123", "84-121123-0009.flac");
        DefectList defects = new();
        SpeechRecording[] read = [.. SpeechCorpus.Recordings(path, DataSetFormat.Resolve(path, "auto"), defects)];
        Assert.Equal(["84-121123-0000", "84-121123-0001"], read.Select(r => r.Id));
        Assert.Equal(("go do you hear", "en", "84", "female"), (read[0].Text, read[0].Language, read[0].Speaker, read[0].Gender));
        Assert.Equal(9600, read[0].Load().Samples.Length);
        Assert.Equal(DefectKind.EmptyText, Assert.Throws<DefectException>(() => read[1].Load()).Kind);
        Assert.Equal(1, defects.Counts[DefectKind.EmptyText]); // a recording that no line tells
        Assert.Equal(1, defects.Counts[DefectKind.DuplicateId]);
    }

    [Fact]
    public void Common_voice_lists_name_clips()
    {
        _folder.Wav(Sound(0.4), 16000, "cv", "clips", "a.wav");
        _folder.Text("client_id\tpath\tsentence\tgender\tlocale\nx1\ta.wav\tHello there.\tmale_masculine\ten\nbroken line\nx2\tb.mp3\tNot here.\t\ten\n", "cv", "validated.tsv");
        DefectList defects = new();
        string path = _folder.File("cv");
        SpeechRecording[] read = [.. SpeechCorpus.Recordings(path, DataSetFormat.Resolve(path, "auto"), defects)];
        Assert.Equal(("a", "Hello there.", "en", "x1", "male"), (read[0].Id, read[0].Text, read[0].Language, read[0].Speaker, read[0].Gender));
        Assert.Equal(6400, read[0].Load().Samples.Length);
        Assert.Contains("no such file", Assert.Throws<DefectException>(() => read[1].Load()).Message, StringComparison.Ordinal);
        Assert.Equal(DefectKind.BadRecord.ToString(), Assert.Single(defects.Listed).Kind);
    }

    [Fact]
    public void Plain_folders_come_with_a_manifest_a_table_or_a_text_beside_each_recording()
    {
        _folder.Wav(Sound(0.2), 16000, "m", "x.wav");
        _folder.Text("{\"audio_filepath\": \"x.wav\", \"text\": \"one\", \"speaker\": \"s\", \"emotion\": \"sad\"}\n{\"text\": \"no file\"}\n", "m", "metadata.jsonl");
        _folder.Wav(Sound(0.2), 22050, "lj", "wavs", "LJ001-0001.wav");
        _folder.Text("LJ001-0001|Dr. Who|doctor who\nnothing\n", "lj", "metadata.csv");
        _folder.Wav(Sound(0.2), 16000, "beside", "sub", "y.wav");
        _folder.Text("two\n", "beside", "sub", "y.txt");
        DefectList defects = new();
        SpeechRecording[] All(string name) => [.. SpeechCorpus.Recordings(_folder.File(name), DataSetFormat.SpeechFolder, defects)];
        SpeechRecording manifest = Assert.Single(All("m"));
        Assert.Equal(("x", "one", "s", "sad"), (manifest.Id, manifest.Text, manifest.Speaker, manifest.Emotion));
        Assert.Equal(22050, Assert.Single(All("lj")).Load().SampleRate);
        SpeechRecording beside = Assert.Single(All("beside"));
        Assert.Equal((Path.Combine("sub", "y"), "two"), (beside.Id, beside.Text));
        Assert.Equal(2, defects.Dropped);
    }

    [Fact]
    public void Every_kind_of_broken_recording_has_its_reason()
    {
        float[] spoiled = Sound(0.5), silent = new float[8000];
        spoiled[100] = float.NaN;
        Check(DefectKind.NotANumber, "hi", _folder.Wav(spoiled, 16000, "nan.wav"));
        Check(DefectKind.BrokenAudio, "hi", _folder.Wav(silent, 16000, "silent.wav"));
        Check(DefectKind.BrokenAudio, "hi", _folder.Wav(Sound(0.05), 16000, "short.wav"));
        Check(DefectKind.BrokenAudio, "hi", _folder.Text("this is no sound", "text.wav"));
        Check(DefectKind.BrokenAudio, "hi", _folder.Wav(Sound(61, 8000), 8000, "long.wav"));
        Check(DefectKind.WrongRate, "hi", _folder.Wav(Sound(1, 4000), 4000, "rate.wav"));
        Check(DefectKind.WrongRate, new string('a', 200), _folder.Wav(Sound(0.5), 16000, "fast.wav"));
        Check(DefectKind.MissingFile, "hi", _folder.File("none.wav"));
        Check(DefectKind.EmptyText, " ", _folder.Wav(Sound(0.5), 16000, "untold.wav"));
        byte[] flac = File.ReadAllBytes(_folder.Flac(Sound(0.5), 16000, "cut.flac"));
        File.WriteAllBytes(_folder.File("cut.flac"), flac[..(flac.Length / 2)]);
        Check(DefectKind.BrokenAudio, "hi", _folder.File("cut.flac"));

        static void Check(DefectKind kind, string text, string path) =>
            Assert.Equal(kind, Assert.Throws<DefectException>(() => new SpeechRecording("x", text, path).Load()).Kind);
    }

    /// <summary>The file was made with LAME 3.100 from a second of a 440 Hz tone.</summary>
    [Fact]
    public void Mp3_is_read_where_the_library_is_and_refused_by_name_where_it_is_not()
    {
        string path = Path.Combine(Repository.Root, "tests", "data", "audio", "tone.mp3");
        SpeechRecording recording = new("tone", "a tone", path);
        if (!SoundLibrary.IsAvailable)
        {
            string message = Assert.Throws<MissingLibraryException>(() => recording.Load()).Message;
            Assert.Contains("tone.mp3", message, StringComparison.Ordinal);
            Assert.Contains("ffmpeg", message, StringComparison.Ordinal);
            Assert.Skip("MP3 needs the Debian package libsndfile1");
        }

        AudioClip clip = recording.Load();
        Assert.Equal(16000, clip.SampleRate);
        Assert.InRange(clip.Duration.TotalSeconds, 0.95, 1.2);
        float[] middle = clip.Samples[4000..12000];
        int crossings = middle.Skip(1).Zip(middle, (a, b) => a >= 0 != b >= 0).Count(c => c);
        Assert.InRange(crossings, 436, 444); // twice 440 in half a second
        Assert.Equal(DefectKind.BrokenAudio, Assert.Throws<DefectException>(() => (recording with { Path = _folder.Text("ID3 no sound", "bad.mp3") }).Load()).Kind);
    }
}

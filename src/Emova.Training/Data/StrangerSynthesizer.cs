using System.Diagnostics;
using System.Globalization;
using Emova.Media;

namespace Emova.Training.Data;

/// <summary>
/// Voices the speech encoder should understand but the model never speaks with: espeak-ng's formant synthesis in its variants, and the
/// diphone speaker of festvox-kdlpc16k. Two speakers teach an encoder these two speakers; strangers teach it what words have in common.
/// Both programs run as they are installed; festival stays open, because starting it takes longer than a sentence.
/// </summary>
public sealed class StrangerSynthesizer : IDisposable
{
    /// <summary>Debian packages that must be installed.</summary>
    public const string Packages = "espeak-ng festival festvox-kdlpc16k";

    private const string Diphones = "ked";
    private const string EspeakPrefix = "espeak:";

    private readonly string _wave = Path.Combine(Path.GetTempPath(), $"emova-stranger-{Guid.NewGuid():N}.wav");
    private Process? _festival;

    /// <summary>Names of all voices.</summary>
    public static IReadOnlyList<string> Voices { get; } =
    [
        Diphones, .. from variant in new[]
        {
            "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "klatt", "klatt2", "klatt3", "klatt4", "klatt5", "klatt6",
            "adam", "Alex", "Alicia", "Andrea", "Andy", "Annie", "anika", "belinda", "benjamin", "caleb", "david", "Denis", "ed", "edward", "Gene", "grandma",
            "grandpa", "Henrique", "john", "Lee", "linda", "max", "Michael", "Mike", "paul", "quincy", "rob", "robert", "shelby", "steph", "travis", "victor", "zac",
        }
        select $"{EspeakPrefix}en-us+{variant}",
    ];

    /// <summary>A voice: every third time the diphones, whose speech is closer to recordings, else a variant.</summary>
    public static string Pick(DeterministicRandom random) => random.Chance(1.0 / 3) ? Diphones : random.Pick([.. Voices.Skip(1)]);

    /// <exception cref="EmovaException">A program is not installed.</exception>
    public static void Require()
    {
        if (!Exists("espeak-ng") || !Exists("festival") || !Directory.Exists("/usr/share/festival/voices/english/ked_diphone"))
            throw new EmovaException($"strangers' voices: install the Debian packages {Packages} (apt-get install {Packages}), or set stranger_utterances to 0");
    }

    /// <summary>Renders a text at 16 kHz with tempo and pitch drawn from <paramref name="random"/>.</summary>
    public short[] Synthesize(string text, string voice, DeterministicRandom random)
    {
        double tempo = random.Between(0.85, 1.2), pitch = random.Between(0.0, 1.0);
        if (voice == Diphones)
            SpeakDiphones(text, tempo, pitch);
        else
            SpeakFormants(text, voice[EspeakPrefix.Length..], tempo, pitch);
        AudioClip clip = WavFile.Read(_wave);
        return [.. Resampler.Resample(clip.Samples, clip.SampleRate, TinyCorpus.SampleRate).Select(s => (short)Math.Clamp(Math.Round(s * 32768.0), short.MinValue, short.MaxValue))];
    }

    public void Dispose()
    {
        if (_festival is not null)
        {
            _festival.StandardInput.Close();
            if (!_festival.WaitForExit(2000))
                _festival.Kill();
            _festival.Dispose();
        }
        File.Delete(_wave);
    }

    private void SpeakFormants(string text, string voice, double tempo, double pitch)
    {
        int wordsPerMinute = (int)(165 * tempo), height = (int)(20 + (60 * pitch));
        using Process espeak = Process.Start(new ProcessStartInfo("espeak-ng", ["-v", voice, "-s", $"{wordsPerMinute}", "-p", $"{height}", "-w", _wave, text]))!;
        espeak.WaitForExit();
        if (espeak.ExitCode != 0)
            throw new InvalidOperationException($"espeak-ng: could not speak '{text}' with voice {voice}");
    }

    private void SpeakDiphones(string text, double tempo, double pitch)
    {
        const string done = "emova-done";
        _festival ??= OpenFestival();
        string f0 = (85 + (60 * pitch)).ToString("F0", CultureInfo.InvariantCulture), stretch = (1 / tempo).ToString("F3", CultureInfo.InvariantCulture);
        _festival.StandardInput.WriteLine(
            $"(set! int_lr_params '((target_f0_mean {f0}) (target_f0_std 14) (model_f0_mean 170) (model_f0_std 34)))\n(Parameter.set 'Duration_Stretch {stretch})\n" +
            $"(utt.save.wave (SynthText \"{text}\") \"{_wave}\" 'riff)\n(format t \"{done}\\n\")\n(fflush nil)");
        _festival.StandardInput.Flush();
        while (_festival.StandardOutput.ReadLine() is { } line)
        {
            if (line.Contains(done, StringComparison.Ordinal))
                return;
        }
        throw new InvalidOperationException($"festival: could not speak '{text}'");
    }

    private static Process OpenFestival()
    {
        Process festival = Process.Start(new ProcessStartInfo("festival", ["--pipe"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        // SynthText would play the sound; only its utterance is wanted.
        festival.StandardInput.WriteLine("(voice_ked_diphone)\n(define (SynthText text) (utt.synth (eval (list 'Utterance 'Text text))))");
        return festival;
    }

    private static bool Exists(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));
}

using System.Runtime.InteropServices;

namespace Emova.Training.Data;

/// <summary>
/// Speech from the flite library (Debian package libflite1), in process. flite is not known to be thread-safe: one
/// synthesizer per process, used by one thread.
/// </summary>
public sealed partial class FliteSynthesizer
{
    public const string Package = "libflite1";

    private readonly Dictionary<string, nint> _voices = [];

    public FliteSynthesizer()
    {
        RequireLibrary();
        _ = flite_init();
        _voices["slt"] = register_cmu_us_slt(0);
        _voices["awb"] = register_cmu_us_awb(0);
        _voices["rms"] = register_cmu_us_rms(0);
        _voices["kal16"] = register_cmu_us_kal16(0);
    }

    /// <summary>Whether the library can be loaded on this machine.</summary>
    public static bool IsAvailable => NativeLibrary.TryLoad("libflite.so.1", out _);

    /// <exception cref="EmovaException">The library is not installed.</exception>
    public static void RequireLibrary()
    {
        if (!IsAvailable)
            throw new EmovaException($"libflite.so.1: not found; install the Debian package {Package} (apt-get install {Package})");
    }

    /// <summary>Renders a text; 16 kHz samples and the phones flite spoke, lower-case, without pauses.</summary>
    /// <param name="text">Words.</param>
    /// <param name="voice">slt, awb, rms or kal16.</param>
    /// <param name="settings">Pitch and duration; rms and kal16 ignore the pitch, so null leaves their own.</param>
    public (short[] Samples, string[] Phones) Synthesize(string text, string voice, ProsodySettings? settings)
    {
        nint handle = _voices[voice];
        if (settings is not null)
        {
            nint features = Marshal.ReadIntPtr(handle, nint.Size);
            feat_set_float(features, Names.F0Mean, (float)settings.F0Mean);
            feat_set_float(features, Names.F0Deviation, (float)settings.F0Deviation);
            feat_set_float(features, Names.Duration, (float)settings.Duration);
        }
        // The excitation noise comes from libc's rand: without a fixed seed no two runs are alike.
        srand(1);
        nint utterance = flite_synth_text(text, handle);
        if (utterance == 0)
            throw new InvalidOperationException($"flite: could not speak '{text}'");
        try
        {
            return (ReadWave(utt_wave(utterance)), ReadPhones(utterance));
        }
        finally
        {
            delete_utterance(utterance);
        }
    }

    private static short[] ReadWave(nint wave)
    {
        // struct { const char *type; int sample_rate, num_samples, num_channels; short *samples; }
        int rate = Marshal.ReadInt32(wave, nint.Size);
        int count = Marshal.ReadInt32(wave, nint.Size + 4);
        if (rate != TinyCorpus.SampleRate)
            throw new InvalidOperationException($"flite: voice speaks at {rate} Hz, expected {TinyCorpus.SampleRate}");
        short[] samples = new short[count];
        Marshal.Copy(Marshal.ReadIntPtr(wave, nint.Size + 16), samples, 0, count);
        return samples;
    }

    private static string[] ReadPhones(nint utterance)
    {
        var phones = new List<string>();
        for (nint item = relation_head(utt_relation(utterance, Names.Segment)); item != 0; item = item_next(item))
        {
            string phone = Marshal.PtrToStringUTF8(item_feat_string(item, Names.Name))!.ToLowerInvariant();
            if (phone != "pau")
                phones.Add(phone);
        }
        return [.. phones];
    }

    /// <summary>flite keeps the pointer to a feature's name, so the names must never be freed.</summary>
    private static class Names
    {
        public static readonly nint F0Mean = Marshal.StringToCoTaskMemUTF8("int_f0_target_mean");
        public static readonly nint F0Deviation = Marshal.StringToCoTaskMemUTF8("int_f0_target_stddev");
        public static readonly nint Duration = Marshal.StringToCoTaskMemUTF8("duration_stretch");
        public static readonly nint Segment = Marshal.StringToCoTaskMemUTF8("Segment");
        public static readonly nint Name = Marshal.StringToCoTaskMemUTF8("name");
    }

    [LibraryImport("libflite.so.1")]
    private static partial int flite_init();

    [LibraryImport("libflite.so.1", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint flite_synth_text(string text, nint voice);

    [LibraryImport("libflite.so.1")]
    private static partial nint utt_wave(nint utterance);

    [LibraryImport("libflite.so.1")]
    private static partial void delete_utterance(nint utterance);

    [LibraryImport("libflite.so.1")]
    private static partial nint utt_relation(nint utterance, nint name);

    [LibraryImport("libflite.so.1")]
    private static partial nint relation_head(nint relation);

    [LibraryImport("libflite.so.1")]
    private static partial nint item_next(nint item);

    [LibraryImport("libflite.so.1")]
    private static partial nint item_feat_string(nint item, nint name);

    [LibraryImport("libflite.so.1")]
    private static partial void feat_set_float(nint features, nint name, float value);

    [LibraryImport("libflite_cmu_us_slt.so.1")]
    private static partial nint register_cmu_us_slt(nint voiceDirectory);

    [LibraryImport("libflite_cmu_us_awb.so.1")]
    private static partial nint register_cmu_us_awb(nint voiceDirectory);

    [LibraryImport("libflite_cmu_us_rms.so.1")]
    private static partial nint register_cmu_us_rms(nint voiceDirectory);

    [LibraryImport("libflite_cmu_us_kal16.so.1")]
    private static partial nint register_cmu_us_kal16(nint voiceDirectory);

    [LibraryImport("libc")]
    private static partial void srand(uint seed);
}

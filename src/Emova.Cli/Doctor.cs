using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models;
using Emova.Numerics;
using Emova.Text;

namespace Emova.Cli;

/// <summary>Result of one check.</summary>
internal sealed record DoctorFinding(string Check, string Finding, bool IsGood = true);

/// <summary>The checks of <c>emova doctor</c>. Each one does the thing it reports on.</summary>
internal static class Doctor
{
    /// <summary>A picture of one pixel in each format, base64.</summary>
    private static readonly (string Format, string Base64)[] OnePixelPictures =
    [
        ("PNG", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="),
        ("JPEG", "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQH/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AP//Z"),
        ("BMP", "Qk06AAAAAAAAADYAAAAoAAAAAQAAAAEAAAABABgAAAAAAAQAAAATCwAAEwsAAAAAAAAAAAAAMmTIAA=="),
        ("GIF", "R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="),
    ];

    public static IEnumerable<DoctorFinding> CheckMachine()
    {
        yield return new("runtime", $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.ProcessArchitecture}");
        yield return new("processors", $"{Environment.ProcessorCount} available to this process, {WorkerTeam.Shared.ThreadCount} used");
        (string Name, bool Present)[] features =
        [
            ("SSE4.2", Sse42.IsSupported), ("AVX", Avx.IsSupported), ("AVX2", Avx2.IsSupported), ("FMA", Fma.IsSupported), ("AVX-512F", Avx512F.IsSupported),
            ("AVX-VNNI", AvxVnni.IsSupported), ("NEON", AdvSimd.IsSupported), ("dot product", Dp.IsSupported),
        ];
        yield return new(
            "vector instructions", $"{string.Join(" ", features.Where(feature => feature.Present).Select(feature => feature.Name))}; {Vector256<byte>.Count * 8}-bit {(Vector256.IsHardwareAccelerated ? "in hardware" : "emulated, slow")}",
            Vector128.IsHardwareAccelerated);
        yield return new("kernels", MachineProbe.Kernels);
        GCMemoryInfo memory = GC.GetGCMemoryInfo();
        yield return new("memory", $"{memory.TotalAvailableMemoryBytes / 1048576.0:0} MiB for this process");
        yield return new("read bandwidth", $"{MachineProbe.ReadBandwidth(WorkerTeam.Shared) / 1e9:0.0} GB/s with {WorkerTeam.Shared.ThreadCount} threads");
    }

    public static IEnumerable<DoctorFinding> CheckFormats()
    {
        bool composed = "e\u0301".Normalize() == "\u00e9";
        yield return new("Unicode (ICU)", composed ? "normalization works" : "normalization does nothing: install libicu and unset DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", composed);
        foreach (WavEncoding encoding in Enum.GetValues<WavEncoding>())
            yield return CheckAudio(encoding);
        foreach ((string format, string picture) in OnePixelPictures)
            yield return CheckPicture(format, picture);
    }

    public static IEnumerable<DoctorFinding> CheckModel(Func<string> findFolder)
    {
        List<DoctorFinding> findings = [];
        try
        {
            string path = findFolder();
            findings.Add(new("model folder", path));
            using ModelFolder folder = ModelFolder.Open(path);
            ModelInspection inspection = ModelInspector.Inspect(folder);
            findings.Add(new("weights", $"{inspection.Tensors.Count} tensors, {inspection.Parameters:N0} parameters, {inspection.Plan.TotalBytes / 1048576.0:0.0} MiB with cache"));
            HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Load(folder.TokenizerPath);
            findings.Add(new("tokenizer", $"{tokenizer.VocabularySize} token ids"));
            long start = Stopwatch.GetTimestamp();
            Assistant assistant = Assistant.Load(path);
            findings.Add(new("loading", $"all parts fit together, {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0} ms"));
            findings.Add(new("speech", assistant.Speech is { } speech ? $"{speech.Units.Count} units, {assistant.Styles?.Names.Count ?? 0} styles" : "none: this model neither hears nor speaks"));
            findings.Add(new("sight", assistant.Model.Vision is null ? "none: this model does not see" : "pictures of any size"));
        }
        catch (EmovaException error)
        {
            findings.Add(new("model", error.Message.ReplaceLineEndings(" "), false));
        }

        return findings;
    }

    private static DoctorFinding CheckPicture(string format, string base64)
    {
        try
        {
            RgbImage image = ImageFile.Decode(Convert.FromBase64String(base64), $"{format} pixel");
            return new($"picture {format}", "decoded", image is { Width: 1, Height: 1 });
        }
        catch (EmovaException error)
        {
            return new($"picture {format}", error.Message.ReplaceLineEndings(" "), false);
        }
    }

    /// <summary>Writes a tone and reads it back.</summary>
    private static DoctorFinding CheckAudio(WavEncoding encoding)
    {
        float[] tone = [.. Enumerable.Range(0, 1600).Select(i => 0.5f * MathF.Sin(0.1f * i))];
        using MemoryStream stream = new();
        using (WavWriter writer = new(stream, 16000, encoding, leaveOpen: true))
            writer.Write(tone);
        stream.Position = 0;
        AudioClip back = WavFile.Read(stream, $"{encoding} tone");
        float error = back.Samples.Length == tone.Length ? back.Samples.Zip(tone, (a, b) => MathF.Abs(a - b)).Max() : float.PositiveInfinity;
        return new($"WAV {encoding}", $"written and read back, largest difference {error:0.0e0}", error < 0.01f);
    }
}

using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Emova.Training.Runtime;

/// <summary>
/// Makes TorchSharp's native library loadable where the system's libstdc++ is older than the one it was linked with.
/// </summary>
/// <remarks>
/// libLibTorchSharp.so names symbol version GLIBCXX_3.4.32 (GCC 13); Debian 12 ends at 3.4.30, so the dynamic linker refuses
/// the file. The only symbol with that version is <c>std::ios_base_library_init</c>, an empty marker that newer libstdc++
/// headers reference to be sure that the library initializes the standard streams; older libraries need no such call.
/// Marking the version entry weak turns the refusal into nothing. Only the copy in the application's own folder is changed,
/// through a temporary file and a rename because the file may be a hard link into the package cache.
/// </remarks>
public static class LibTorchLoader
{
    private const string FileName = "libLibTorchSharp.so";
    private const string StandardLibrary = "libstdc++.so.6";
    private const string MarkerSymbol = "_ZSt21ios_base_library_initv";
    private static readonly Lock Gate = new();
    private static bool s_done;

    /// <summary>Call before the first use of TorchSharp. Cheap when there is nothing to do.</summary>
    public static void EnsureLoadable()
    {
        lock (Gate)
        {
            if (s_done) return;
            s_done = true;
            if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64) return;
            string? library = Candidates(AppContext.BaseDirectory).FirstOrDefault(File.Exists);
            string? system = SystemStandardLibrary();
            if (library is not null && system is not null) Repair(library, system);
        }
    }

    /// <summary>
    /// Marks as weak each version that <paramref name="library"/> needs from libstdc++, that <paramref name="standardLibrary"/>
    /// does not define, and that only the marker symbol carries. Returns true when the file was rewritten.
    /// </summary>
    internal static bool Repair(string library, string standardLibrary)
    {
        byte[] image = File.ReadAllBytes(library);
        HashSet<string> defined = new ElfSymbolVersions(File.ReadAllBytes(standardLibrary)).Defined();
        ElfSymbolVersions versions = new(image);
        bool changed = false;
        foreach (ElfSymbolVersions.Need need in versions.Needed())
        {
            if (need.Library != StandardLibrary || defined.Contains(need.Version) || (need.Flags & ElfSymbolVersions.WeakFlag) != 0) continue;
            // A version with real functions behind it must stay strict: the linker's message then names what is missing.
            if (versions.SymbolsOf(need.Index).Any(name => name != MarkerSymbol)) continue;
            BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(need.FlagsOffset), (ushort)(need.Flags | ElfSymbolVersions.WeakFlag));
            changed = true;
        }
        if (!changed) return false;
        string temporary = $"{library}.{Environment.ProcessId}.tmp";
        File.WriteAllBytes(temporary, image);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(temporary, File.GetUnixFileMode(library));
        File.Move(temporary, library, overwrite: true);
        return true;
    }

    internal static IEnumerable<string> Candidates(string folder) =>
        [Path.Combine(folder, "runtimes", "linux-x64", "native", FileName), Path.Combine(folder, FileName)];

    /// <summary>Path of the libstdc++ this process has mapped (the .NET host itself needs it).</summary>
    internal static string? SystemStandardLibrary()
    {
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            int slash = line.IndexOf('/', StringComparison.Ordinal);
            if (slash >= 0 && Path.GetFileName(line[slash..]).StartsWith("libstdc++.so", StringComparison.Ordinal)) return line[slash..];
        }
        return null;
    }
}

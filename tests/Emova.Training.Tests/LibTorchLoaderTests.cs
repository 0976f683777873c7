using System.Runtime.InteropServices;
using Emova.Training.Runtime;
using Xunit;

namespace Emova.Training.Tests;

public sealed class LibTorchLoaderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("emova-elf").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void VersionThatOnlyTheMarkerCarriesBecomesWeakAndNothingElseChanges()
    {
        string package = PackagedLibrary(), copy = Path.Combine(_folder, "copy.so"), link = Path.Combine(_folder, "link.so");
        string older = OlderStandardLibrary();
        File.Copy(package, copy);
        byte[] before = File.ReadAllBytes(copy);
        Weak(before, copy, false); // start from the file as shipped even where the test run's own copy was already repaired
        before = File.ReadAllBytes(copy);
        Assert.Equal(0, HardLink(copy, link));

        Assert.True(LibTorchLoader.Repair(copy, older));

        byte[] after = File.ReadAllBytes(copy);
        Assert.Equal(before.Length, after.Length);
        int[] changed = [.. Enumerable.Range(0, before.Length).Where(i => before[i] != after[i])];
        ElfSymbolVersions.Need need = Assert.Single(new ElfSymbolVersions(after).Needed(), n => (n.Flags & ElfSymbolVersions.WeakFlag) != 0);
        Assert.Equal("GLIBCXX_3.4.32", need.Version);
        Assert.Equal([need.FlagsOffset], changed);
        Assert.Equal(before, File.ReadAllBytes(link)); // the other name of the same file (a package cache) is untouched
        Assert.False(LibTorchLoader.Repair(copy, older)); // nothing left to do
    }

    [Fact]
    public void VersionsWithRealFunctionsStayStrict()
    {
        string library = Path.Combine(_folder, "copy.so"), none = Path.Combine(_folder, "none.so");
        File.Copy(PackagedLibrary(), library);
        File.Copy(library, none); // defines no version at all: every need is unmet
        LibTorchLoader.Repair(library, none);
        foreach (ElfSymbolVersions.Need need in new ElfSymbolVersions(File.ReadAllBytes(library)).Needed())
            Assert.Equal(need.Version == "GLIBCXX_3.4.32", (need.Flags & ElfSymbolVersions.WeakFlag) != 0);
    }

    [Fact]
    public void TheMappedStandardLibraryDefinesItsVersions()
    {
        string? path = LibTorchLoader.SystemStandardLibrary();
        Assert.NotNull(path);
        Assert.Contains("GLIBCXX_3.4", new ElfSymbolVersions(File.ReadAllBytes(path)).Defined());
    }

    [Fact]
    public void OtherFilesAreRefused() =>
        Assert.Throws<InvalidDataException>(() => new ElfSymbolVersions(new byte[100]));

    [Fact]
    public void TorchComputes()
    {
        using TorchSharp.torch.Tensor sum = TorchSharp.torch.ones(3).sum();
        Assert.Equal(3f, sum.item<float>());
    }

    private static string PackagedLibrary() => LibTorchLoader.Candidates(AppContext.BaseDirectory).First(File.Exists);

    /// <summary>A libstdc++ without 3.4.32: the system's own, with the name of that version overwritten where it has one.</summary>
    private string OlderStandardLibrary()
    {
        byte[] image = File.ReadAllBytes(LibTorchLoader.SystemStandardLibrary()!);
        ReadOnlySpan<byte> name = "GLIBCXX_3.4.32\0"u8;
        for (int at; (at = image.AsSpan().IndexOf(name)) >= 0;) image[at] = (byte)'X';
        string path = Path.Combine(_folder, "libstdc++.so.6");
        File.WriteAllBytes(path, image);
        return path;
    }

    private static void Weak(byte[] image, string path, bool weak)
    {
        foreach (ElfSymbolVersions.Need need in new ElfSymbolVersions(image).Needed().Where(n => n.Version == "GLIBCXX_3.4.32"))
            image[need.FlagsOffset] = (byte)(weak ? ElfSymbolVersions.WeakFlag : 0);
        File.WriteAllBytes(path, image);
    }

    [DllImport("libc", EntryPoint = "link", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int HardLink(string existing, string created);
}

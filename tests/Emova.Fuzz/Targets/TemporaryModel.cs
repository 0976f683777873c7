namespace Emova.Fuzz.Targets;

/// <summary>A folder with one file from the fuzzer, deleted afterwards.</summary>
internal sealed class TemporaryModel : IDisposable
{
    public TemporaryModel(ReadOnlySpan<byte> data, string file)
    {
        Folder = Path.Combine(Path.GetTempPath(), $"emova-fuzz-{Environment.ProcessId}-{Environment.CurrentManagedThreadId}");
        Directory.CreateDirectory(Folder);
        File.WriteAllBytes(this[file], data);
    }

    public string Folder { get; }

    public string this[string file] => Path.Combine(Folder, file);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}

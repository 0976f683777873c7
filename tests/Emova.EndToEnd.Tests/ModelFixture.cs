using Emova.Media;
using Emova.Tests;
using Emova.Tests.Models;

namespace Emova.EndToEnd.Tests;

/// <summary>A working folder with models/emova-tiny (random weights) and input files, shared by the tests of a class.</summary>
public sealed class ModelFixture : IDisposable
{
    private readonly TemporaryFolder _work = new();

    public ModelFixture()
    {
        using RandomModelFolder model = new();
        string target = Path.Combine(_work.Folder, "models", "emova-tiny");
        Directory.CreateDirectory(target);
        foreach (string file in Directory.GetFiles(model.Folder))
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        WavFile.Write(this["question.wav"], RandomModelFolder.Tone().Samples, 16000);
        File.WriteAllBytes(this["picture.bmp"], Bitmap(90, 60));
    }

    public string Folder => _work.Folder;

    public string this[string file] => _work[file];

    /// <summary>A 24-bit BMP file with a color ramp.</summary>
    public static byte[] Bitmap(int width, int height, int? statedWidth = null)
    {
        int stride = (3 * width + 3) / 4 * 4;
        byte[] file = new byte[54 + stride * height];
        using BinaryWriter writer = new(new MemoryStream(file));
        writer.Write("BM"u8);
        writer.Write(file.Length);
        writer.Write(0);
        writer.Write(54);
        writer.Write(40);
        writer.Write(statedWidth ?? width);
        writer.Write(height);
        writer.Write((short)1);
        writer.Write((short)24);
        for (int i = 54; i < file.Length; i++)
            file[i] = (byte)(i * 7);
        return file;
    }

    public void Dispose() => _work.Dispose();
}

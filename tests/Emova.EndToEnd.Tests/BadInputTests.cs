using System.Text;
using Emova.Media;
using Emova.Tests.Models;
using Xunit;

namespace Emova.EndToEnd.Tests;

/// <summary>Bad input ends in one line on standard error that names the file or option and says why, and exit code 2.</summary>
public sealed class BadInputTests(ModelFixture work) : IClassFixture<ModelFixture>
{
    [Theory]
    [InlineData("missing.wav", "")]
    [InlineData("empty.wav", "")]
    [InlineData("truncated.wav", "")]
    [InlineData("silent.wav", "")]
    [InlineData("short.wav", "")]
    [InlineData("endless.wav", "")]
    [InlineData("picture.bmp", "")]
    [InlineData("notanumber.wav", "")]
    public void Audio_Unusable_IsRefused(string file, string reason)
    {
        Make(file);
        AssertRefused(file, reason, "transcribe", file);
    }

    [Theory]
    [InlineData("eight-bit.wav")]
    [InlineData("fast.wav")]
    [InlineData("stereo.wav")]
    [InlineData("float.wav")]
    public void Audio_UnusualButValid_IsHeard(string file)
    {
        Make(file);
        EmovaResult result = EmovaProcess.Run(work.Folder, "encode", file);
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.Equal(25, result.Output.Split(' ').Length);
    }

    [Theory]
    [InlineData("missing.png")]
    [InlineData("empty.png")]
    [InlineData("question.wav")]
    [InlineData("cut.bmp")]
    [InlineData("huge.bmp")]
    [InlineData("strip.bmp")]
    public void Image_Unusable_IsRefused(string file)
    {
        Make(file);
        AssertRefused(file, "", "describe", file);
    }

    [Theory]
    [InlineData("one-pixel.bmp")]
    [InlineData("mislabelled.png")]
    public void Image_UnusualButValid_IsSeen(string file)
    {
        Make(file);
        EmovaResult result = EmovaProcess.Run(work.Folder, "describe", file);
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.NotEmpty(result.Output);
    }

    [Theory]
    [InlineData("nowhere", "--model nowhere", "speak", "hi", "--model", "nowhere")]
    [InlineData("nowhere", "samples.json", "demo", "--samples", "nowhere")]
    [InlineData("style", "female-glad-high", "speak", "hi", "--style", "female-glad-high")]
    [InlineData("emotion strength", "1.5", "speak", "hi", "--emotion-strength", "1.6")]
    [InlineData("pitch shift", "12", "speak", "hi", "--pitch-shift", "40")]
    [InlineData("--speed", "quick", "speak", "hi", "--speed", "quick")]
    [InlineData("speed", "0.5", "speak", "hi", "--speed", "0")]
    [InlineData("voice", "robot", "chat", "--text", "hi", "--voice", "robot")]
    [InlineData("temperature", "10", "chat", "--text", "hi", "--temperature", "-1")]
    [InlineData("top-p", "0", "chat", "--text", "hi", "--top-p", "0")]
    [InlineData("--threads", "256", "speak", "hi", "--threads", "0")]
    [InlineData("--max-units", "1 to", "speak", "hi", "--max-units", "0")]
    [InlineData("--seed", "abc", "speak", "hi", "--seed", "abc")]
    [InlineData("--audio and --text", "one of them", "chat", "--audio", "question.wav", "--text", "hi")]
    [InlineData("--out", "no folder", "speak", "hi", "--out", "nofolder/x.wav")]
    [InlineData("SUITE", "tiny", "eval", "big")]
    [InlineData("--only", "human", "eval", "tiny", "--only", "everything")]
    [InlineData("nodata", "", "eval", "tiny", "--data", "nodata")]
    [InlineData("UNITS", "9999", "decode", "12", "9999")]
    [InlineData("UNITS", "happy", "decode", "happy")]
    [InlineData("nothing to say", "text", "speak", " ")]
    [InlineData("--frobnicate", "", "demo", "--frobnicate")]
    [InlineData("frobnicate", "", "frobnicate")]
    [InlineData("'TEXT'", "", "speak")]
    public void Option_Unusable_IsRefused(string name, string reason, params string[] arguments) => AssertRefused(name, reason, arguments);

    [Theory]
    [InlineData("config.json", "{")]
    [InlineData("config.json", "{}")]
    [InlineData("tokenizer.json", "{}")]
    [InlineData("model.safetensors", "abc")]
    [InlineData("styles.safetensors", "abc")]
    [InlineData("config.json", null)]
    [InlineData("tokenizer.json", null)]
    [InlineData("model.safetensors", null)]
    public void Model_DamagedOrMissingFile_IsNamed(string file, string? content)
    {
        using RandomModelFolder model = new();
        if (content is null)
            File.Delete(model[file]);
        else
            File.WriteAllText(model[file], content);
        AssertRefused(file, "", "speak", "hi", "--model", model.Folder);
        Assert.Equal(1, EmovaProcess.Run(work.Folder, "doctor", "--model", model.Folder).ExitCode);
    }

    [Fact]
    public void Chat_BadLineInAScript_EndsItWithCode2()
    {
        EmovaResult result = EmovaProcess.RunWithInput(work.Folder, "/audio nothing.wav\nhello\n", "chat");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("nothing.wav", result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    private void AssertRefused(string name, string reason, params string[] arguments)
    {
        EmovaResult result = EmovaProcess.Run(work.Folder, arguments);
        string line = Assert.Single(result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("emova: ", line, StringComparison.Ordinal);
        Assert.Contains(name, line, StringComparison.Ordinal);
        Assert.Contains(reason, line, StringComparison.Ordinal);
        Assert.Equal(2, result.ExitCode);
        Assert.Empty(result.Output);
    }

    private void Make(string file)
    {
        short[] tone = [.. RandomModelFolder.Tone().Samples.Select(sample => (short)(sample * 32767))];
        byte[] pcm = [.. tone.SelectMany(BitConverter.GetBytes)];
        byte[]? content = file switch
        {
            "empty.wav" or "empty.png" => [],
            "truncated.wav" => Wav(1, 1, 16000, 16, pcm)[..20_000],
            "silent.wav" => Wav(1, 1, 16000, 16, []),
            "short.wav" => Wav(1, 1, 16000, 16, pcm[..40]),
            "endless.wav" => null,
            "notanumber.wav" => Wav(3, 1, 16000, 32, [.. Enumerable.Repeat(BitConverter.GetBytes(float.NaN), 16000).SelectMany(bytes => bytes)]),
            "eight-bit.wav" => Wav(1, 1, 16000, 8, [.. tone.Select(sample => (byte)((sample >> 8) + 128))]),
            "fast.wav" => Wav(1, 1, 96000, 16, [.. RandomModelFolder.Tone(96000).Samples.SelectMany(sample => BitConverter.GetBytes((short)(sample * 32767)))]),
            "stereo.wav" => Wav(1, 2, 16000, 16, [.. tone.SelectMany(sample => (byte[])[.. BitConverter.GetBytes(sample), .. BitConverter.GetBytes(sample)])]),
            "float.wav" => Wav(3, 1, 16000, 32, [.. RandomModelFolder.Tone().Samples.SelectMany(BitConverter.GetBytes)]),
            "cut.bmp" => ModelFixture.Bitmap(90, 60)[..2000],
            "huge.bmp" => ModelFixture.Bitmap(20, 20, statedWidth: 20_000),
            "strip.bmp" => ModelFixture.Bitmap(2000, 1),
            "one-pixel.bmp" => ModelFixture.Bitmap(1, 1),
            "mislabelled.png" => ModelFixture.Bitmap(60, 60),
            _ => null,
        };
        if (content is not null)
            File.WriteAllBytes(work[file], content);
        if (file == "endless.wav")
            WriteTenHours(work[file]);
    }

    /// <summary>Ten hours of silence: a sparse file, refused from its header.</summary>
    private static void WriteTenHours(string path)
    {
        const int DataBytes = 10 * 3600 * 16000 * 2;
        using FileStream stream = new(path, FileMode.Create);
        stream.Write(Wav(1, 1, 16000, 16, [], DataBytes));
        stream.SetLength(44 + (long)DataBytes);
    }

    private static byte[] Wav(short format, short channels, int rate, short bits, byte[] data, int? statedBytes = null)
    {
        using MemoryStream stream = new();
        using BinaryWriter writer = new(stream, Encoding.ASCII);
        int bytes = statedBytes ?? data.Length;
        writer.Write("RIFF"u8);
        writer.Write(36 + bytes);
        writer.Write("WAVEfmt "u8);
        writer.Write(16);
        writer.Write(format);
        writer.Write(channels);
        writer.Write(rate);
        writer.Write(rate * channels * bits / 8);
        writer.Write((short)(channels * bits / 8));
        writer.Write(bits);
        writer.Write("data"u8);
        writer.Write(bytes);
        writer.Write(data);
        return stream.ToArray();
    }
}

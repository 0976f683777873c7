using System.Runtime.InteropServices;
using Emova.Media;
using Emova.Tests.Models;
using Xunit;

namespace Emova.EndToEnd.Tests;

/// <summary>Ctrl-C in the middle of speaking leaves a playable file of what was said until then.</summary>
public sealed partial class InterruptionTests(ModelFixture work) : IClassFixture<ModelFixture>
{
    /// <summary>SIGINT; SIGTERM, which does the same, where a background job made its children ignore SIGINT.</summary>
    private static int Interrupt => IgnoresInterrupt() ? 15 : 2;

    [Fact]
    public async Task Decode_InterruptedWhileSpeaking_FinishesTheFile()
    {
        // Enough units for minutes of work even on a fast machine; the signal comes as soon as there is some audio.
        string units = string.Join(' ', Enumerable.Range(0, 400_000).Select(i => i * 7 % 4096));
        using EmovaProcess process = EmovaProcess.Start(work.Folder, "chat", "--audio", "question.wav", "--out", "warm.wav", "--max-units", "5");
        Assert.Equal(0, process.Wait().ExitCode);

        await File.WriteAllTextAsync(work["units.txt"], units, TestContext.Current.CancellationToken);
        using EmovaProcess speaking = EmovaProcess.StartWithInputFile(work.Folder, work["units.txt"], "decode", "-", "--out", "partial.wav");
        FileInfo file = new(work["partial.wav"]);
        for (int i = 0; i < 600 && !(file.Exists && file.Length > 50_000); i++)
        {
            Assert.False(speaking.HasExited, "the command ended before it could be interrupted");
            await Task.Delay(100, TestContext.Current.CancellationToken);
            file.Refresh();
        }

        Assert.Equal(0, Kill(speaking.Id, Interrupt));
        EmovaResult result = speaking.Wait();
        Assert.Equal(1, result.ExitCode);
        Assert.Equal("emova: interrupted\n", result.Error);
        AudioClip partial = WavFile.Read(work["partial.wav"]);
        using (WavReader header = WavReader.Open(work["partial.wav"]))
            Assert.Equal(partial.Samples.Length, header.FrameCount); // null while a file is unfinished
        Assert.Contains(partial.Samples, sample => sample != 0);
    }

    [Fact]
    public async Task Chat_InterruptedWhileWaitingForALine_Ends()
    {
        using EmovaProcess waiting = EmovaProcess.Start(work.Folder, "chat", "--json");
        await waiting.WriteLineAsync("what");
        for (int i = 0; i < 600 && waiting.Output.Length == 0; i++)
            await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.NotEmpty(waiting.Output);
        Assert.Equal(0, Kill(waiting.Id, Interrupt));
        EmovaResult result = waiting.Wait();
        Assert.Equal(1, result.ExitCode);
        Assert.Equal("emova: interrupted\n", result.Error);
    }

    private static bool IgnoresInterrupt()
    {
        const string field = "SigIgn:";
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith(field, StringComparison.Ordinal));
        return (Convert.ToUInt64(line[field.Length..].Trim(), 16) & 2) != 0;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}

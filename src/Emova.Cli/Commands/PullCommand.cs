using System.CommandLine;
using System.Diagnostics;
using Emova.Hub;

namespace Emova.Cli.Commands;

/// <summary><c>emova pull</c>: downloads a model into the cache the hub's tools share.</summary>
internal static class PullCommand
{
    public static Command Create()
    {
        Argument<string> repository = new("REPO") { Description = "OWNER/NAME or OWNER/NAME@REVISION on the Hugging Face hub." };
        Option<bool> json = new("--json") { Description = "Write JSON instead of text." };
        ExampleCommand command = new(
            "pull", "Download a model; HF_TOKEN, HF_ENDPOINT, HF_HOME and HF_HUB_CACHE are respected. Interrupted downloads continue.",
            "emova pull Emova-ollm/emova-qwen-2-5-3b-hf", "emova pull Emova-ollm/emova-qwen-2-5-7b@main --json")
        { repository, json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            HubRepository wanted = HubRepository.Parse(parsed.GetValue(repository)!);
            string folder = await HubDownload.PullAsync(wanted, HubOptions.FromEnvironment(), new ProgressLine(), cancellationToken).ConfigureAwait(false);
            if (!Console.IsErrorRedirected)
                await Console.Error.WriteLineAsync().ConfigureAwait(false);
            if (parsed.GetValue(json))
                Terminal.WriteJson(new { repository = wanted.Name, revision = wanted.Revision, folder });
            else
                Console.Out.WriteLine(folder);
            return Application.Success;
        });
        return command;
    }

    /// <summary>One line that changes on a terminal; a line per file elsewhere.</summary>
    private sealed class ProgressLine : IProgress<HubProgress>
    {
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private TimeSpan _shown = TimeSpan.FromSeconds(-1);
        private long? _first;
        private HubProgress? _last;

        public void Report(HubProgress value)
        {
            _first ??= value.DoneBytes;
            bool isNewFile = value.File != _last?.File;
            _last = value;
            if (Console.IsErrorRedirected)
            {
                if (isNewFile)
                    Terminal.Note($"{value.File.Path} ({Megabytes(value.File.Size)} MB)");
                return;
            }

            if (!isNewFile && value.DoneBytes < value.TotalBytes && _clock.Elapsed - _shown < TimeSpan.FromMilliseconds(200))
                return;
            _shown = _clock.Elapsed;
            double speed = (value.DoneBytes - _first.Value) / 1e6 / Math.Max(_clock.Elapsed.TotalSeconds, 0.001);
            string line = $"{100.0 * value.DoneBytes / Math.Max(value.TotalBytes, 1):0}% {Megabytes(value.DoneBytes)} of {Megabytes(value.TotalBytes)} MB, {speed:0.0} MB/s, {value.File.Path}";
            Console.Error.Write($"\r{(line.Length > 100 ? line[..100] : line),-100}");
        }

        private static string Megabytes(long bytes) => $"{bytes / 1e6:0.0}";
    }
}

using System.Diagnostics;
using System.Runtime.InteropServices;
using Emova.Evaluation.Data;
using Emova.Evaluation.Reports;

namespace Emova.Evaluation.Tiny;

/// <summary>
/// <c>eval tiny</c>: every figure EMOVA-Tiny is judged by, on test data it was never trained on, each with its interval and its goal.
/// A part whose outside help is missing (a Debian package, a drawing style) is reported as not measured, with the reason.
/// </summary>
public static class TinySuite
{
    private static readonly (string Name, Func<TinyRun, Task> RunAsync)[] Parts =
    [
        ("speech-encoder", SpeechEncoderPart.RunAsync),
        ("voice", VoicePart.RunAsync),
        ("transcribe", TranscribePart.RunAsync),
        ("pictures", PicturesPart.RunAsync),
        ("spoken", SpokenPart.RunAsync),
        ("sampled", SampledPart.RunAsync),
        ("human", HumanPart.RunAsync),
        ("time", TimePart.RunAsync),
    ];

    /// <summary>Names of the parts, in the order they run.</summary>
    public static IReadOnlyList<string> PartNames { get; } = [.. Parts.Select(part => part.Name)];

    private static string Machine => $"{Environment.ProcessorCount} processors, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}";

    /// <summary>Runs the chosen parts.</summary>
    /// <exception cref="EmovaException">An option, the corpus or the model cannot be used.</exception>
    public static async Task<Report> RunAsync(
        IEvaluatedModel model, TinyOptions options, Action<TinyProgress>? progress = null, CancellationToken cancellation = default)
    {
        options.Validate();
        TestCorpus corpus = TestCorpus.Open(options.Data);
        using var run = new TinyRun(model, corpus, options, progress, cancellation);
        var seconds = new Dictionary<string, double>();
        foreach ((string name, Func<TinyRun, Task> runPart) in Parts)
        {
            if (options.Only is { } only && !only.Contains(name)) continue;
            var watch = Stopwatch.StartNew();
            run.Part = name;
            await runPart(run).ConfigureAwait(false);
            seconds[name] = Math.Round(watch.Elapsed.TotalSeconds, 1);
        }
        return new Report("tiny", options.Command, options.Seed, Machine, [.. run.Figures], new Dictionary<string, string>(run.Skipped), seconds) { Mistakes = [.. run.Mistakes] };
    }
}

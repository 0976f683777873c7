using System.CommandLine;
using System.CommandLine.Help;
using System.Runtime.InteropServices;
using Emova.Cli.Commands;

namespace Emova.Cli;

/// <summary>
/// The command line. Exit codes: 0 success, 1 failure (a failed check, an interruption, a bug), 2 bad input or usage.
/// Bad input is one line on standard error that names the file or option and the reason.
/// </summary>
internal static class Application
{
    public const int Success = 0;
    public const int Failure = 1;
    public const int BadInput = 2;

    public static async Task<int> RunAsync(string[] args)
    {
        RootCommand root = CreateRoot();
        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpWithExamples)
        {
            string reason = parsed.UnmatchedTokens is [var word, ..] && parsed.CommandResult.Command == root
                ? $"'{word}' is no command" : OneLine(parsed.Errors[0].Message);
            await Console.Error.WriteLineAsync($"emova: {reason} (see {HelpFor(parsed)})").ConfigureAwait(false);
            return BadInput;
        }

        using CancellationTokenSource interrupted = new();
        // The first signal lets the command finish its files; the second one ends the process.
        void Interrupt(PosixSignalContext signal)
        {
            signal.Cancel = !interrupted.IsCancellationRequested;
            interrupted.Cancel();
        }

        using PosixSignalRegistration controlC = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        try
        {
            InvocationConfiguration configuration = new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await parsed.InvokeAsync(configuration, interrupted.Token).ConfigureAwait(false);
        }
        catch (EmovaException error)
        {
            await Console.Error.WriteLineAsync($"emova: {OneLine(error.Message)}").ConfigureAwait(false);
            return BadInput;
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("emova: interrupted").ConfigureAwait(false);
            return Failure;
        }
        catch (Exception bug)
        {
            await Console.Error.WriteLineAsync($"emova: internal error, please report it: {bug}").ConfigureAwait(false);
            return Failure;
        }
    }

    public static RootCommand CreateRoot()
    {
        RootCommand root = new("EMOVA sees pictures, hears speech, and answers in text and aloud, with emotion.")
        {
            DemoCommand.Create(),
            ChatCommand.Create(),
            ServeCommand.Create(),
            ProvenanceCommand.Create(),
            TranscribeCommand.Create(),
            SpeakCommand.Create(),
            DescribeCommand.Create(),
            EncodeCommand.Create(),
            DecodeCommand.Create(),
            PullCommand.Create(),
            InspectCommand.Create(),
            QuantizeCommand.Create(),
            DoctorCommand.Create(),
            EvalCommand.Create(),
            BenchCommand.Create(),
        };
        foreach (HelpOption help in root.Options.OfType<HelpOption>())
            help.Action = new HelpWithExamples((HelpAction)help.Action!);
        return root;
    }

    private static string HelpFor(ParseResult parsed) =>
        parsed.CommandResult.Command is RootCommand ? "emova --help" : $"emova {parsed.CommandResult.Command.Name} --help";

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}

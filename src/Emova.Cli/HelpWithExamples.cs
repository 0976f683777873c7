using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Emova.Cli;

/// <summary>The usual help, followed by command lines to copy.</summary>
internal sealed class HelpWithExamples(HelpAction standard) : SynchronousCommandLineAction
{
    public override int Invoke(ParseResult parseResult)
    {
        int result = standard.Invoke(parseResult);
        Command command = parseResult.CommandResult.Command;
        string[] examples = command is ExampleCommand withExamples
            ? withExamples.Examples
            : [.. command.Subcommands.OfType<ExampleCommand>().Select(subcommand => subcommand.Examples[0])];
        TextWriter output = parseResult.InvocationConfiguration.Output;
        output.WriteLine("Examples:");
        foreach (string example in examples)
            output.WriteLine($"  {example}");
        output.WriteLine();
        return result;
    }
}

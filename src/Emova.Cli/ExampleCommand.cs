using System.CommandLine;

namespace Emova.Cli;

/// <summary>A command with command lines to copy, shown by --help.</summary>
internal sealed class ExampleCommand(string name, string description, params string[] examples) : Command(name, description)
{
    public string[] Examples { get; } = examples;
}

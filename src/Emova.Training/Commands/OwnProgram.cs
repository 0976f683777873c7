using System.Diagnostics;

namespace Emova.Training.Commands;

/// <summary>Starts this program again.</summary>
internal static class OwnProgram
{
    /// <summary>The words of a command line that runs this program with other arguments.</summary>
    public static string[] Words(IEnumerable<string> arguments)
    {
        string program = Environment.ProcessPath ?? throw new EmovaException("the path of this program is unknown");
        // Started through `dotnet emova-train.dll`, the program is the host and needs the assembly first.
        return Path.GetFileNameWithoutExtension(program) == "dotnet"
            ? [program, Path.GetFullPath(Environment.GetCommandLineArgs()[0]), .. arguments]
            : [program, .. arguments];
    }

    /// <summary>How to start it as a process.</summary>
    public static ProcessStartInfo With(IEnumerable<string> arguments)
    {
        string[] words = Words(arguments);
        return new ProcessStartInfo(words[0], words[1..]) { UseShellExecute = false };
    }
}

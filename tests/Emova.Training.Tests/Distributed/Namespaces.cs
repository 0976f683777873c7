using System.Diagnostics;
using System.Globalization;

namespace Emova.Training.Tests.Distributed;

/// <summary>
/// Two network namespaces with one cable between them: two machines as far as the network is concerned. mpirun runs in the first and
/// reaches the second as it would reach a machine by ssh, through a script that enters it.
/// </summary>
internal sealed class Namespaces : IDisposable
{
    public const string FirstAddress = "10.213.77.1";
    public const string SecondAddress = "10.213.77.2";

    private readonly string _first;
    private readonly string _second;

    private Namespaces(string folder)
    {
        string unique = System.Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        (_first, _second) = ($"emova-a{unique}", $"emova-b{unique}");
        string agent = Path.Combine(folder, "enter");
        File.WriteAllText(agent, $"""
            #!/bin/sh
            # What mpirun calls instead of ssh: HOST COMMAND...
            shift
            exec ip netns exec {_second} unshare --uts sh -c "hostname emova-second; $*"
            """);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(agent, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Environment = new()
        {
            ["OMPI_MCA_plm_rsh_agent"] = agent, ["OMPI_MCA_plm"] = "rsh", ["OMPI_MCA_btl"] = "tcp,self", ["OMPI_MCA_pml"] = "ob1",
        };
    }

    /// <summary>Words before a command that run it in the first namespace.</summary>
    public string[] Enter => ["ip", "netns", "exec", _first];

    /// <summary>How mpirun gets from there to the other.</summary>
    public Dictionary<string, string> Environment { get; }

    /// <summary>The namespaces, or null where they may not be made.</summary>
    public static Namespaces? Create(string folder)
    {
        if (!System.Environment.IsPrivilegedProcess) return null;
        Namespaces network = new(folder);
        (string a, string b) = (network._first, network._second);
        string[] commands =
        [
            $"netns add {a}", $"netns add {b}",
            $"-n {a} link add cable type veth peer name cable netns {b}",
            $"-n {a} addr add {FirstAddress}/24 dev cable", $"-n {b} addr add {SecondAddress}/24 dev cable",
            $"-n {a} link set lo up", $"-n {b} link set lo up", $"-n {a} link set cable up", $"-n {b} link set cable up",
        ];
        if (commands.All(command => Ip(command, out _))) return network;
        network.Dispose();
        return null;
    }

    /// <summary>Bytes the second machine has sent through the cable.</summary>
    public long BytesSent()
    {
        // "…: <…> … TX: bytes packets …" with the numbers on the line below.
        Ip($"-n {_second} -s -o link show cable", out string text);
        string[] words = text[text.IndexOf("TX:", StringComparison.Ordinal)..].Split((char[])[' ', '\\'], StringSplitOptions.RemoveEmptyEntries);
        return long.Parse(words.SkipWhile(word => !char.IsAsciiDigit(word[0])).First(), CultureInfo.InvariantCulture);
    }

    public void Dispose()
    {
        Ip($"netns del {_first}", out _);
        Ip($"netns del {_second}", out _);
    }

    private static bool Ip(string arguments, out string output)
    {
        output = "";
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}

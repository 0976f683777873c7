using System.CommandLine;

namespace Emova.Cli.Commands;

/// <summary><c>emova doctor</c>: whether this machine and this model folder are all right.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        ExampleCommand command = new(
            "doctor", "Check processor, memory bandwidth, text and audio support, and the files of a model. Exit code 1 if a check fails.",
            "emova doctor", "emova doctor --model models/emova-tiny --json");
        common.AddTo(command);
        command.SetAction((parsed, _) =>
        {
            common.ApplyThreads(parsed);
            List<DoctorFinding> findings = [.. Doctor.CheckMachine(), .. Doctor.CheckFormats(), .. Doctor.CheckModel(() => common.ModelFolder(parsed))];
            if (common.IsJson(parsed))
                Terminal.WriteJson(new { ok = findings.TrueForAll(finding => finding.IsGood), findings });
            else
                Terminal.WriteRows(["", "check", "finding"], [.. findings.Select(finding => new[] { finding.IsGood ? "ok" : "FAIL", finding.Check, finding.Finding })]);
            return Task.FromResult(findings.TrueForAll(finding => finding.IsGood) ? Application.Success : Application.Failure);
        });
        return command;
    }
}

using System.CommandLine;
using Emova.Models;

namespace Emova.Training.Commands;

/// <summary><c>emova-train merge</c>: makes an adapter part of a model.</summary>
internal static class MergeCommand
{
    public static Command Create()
    {
        Option<string> model = new("--model") { Description = "Model folder.", DefaultValueFactory = _ => "models/emova-tiny" };
        Option<string> adapter = new("--adapter") { Description = "Adapter folder (LoRA or DoRA, PEFT format).", Required = true };
        Option<string> output = new("--out") { Description = "Folder to write.", Required = true };
        Command command = new("merge", "Make an adapter part of a model. Example: emova-train merge --adapter runs/lora/finetune/adapter --out models/mine") { model, adapter, output };
        command.SetAction(parsed =>
        {
            int layers = AdapterMerger.Merge(parsed.GetValue(model)!, parsed.GetValue(adapter)!, parsed.GetValue(output)!);
            Console.WriteLine($"{parsed.GetValue(output)}: {layers} layers changed");
            return 0;
        });
        return command;
    }
}

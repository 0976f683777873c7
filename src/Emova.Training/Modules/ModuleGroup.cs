using TorchSharp;

namespace Emova.Training.Modules;

/// <summary>A level of the parameter names that computes nothing itself, such as the `mlp` in `merger.mlp.0.weight`.</summary>
internal sealed class ModuleGroup : CheckpointModule
{
    public ModuleGroup(params ReadOnlySpan<(string Name, torch.nn.Module Module)> children)
        : base(nameof(ModuleGroup))
    {
        foreach ((string name, torch.nn.Module module) in children)
        {
            register_module(name, module);
        }
    }

    public ModuleGroup(string name, TorchSharp.Modules.Parameter parameter)
        : base(nameof(ModuleGroup)) => register_parameter(name, parameter);
}

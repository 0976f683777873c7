using static TorchSharp.torch;

namespace Emova.Training.Modules;

/// <summary>
/// Module whose parameters are registered one by one under the names of the checkpoint. TorchSharp would also register every field under
/// the field's name as soon as the module becomes part of another one; that is switched off here.
/// </summary>
public abstract class CheckpointModule(string name) : nn.Module(name)
{
    /// <inheritdoc/>
    protected sealed override void RegisterComponents()
    {
    }
}

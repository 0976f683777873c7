using System.Runtime.CompilerServices;
using Emova.Training.Runtime;

namespace Emova.Training.Tests;

internal static class TorchSetup
{
    [ModuleInitializer]
    internal static void Prepare() => LibTorchLoader.EnsureLoadable();
}

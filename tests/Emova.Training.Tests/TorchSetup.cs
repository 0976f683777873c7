using System.Runtime.CompilerServices;
using Emova.Training.Runtime;
using Xunit;

// The tensor library has one random generator for the process: tests that seed it must not run beside tests that draw from it.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Emova.Training.Tests;

internal static class TorchSetup
{
    [ModuleInitializer]
    internal static void Prepare() => LibTorchLoader.EnsureLoadable();
}

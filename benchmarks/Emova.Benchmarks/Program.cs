using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Running;
using Emova.Benchmarks;

switch (args)
{
    case ["speech", ..]:
        return FullSizeSpeech.Run(args);
    case ["peers", ..]:
        return PeerComparison.Run(args);
    case ["kernels", ..]:
        return KernelComparison.Run(args);
    case ["attention", ..]:
        return AttentionDepth.Run(args);
    case ["busy", ..]:
        return BusyMachine.Run(args);
    case ["realtime", ..]:
        return RealtimeLoad.Run(args);
    case ["soak", ..]:
        return Soak.Run(args);
    case ["hog"]:
        return BusyMachine.Hog();
}

// dotnet run -c Release --project benchmarks/Emova.Benchmarks -- --filter '*' --inProcess --job short
BenchmarkSwitcher.FromAssembly(typeof(LinearBenchmarks).Assembly).Run(args, DefaultConfig.Instance.AddColumn(new RealTimeColumn(), new RateColumn()));
return 0;

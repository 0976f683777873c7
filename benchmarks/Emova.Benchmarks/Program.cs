using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Running;
using Emova.Benchmarks;

if (args is ["speech", ..])
    return FullSizeSpeech.Run(args);

// dotnet run -c Release --project benchmarks/Emova.Benchmarks -- --filter '*' --inProcess --job short
BenchmarkSwitcher.FromAssembly(typeof(LinearBenchmarks).Assembly).Run(args, DefaultConfig.Instance.AddColumn(new RealTimeColumn(), new RateColumn()));
return 0;

using System.Globalization;
using System.Security.Cryptography;
using Emova.Fuzz;
using Emova.Fuzz.Targets;

// dotnet run -c Release --project tests/Emova.Fuzz -- wav|flac|safetensors|index|config|image|tokenizer|chat|form|realtime [--seconds N] [--seed N] [--input FILE]
if (args.Length == 0)
{
    Console.Error.WriteLine("usage: wav|flac|safetensors|index|config|image|tokenizer|chat|form|realtime [--seconds 1..86400] [--seed N] [--input FILE]");
    return 2;
}
return args[0] switch
{
    "wav" => Start<WavTarget>(),
    "flac" => Start<FlacTarget>(),
    "safetensors" => Start<SafetensorsTarget>(),
    "index" => Start<IndexTarget>(),
    "config" => Start<ConfigTarget>(),
    "image" => Start<ImageTarget>(),
    "tokenizer" => Start<TokenizerTarget>(),
    "chat" => Start<ChatTarget>(),
    "form" => Start<FormTarget>(),
    "realtime" => Start<RealtimeTarget>(),
    _ => Unknown(),
};

int Unknown()
{
    Console.Error.WriteLine($"'{args[0]}': no such target; there are wav, flac, safetensors, index, config, image, tokenizer, chat, form and realtime");
    return 2;
}

string? Option(string name) => Array.IndexOf(args, name) is >= 0 and int i && i + 1 < args.Length ? args[i + 1] : null;

int Start<TTarget>() where TTarget : IFuzzTarget
{
    if (Option("--input") is { } path)
    {
        TTarget.Fuzz(File.ReadAllBytes(path));
        Console.WriteLine($"{path}: accepted");
        return 0;
    }

    double seconds = double.Parse(Option("--seconds") ?? "60", CultureInfo.InvariantCulture);
    int seed = int.Parse(Option("--seed") ?? "1", CultureInfo.InvariantCulture);
    FuzzResult result = FuzzRun.Run<TTarget>(seed, TimeSpan.FromSeconds(seconds), onHang: input =>
    {
        Console.Error.WriteLine($"{TTarget.Name}: hangs; input saved to {Save(input)}");
        Environment.Exit(1);
    });
    Console.WriteLine($"{TTarget.Name}: {result.Inputs} inputs, {result.Rejected} refused, seed {seed}");
    if (result.Defect is null) return 0;
    Console.Error.WriteLine($"{TTarget.Name}: {result.Defect}\ninput saved to {Save(result.Input!)}");
    return 1;

    static string Save(byte[] input)
    {
        string file = Path.Combine(Directory.CreateDirectory("out").FullName, $"fuzz-{TTarget.Name}-{Convert.ToHexStringLower(SHA256.HashData(input))[..12]}.bin");
        File.WriteAllBytes(file, input);
        return file;
    }
}

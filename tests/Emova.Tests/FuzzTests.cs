using Emova.Fuzz;
using Emova.Fuzz.Targets;
using Xunit;

namespace Emova.Tests;

/// <summary>A short seeded run of every fuzz target; longer runs: <c>dotnet run --project tests/Emova.Fuzz</c>.</summary>
public sealed class FuzzTests
{
    [Fact]
    public void Wav_files() => Check<WavTarget>(3000);

    [Fact]
    public void Flac_files() => Check<FlacTarget>(2000);

    [Fact]
    public void Safetensors_files() => Check<SafetensorsTarget>(1500);

    [Fact]
    public void Shard_indices() => Check<IndexTarget>(1000);

    [Fact]
    public void Configurations() => Check<ConfigTarget>(2000);

    [Fact]
    public void Pictures() => Check<ImageTarget>(3000);

    [Fact]
    public void Tokenizers() => Check<TokenizerTarget>(300);

    [Fact]
    public void Chat_requests() => Check<ChatTarget>(2000);

    [Fact]
    public void Forms_with_recordings() => Check<FormTarget>(2000);

    [Fact]
    public void Realtime_events() => Check<RealtimeTarget>(3000);

    [Fact]
    public void A_planted_defect_is_found_and_its_input_kept()
    {
        FuzzResult result = FuzzRun.Run<Fragile>(seed: 1, TimeSpan.FromSeconds(30));
        Assert.Contains(nameof(IndexOutOfRangeException), result.Defect, StringComparison.Ordinal);
        Assert.Throws<IndexOutOfRangeException>(() => Fragile.Fuzz(result.Input));
    }

    [Fact]
    public void Mutations_repeat_with_the_seed()
    {
        byte[][] seeds = [[1, 2, 3, 4, 5, 6, 7, 8]];
        Mutator first = new(7), second = new(7);
        for (int i = 0; i < 100; i++)
            Assert.Equal(first.Next(seeds), second.Next(seeds));
    }

    private static void Check<TTarget>(long inputs) where TTarget : IFuzzTarget
    {
        FuzzResult result = FuzzRun.Run<TTarget>(seed: 1, TimeSpan.FromSeconds(15), inputs);
        Assert.True(result.Defect is null, $"{TTarget.Name}: {result.Defect}\n{Convert.ToHexString(result.Input ?? [])}");
        Assert.True(result.Rejected > result.Inputs / 10, $"only {result.Rejected} of {result.Inputs} inputs were refused: the mutations do too little");
        Assert.True(result.Rejected < result.Inputs, "every input was refused: nothing behind the first check is tested");
    }

    private sealed class Fragile : IFuzzTarget
    {
        public static string Name => "fragile";

        public static IReadOnlyList<byte[]> Seeds() => [[4, 0, 0, 0, 0]];

        public static void Fuzz(ReadOnlySpan<byte> data)
        {
            if (data.Length == 0) throw new EmovaException("fragile: empty");
            _ = data[data[0]];
        }
    }
}

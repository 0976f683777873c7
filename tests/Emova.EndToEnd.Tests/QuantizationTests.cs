using System.Text.Json;
using Emova.Tests;
using Xunit;

namespace Emova.EndToEnd.Tests;

/// <summary>Models in fewer bits from the command line, and the memory that a plan promises.</summary>
public sealed class QuantizationTests : IDisposable
{
    private readonly TemporaryFolder work = new();

    public void Dispose() => work.Dispose();

    private static string Model { get; } = Path.Combine(Repository.Root, "models", "emova-tiny");

    [Fact]
    public void The_shipped_model_can_be_quantized_inspected_and_asked()
    {
        EmovaResult quantized = EmovaProcess.Run(work.Folder, "quantize", Model, "int4", "--json");
        Assert.True(quantized.ExitCode == 0, quantized.Error);
        JsonElement report = JsonDocument.Parse(quantized.Output).RootElement;
        Assert.True(report.GetProperty("bytesAfter").GetInt64() < report.GetProperty("bytesBefore").GetInt64());
        JsonElement[] rounded = [.. report.GetProperty("tensors").EnumerateArray().Where(tensor => tensor.GetProperty("to").GetString() == "int4")];
        Assert.NotEmpty(rounded);
        Assert.All(rounded, tensor => Assert.InRange(tensor.GetProperty("relativeError").GetDouble(), 0.01, 0.12));

        EmovaResult inspected = EmovaProcess.Run(work.Folder, "inspect", "int4", "--json"), source = EmovaProcess.Run(work.Folder, "inspect", Model, "--json");
        Assert.True(inspected.ExitCode == 0, inspected.Error);
        JsonElement after = JsonDocument.Parse(inspected.Output).RootElement, before = JsonDocument.Parse(source.Output).RootElement;
        Assert.Equal(before.GetProperty("parameters").GetInt64(), after.GetProperty("parameters").GetInt64());
        Assert.True(after.GetProperty("weightBytes").GetInt64() < before.GetProperty("weightBytes").GetInt64());

        EmovaResult answer = EmovaProcess.Run(work.Folder, "chat", "--model", "int4", "--text", "hello", "--json");
        Assert.True(answer.ExitCode == 0, answer.Error);
        Assert.NotEmpty(JsonDocument.Parse(answer.Output).RootElement.GetProperty("text").GetString()!);
    }

    [Fact]
    public void A_random_model_takes_the_memory_of_its_plan()
    {
        File.WriteAllText(work["config.json"], """
            {"text_config": {"model_type": "qwen2", "vocab_size": 8192, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 14,
             "num_attention_heads": 16, "num_key_value_heads": 4, "max_position_embeddings": 1024, "hidden_act": "silu", "tie_word_embeddings": true}}
            """);
        EmovaResult result = EmovaProcess.Run(work.Folder, "bench", "--config", "config.json", "--random", "--context", "256", "--json", "--out", "first.json");
        Assert.True(result.ExitCode == 0, result.Error);
        Dictionary<string, JsonElement> figures = JsonDocument.Parse(result.Output).RootElement.GetProperty("figures").EnumerateArray()
            .ToDictionary(figure => figure.GetProperty("name").GetString()!);
        double plan = Value("plan, all"), peak = Value("peak resident memory");
        Assert.InRange(Value("plan, language"), 100, 150); // 4.5 bits for 220 million parameters
        // The plan is about the model; code compiled on the way and the garbage collector's reserve are the same few MiB for every model.
        const double program = 32;
        Assert.InRange(peak, 0.8 * plan, (1.05 * plan) + program);
        Assert.InRange(figures["reply"].GetProperty("limit").GetDouble(), 0.01, 1.5);
        Assert.InRange(Value("allocated per token of the reply"), 0, 0.001);

        EmovaResult compared = EmovaProcess.Run(work.Folder, "bench", "--config", "config.json", "--random", "--context", "256", "--compare", "first.json");
        Assert.True(compared.ExitCode == 0, compared.Error);
        Assert.Contains("now / before", compared.Output, StringComparison.Ordinal);

        double Value(string name) => figures[name].GetProperty("value").GetDouble();
    }

    [Theory]
    [InlineData("--bits is 5, allowed are 4 and 8", "quantize", ".", "out", "--bits", "5")]
    [InlineData("--include hearing: is no part", "quantize", ".", "out", "--include", "hearing")]
    [InlineData("--config needs --random", "bench", "--config", "emova-3b")]
    [InlineData("--config none: no such file", "bench", "--config", "none", "--random")]
    [InlineData("eval agreement needs --reference", "eval", "agreement")]
    public void Wrong_options_are_named(string message, params string[] arguments)
    {
        EmovaResult result = EmovaProcess.Run(work.Folder, arguments);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
    }
}

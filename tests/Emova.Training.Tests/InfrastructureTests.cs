using System.Text.Json.Nodes;
using Emova.Training.Infrastructure;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests;

public sealed class InfrastructureTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("emova-train").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private sealed class Nested
    {
        public double Weight { get; set; } = 1;
    }

    private sealed record Settings : LoopSettings
    {
        public Nested Noise { get; set; } = new();

        public List<int> Levels { get; set; } = [];
    }

    [Fact]
    public void ConfigurationReadsYamlAndOverrides()
    {
        string path = Path.Combine(_folder, "stage.yaml");
        File.WriteAllText(path, "total_steps: 12\nlevels: [8, 5]\nnoise:\n  weight: 0.5\n");
        Settings settings = StageConfig.Load<Settings>(path, ["learning_rate=0.25", "noise.weight=2"]);
        Assert.Equal((12L, 0.25, 2.0), (settings.TotalSteps, settings.LearningRate, settings.Noise.Weight));
        Assert.Equal([8, 5], settings.Levels);
    }

    [Theory]
    [InlineData("total_step: 3", "'total_step'")]
    [InlineData("noise:\n  wait: 3", "'noise.wait'")]
    [InlineData("total_steps: many", "stage.yaml")]
    public void WrongConfigurationIsNamed(string yaml, string expected)
    {
        string path = Path.Combine(_folder, "stage.yaml");
        File.WriteAllText(path, yaml);
        Assert.Contains(expected, Assert.Throws<EmovaException>(() => StageConfig.Load<Settings>(path)).Message);
    }

    [Fact]
    public void A_file_extends_another_section_by_section()
    {
        File.WriteAllText(Path.Combine(_folder, "general.yaml"), "total_steps: 12\nseed: 5\nlevels: [8, 5]\nnoise:\n  weight: 0.5\n");
        File.WriteAllText(Path.Combine(_folder, "stage.yaml"), "extends: general.yaml\nseed: 6\nlevels: [3]\n");
        Settings settings = StageConfig.Load<Settings>(Path.Combine(_folder, "stage.yaml"));
        Assert.Equal((12L, 6, 0.5), (settings.TotalSteps, settings.Seed, settings.Noise.Weight));
        Assert.Equal([3], settings.Levels);

        File.WriteAllText(Path.Combine(_folder, "general.yaml"), "extends: stage.yaml\n");
        Assert.Contains("extend each other", Assert.Throws<EmovaException>(() => StageConfig.Load<Settings>(Path.Combine(_folder, "stage.yaml"))).Message);
        File.WriteAllText(Path.Combine(_folder, "stage.yaml"), "extends: none.yaml\n");
        Assert.Contains("none.yaml: no such", Assert.Throws<EmovaException>(() => StageConfig.Load<Settings>(Path.Combine(_folder, "stage.yaml"))).Message);
    }

    [Fact]
    public void Averaged_gradients_of_small_batches_are_those_of_a_large_one()
    {
        float[] large = Fit(accumulate: 1, rows: 4), small = Fit(accumulate: 4, rows: 1);
        Assert.All(large.Zip(small), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));

        float[] Fit(int accumulate, int rows)
        {
            using DisposeScope scope = NewDisposeScope();
            ParameterStore store = new();
            Tensor weight = store.Root.Full("weight", 0.1, 3);
            LoopSettings settings = new() { TotalSteps = 5, WarmupSteps = 1, LearningRate = 0.05, Accumulate = accumulate };
            new TrainingLoop(new RunFolder(_folder, $"accumulate-{accumulate}"), store, new AdamW(store), settings) { Output = TextWriter.Null }.Run(batch =>
            {
                Tensor x = tensor(Enumerable.Range((int)batch * rows * 3, rows * 3).Select(i => MathF.Sin(i)).ToArray()).view(rows, 3);
                return new StepResult((matmul(x, weight) - x.sum(1)).pow(2).mean(), [], rows);
            });
            return ParameterStore.Values(weight).ToArray();
        }
    }

    [Fact]
    public void A_run_that_diverges_stops_and_keeps_its_checkpoint()
    {
        float[] before = Train("lost", 3);
        string message = Assert.Throws<EmovaException>(() => Train("lost", null, broken: true)).Message;
        Assert.Contains("not finite", message);
        Assert.Equal("batch 3", File.ReadAllText(Path.Combine(_folder, "lost", "not-finite-step-3-batch-0")));
        Assert.Contains("not-finite-step-3-batch-0", message);
        Assert.True(File.Exists(Path.Combine(_folder, "lost", "diverged.json")));
        Assert.Equal(before, Train("lost", 0));
    }

    [Fact]
    public void ResumedRunIsBitIdentical()
    {
        float[] straight = Train("straight", 7);
        Train("pieces", 3);
        Train("pieces", 2);
        Assert.Equal(straight, Train("pieces", null));
        long[] steps = [.. File.ReadLines(Path.Combine(_folder, "pieces", "metrics.jsonl")).Select(line => JsonNode.Parse(line)!["step"]!.GetValue<long>())];
        Assert.Equal([1, 2, 3, 4, 5, 6, 7], steps);
    }

    [Fact]
    public void Averages_best_weights_and_evaluations_survive_being_stopped_anywhere()
    {
        // One step per process, so that every state is written and read; the straight run has the same settings.
        string[] names = ["straight-average", "pieces-average"];
        foreach (string name in names)
        {
            for (int piece = 0; piece < (name[0] == 's' ? 1 : 9); piece++)
                Train(name, name[0] == 's' ? null : 1, evaluations: [0.9, 0.5, 0.6, 0.7], average: true);
        }
        Assert.Equal(File.ReadAllBytes(RunFolder.WeightsOf(_folder, names[0])), File.ReadAllBytes(RunFolder.WeightsOf(_folder, names[1])));
        Assert.EndsWith(Path.Combine("best", "weights.safetensors"), RunFolder.WeightsOf(_folder, names[0]));
        foreach (string name in names)
        {
            // The value was best at step 2 and worse twice after that.
            RunFolder.State state = RunFolder.StateOf(_folder, name)!;
            Assert.Equal((4L, 4L, 0.5, 2), (state.Step, state.Evaluated, state.Best, state.Worse));
        }
    }

    [Fact]
    public void An_average_follows_the_weights()
    {
        using DisposeScope scope = NewDisposeScope();
        ParameterStore store = new();
        Tensor weight = store.Root.Full("weight", 1, 3);
        WeightAverage average = new(store, 0.5);
        weight.detach().fill_(2);
        average.Update(updates: 100);
        Assert.Equal(1.5f, average.With(() => ParameterStore.Values(weight)[0]));
        Assert.Equal(2f, ParameterStore.Values(weight)[0]);
        average.Update(updates: 0); // d = 1/10
        Assert.Equal(1.95f, average.With(() => ParameterStore.Values(weight)[2]), 1e-6f);
    }

    [Fact]
    public void A_checkpoint_that_cannot_be_written_leaves_the_one_before()
    {
        float[] before = Train("full", 3);
        string checkpoint = Path.Combine(_folder, "full", "checkpoint");
        byte[] kept = File.ReadAllBytes(Path.Combine(checkpoint, "weights.safetensors"));
        File.WriteAllText(checkpoint + ".tmp", "in the way of the next checkpoint");
        Assert.Contains("the checkpoint before is kept", Assert.Throws<EmovaException>(() => Train("full", 2)).Message);
        Assert.Equal(kept, File.ReadAllBytes(Path.Combine(checkpoint, "weights.safetensors")));
        File.Delete(checkpoint + ".tmp");
        Assert.Equal(before, Train("full", 0));
        Assert.Equal(Train("not-full", null), Train("full", null));
    }

    [Fact]
    public void A_full_disk_leaves_the_checkpoint_before_and_room_again_lets_the_run_go_on()
    {
        string disk = Path.Combine(_folder, "disk");
        Directory.CreateDirectory(disk);
        if (!TryRun("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk)) Assert.Skip("needs the right to mount a tmpfs");
        try
        {
            Train("disk/run", 3);
            string weights = Path.Combine(disk, "run", "checkpoint", "weights.safetensors"), filler = Path.Combine(disk, "filler");
            byte[] kept = File.ReadAllBytes(weights);
            Assert.Contains("No space left", Assert.Throws<EmovaException>(() => Train("disk/run", 2, onStep: step => Fill(step == 4 ? filler : null))).Message);
            Assert.Equal(kept, File.ReadAllBytes(weights));
            Assert.False(Directory.Exists(Path.Combine(disk, "run", "checkpoint.tmp")));
            File.Delete(filler);
            Assert.Equal(Train("empty-disk", null), Train("disk/run", null));
        }
        finally
        {
            TryRun("umount", disk);
        }

        static void Fill(string? path)
        {
            if (path is null) return;
            try
            {
                using FileStream stream = new(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
                while (true) stream.Write(new byte[512]);
            }
            catch (IOException)
            {
                // full
            }
        }
    }

    [Fact]
    public void Two_processes_cannot_train_in_one_folder()
    {
        using (new RunFolder(_folder, "owned").Lock())
            Assert.Contains("another process", Assert.Throws<EmovaException>(() => Train("owned", 1)).Message);
        Train("owned", 1);
    }

    [Theory]
    [InlineData("warmup_ratio=1", "warmup_ratio 1")]
    [InlineData("ema_decay=1.5", "ema_decay")]
    [InlineData("optimizer.beta2=2", "optimizer.beta2")]
    [InlineData("accumulate=0", "accumulate 0")]
    public void Settings_out_of_range_are_named(string setting, string expected) =>
        Assert.Contains(expected, Assert.Throws<EmovaException>(() => StageConfig.Load<Settings>(null, [setting]).Validate()).Message);

    [Fact]
    public void Nested_settings_are_overridden_and_unknown_ones_named()
    {
        Settings settings = StageConfig.Load<Settings>(null, ["optimizer.beta2=0.999", "early_stop.measure=loss", "warmup_ratio=0.03", "total_steps=2180"]);
        Assert.Equal((0.999, "loss", 66L), (settings.Optimizer.Beta2, settings.EarlyStop.Measure, settings.Schedule.WarmupSteps));
        Assert.Contains("'optimizer.beta3'", Assert.Throws<EmovaException>(() => StageConfig.Load<Settings>(null, ["optimizer.beta3=1"])).Message);
    }

    [Fact]
    public void AnotherSeedOrLengthIsRefused()
    {
        Train("run", 2);
        Assert.Contains("delete the folder", Assert.Throws<EmovaException>(() => Train("run", 1, seed: 9)).Message);
    }

    [Fact]
    public void OptimizerMatchesTorch()
    {
        ParameterStore store = new();
        random.manual_seed(3);
        Tensor weight = store.Root.Normal("weight", 1, 5, 7);
        using TorchSharp.Modules.Parameter twin = new(weight.detach().clone());
        AdamW ours = new(store, 0.9, 0.98, 0.1);
        using TorchSharp.Modules.AdamW theirs = optim.AdamW([twin], 0.01, 0.9, 0.98, 1e-8, 0.1);
        for (int i = 0; i < 5; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor input = randn(7);
            ours.ZeroGradients();
            matmul(weight, input).pow(2).sum().backward();
            ours.Step(0.01, double.PositiveInfinity);
            theirs.zero_grad();
            matmul(twin, input).pow(2).sum().backward();
            theirs.step();
        }
        Assert.True((weight - twin).abs().max().item<float>() < 2e-6f);
    }

    [Fact]
    public void ScheduleWarmsUpAndAnneals()
    {
        LearningRateSchedule schedule = new(1e-3, 100, 10, 0);
        Assert.Equal(1e-4, schedule.At(0), 12);
        Assert.Equal(1e-3, schedule.At(10), 12);
        Assert.Equal(0, schedule.At(99), 12);
        for (int i = 10; i < 99; i++) Assert.True(schedule.At(i) > schedule.At(i + 1));
    }

    [Fact]
    public void EventFileHasValidFraming()
    {
        // Check value of CRC-32C for "123456789" is E3069283; TFRecord rotates it by 15 and adds a constant.
        uint crc = 0xE3069283;
        Assert.Equal(((crc >> 15) | (crc << 17)) + 0xa282ead8u, TensorBoardWriter.MaskedCrc("123456789"u8));
        using (TensorBoardWriter writer = new(_folder, 0)) writer.Scalar(300, "loss", 1.5f);
        byte[] file = File.ReadAllBytes(Directory.GetFiles(_folder, "events*").Single());
        List<byte[]> records = [];
        for (int at = 0; at < file.Length;)
        {
            int length = (int)BitConverter.ToUInt64(file, at);
            Assert.Equal(TensorBoardWriter.MaskedCrc(file.AsSpan(at, 8)), BitConverter.ToUInt32(file, at + 8));
            records.Add(file[(at + 12)..(at + 12 + length)]);
            Assert.Equal(TensorBoardWriter.MaskedCrc(records[^1]), BitConverter.ToUInt32(file, at + 12 + length));
            at += 16 + length;
        }
        Assert.Equal(2, records.Count);
        byte[] tail = [0x10, 0xAC, 0x02, 0x2A, 13, 0x0A, 11, 0x0A, 4, .. "loss"u8, 0x15, 0, 0, 0xC0, 0x3F];
        Assert.Equal(tail, records[1][9..]);
    }

    private float[] Train(string name, long? slice, int seed = 5, bool broken = false, double[]? evaluations = null, bool average = false, Action<long>? onStep = null)
    {
        using DisposeScope scope = NewDisposeScope();
        ParameterStore store = new();
        random.manual_seed(seed);
        Tensor first = store.Root.Normal("first", 0.3, 8, 4), second = store.Root.Push("head").Normal("second", 0.3, 1, 8);
        LoopSettings settings = new()
        {
            Seed = seed, TotalSteps = 7, WarmupSteps = 2, LearningRate = 0.05, LogEvery = 1, SkipsAllowed = 2, EvaluateEvery = 1,
            EmaDecay = average ? 0.6 : 0, EarlyStop = new() { Measure = evaluations is null ? null : "error", Patience = 2 },
        };
        TrainingLoop loop = new(new RunFolder(_folder, name), store, new AdamW(store), settings)
        {
            StopAfter = slice, Output = TextWriter.Null,
            SaveBatch = (batch, path) =>
            {
                File.WriteAllText(path, $"batch {batch}");
                return path;
            },
        };
        loop.Run(
            step =>
            {
                onStep?.Invoke(step);
                Tensor x = randn(16, 4); // the noise must be the same after a resume
                Tensor hidden = nn.functional.dropout(matmul(x, first.t()).tanh(), 0.2, training: true);
                Tensor loss = (matmul(hidden, second.t()).squeeze(1) - x.sum(1)).pow(2).mean();
                return new StepResult(broken ? loss * float.NaN : loss, [], 16);
            },
            evaluations is null ? null : step => [new("error", evaluations[step - 1])]);
        return [.. ParameterStore.Values(first).ToArray(), .. ParameterStore.Values(second).ToArray()];
    }

    private static bool TryRun(string program, params string[] arguments)
    {
        try
        {
            using System.Diagnostics.Process process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}

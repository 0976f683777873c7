using System.Diagnostics;
using System.Globalization;
using Emova.Training.Distributed;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Infrastructure;

/// <summary>What one training step hands back: the loss to differentiate, values to log, and how much data it covered.</summary>
/// <param name="Loss">Scalar; differentiated by the loop.</param>
/// <param name="Metrics">Scalars to average between log lines; the loss itself is logged as "loss".</param>
/// <param name="Amount">Seconds of audio, tokens, images: whatever <see cref="TrainingLoop.Unit"/> says.</param>
public readonly record struct StepResult(Tensor Loss, IReadOnlyList<KeyValuePair<string, Tensor>> Metrics, double Amount);

/// <summary>
/// Runs steps with a schedule, logging, checkpoints and Ctrl-C. All randomness of a step comes from (seed, step): the torch
/// generator is re-seeded before each step and the callback derives its data from the step number, so a resumed run is
/// identical to one that was never stopped. Where several processes train together (the optimizer's group), the batches that one update
/// averages are shared out among them; the first process alone evaluates, logs and writes checkpoints.
/// </summary>
public sealed class TrainingLoop(RunFolder folder, ParameterStore weights, AdamW optimizer, LoopSettings settings)
{
    /// <summary>Unit of <see cref="StepResult.Amount"/> in the progress line.</summary>
    public string Unit { get; init; } = "items";

    /// <summary>Where progress lines go.</summary>
    public TextWriter Output { get; init; } = Console.Out;

    /// <summary>Stops after this many steps in this process although the schedule is longer (for tests and time slices).</summary>
    public long? StopAfter { get; init; }

    /// <summary>Learning rate as a function of the step; the default is warm-up and cosine from the settings.</summary>
    public Func<long, double>? Rate { get; init; }

    /// <summary>Writes the data of a batch into a file, so that one whose loss is not finite can be looked at; returns the path.</summary>
    public Func<long, string, string>? SaveBatch { get; init; }

    /// <summary>Mixes a seed and a step to the seed of that step's generators.</summary>
    public static int StepSeed(int seed, long step) => (int)(((ulong)seed * 0x9E3779B97F4A7C15UL + (ulong)step * 0xBF58476D1CE4E5B9UL) >> 33);

    /// <summary>Trains until the schedule ends or Ctrl-C. Returns true when the run is complete.</summary>
    /// <param name="trainStep">Computes the loss of a step; all its tensors are released afterwards.</param>
    /// <param name="evaluate">Returns values to log; called every <see cref="LoopSettings.EvaluateEvery"/> steps and at the end.</param>
    public bool Run(Func<long, StepResult> trainStep, Func<long, IEnumerable<KeyValuePair<string, double>>>? evaluate = null)
    {
        settings.Validate();
        LearningRateSchedule schedule = settings.Schedule;
        optimizer.Apply(settings.Optimizer);
        if (settings.Accumulate < _group.Size)
            throw new EmovaException($"accumulate {settings.Accumulate}: expected {_group.Size} or more{(_group.Size == 1 ? "" : ", one batch for each process")}");
        _group.Wait(); // nobody reads while the first process still writes what the run starts from
        using IDisposable? ownership = _group.IsFirst ? folder.Lock() : null;
        _average = settings.EmaDecay > 0 ? new WeightAverage(weights, settings.EmaDecay) : null;
        RunFolder.State state = folder.Resume(weights, optimizer, _average) ?? new(0, settings.Seed, settings.TotalSteps, 0, 0);
        RequireSameStart(state);
        if (state.Seed != settings.Seed || state.TotalSteps != settings.TotalSteps)
            throw new EmovaException($"{folder.Path}: was started with seed {state.Seed} and {state.TotalSteps} steps; delete the folder to start anew");
        long step = state.Step, savedStep = step, evaluated = state.Evaluated ?? step, end = Math.Min(settings.TotalSteps, settings.StopAt ?? long.MaxValue);
        long last = Math.Min(end, StopAfter is long slice ? step + slice : long.MaxValue);
        Output.WriteLine($"{Path.GetFileName(folder.Path)}: {weights.Count / 1e6:F2} M parameters, {(step == 0 ? "start" : $"resumed at step {step}")} of {settings.TotalSteps}");

        using MetricsLog? log = _group.IsFirst ? new(folder.Path, step) : null;
        using Interruption interruption = new();
        Stopwatch watch = Stopwatch.StartNew();
        Averages averages = new();
        double savedAt = 0;
        int skips = 0;
        Decision decision = default;
        EarlyStop early = new(settings.EarlyStop, state);
        // A run killed between a checkpoint and its evaluation makes up for it, or it would not end like one that went on.
        if (IsDue(step) && evaluated < step) Measure();
        while (step < last && !decision.Stop && !early.IsOver)
        {
            double rate = Rate?.Invoke(step) ?? schedule.At(step);
            double norm;
            StepValues values;
            using (QuietHeap.Enter())
            {
                StepValues[] own = Attempt(trainStep, step);
                (values, decision) = Agree(own, new(interruption.Requested, watch.Elapsed.TotalSeconds - savedAt >= settings.CheckpointSeconds));
                norm = optimizer.Step(rate, settings.ClipNorm);
            }
            skips = double.IsFinite(norm) ? 0 : skips + 1;
            if (skips == 1) KeepBatches(step);
            if (skips > settings.SkipsAllowed) throw Diverged(step, values, norm);
            _average?.Update(optimizer.Steps);
            averages.Add("loss", values.Loss);
            averages.Add("gradient_norm", norm);
            foreach ((string name, double value) in values.Metrics) averages.Add(name, value);
            averages.Amount += values.Amount;
            step++;

            if (step % settings.LogEvery == 0 || step == last)
            {
                double perSecond = averages.Amount / Math.Max(1e-3, watch.Elapsed.TotalSeconds - averages.Since);
                TimeSpan left = TimeSpan.FromSeconds((end - step) * (watch.Elapsed.TotalSeconds - averages.Since) / Math.Max(1, averages.Steps));
                Output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{DateTime.Now:HH:mm:ss} step {step}/{settings.TotalSteps} lr {rate:E1} {averages} | {perSecond:F0} {Unit}/s, {left:hh\\:mm\\:ss} left"));
                log?.Write(step, averages.Values.Append(new("learning_rate", rate)).Append(new($"{Unit}_per_second", perSecond)));
                averages = new() { Since = watch.Elapsed.TotalSeconds };
            }
            if (IsDue(step))
            {
                Save();
                Measure();
            }
            else if (decision.Save && step < last)
            {
                Save();
            }
        }
        if (step > savedStep) Save();
        bool finished = step == end || early.IsOver;
        Output.WriteLine(finished
            ? string.Create(CultureInfo.InvariantCulture, $"finished after {state.Seconds + watch.Elapsed.TotalSeconds:F0} s of training{(early.IsOver ? $": {early}" : "")}")
            : $"stopped at step {step} of {settings.TotalSteps}; run the same command again to go on");
        return finished;

        bool IsDue(long at) => evaluate is not null && at > 0 && (at % settings.EvaluateEvery == 0 || at == end);

        RunFolder.State Now() =>
            new(step, settings.Seed, settings.TotalSteps, state.Seconds + watch.Elapsed.TotalSeconds, evaluated, early.Best, early.Worse);

        void Save()
        {
            (savedAt, savedStep) = (watch.Elapsed.TotalSeconds, step);
            optimizer.Collect();
            if (_group.IsFirst) Write(() => folder.Save(weights, optimizer, Now(), _average));
        }

        // A full disk may have room again at the next checkpoint; only the last one must be written.
        void Write(Action write)
        {
            try
            {
                write();
            }
            catch (EmovaException error) when (step < last && !decision.Stop)
            {
                Output.WriteLine($"{error.Message}; training goes on");
            }
        }

        void Measure()
        {
            List<KeyValuePair<string, double>> Evaluate() => [.. evaluate!(step)];
            List<KeyValuePair<string, double>> measured = _group.FromFirst(() => QuietHeap.Run(() => _average is null ? Evaluate() : _average.With(Evaluate)));
            Output.WriteLine($"{DateTime.Now:HH:mm:ss} step {step} evaluation: " + string.Join(" ", measured.Select(v => string.Create(CultureInfo.InvariantCulture, $"{v.Key} {v.Value:G4}"))));
            log?.Write(step, measured);
            bool isBest = early.Take(measured);
            evaluated = step;
            if (_group.IsFirst && isBest) Write(() => folder.KeepBest(weights, _average));
            if (_group.IsFirst && savedStep == step) Write(() => folder.Note(Now()));
            averages.Since = watch.Elapsed.TotalSeconds;
        }
    }

    private WeightAverage? _average;

    private readonly ProcessGroup _group = optimizer.Group;

    private readonly record struct StepValues(double Loss, List<KeyValuePair<string, double>> Metrics, double Amount);

    /// <summary>What all processes do after a step: stop if one of them was asked to, save when the first one's clock says so.</summary>
    private readonly record struct Decision(bool Stop, bool Save);

    /// <summary>
    /// The gradients of this process's part of the batches. It depends on nothing but the weights and (seed, step), so it can be repeated
    /// when the native library reports an error.
    /// </summary>
    private StepValues[] Attempt(Func<long, StepResult> trainStep, long step)
    {
        int from = settings.Accumulate * _group.Rank / _group.Size, to = settings.Accumulate * (_group.Rank + 1) / _group.Size;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                optimizer.ZeroGradients();
                return [.. Enumerable.Range(from, to - from).Select(part => Differentiate(trainStep, (step * settings.Accumulate) + part))];
            }
            catch (System.Runtime.InteropServices.ExternalException error) when (attempt < 3)
            {
                Output.WriteLine($"step {step}: {error.Message.Split('\n')[0]}; trying again");
            }
        }
    }

    private (StepValues Mean, Decision Decision) Agree(StepValues[] own, Decision decision)
    {
        if (_group.Size == 1) return (Mean(own), decision);
        Report[] reports = _group.Gather(new Report(own, decision));
        return (Mean([.. reports.SelectMany(report => report.Parts)]), new(reports.Any(report => report.Decision.Stop), reports[0].Decision.Save));
    }

    private sealed record Report(StepValues[] Parts, Decision Decision);

    /// <summary>Processes that do not see the same run folder would train different models and mix them.</summary>
    private void RequireSameStart(RunFolder.State state)
    {
        if (_group.Size == 1) return;
        using System.Security.Cryptography.IncrementalHash hash = System.Security.Cryptography.IncrementalHash.CreateHash(System.Security.Cryptography.HashAlgorithmName.SHA256);
        foreach ((_, Tensor parameter) in weights.Parameters) hash.AppendData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(ParameterStore.Values(parameter)));
        string[] starts = _group.Gather($"step {state.Step}, weights {Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 8))}");
        int other = Array.FindIndex(starts, start => start != starts[0]);
        if (other >= 0)
            throw new EmovaException($"{folder.Path}: process {other} starts from {starts[other]}, process 0 from {starts[0]}; all machines must see the same folders");
    }

    /// <summary>Adds the gradients of one batch.</summary>
    private StepValues Differentiate(Func<long, StepResult> trainStep, long batch)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(StepSeed(settings.Seed, batch));
        StepResult result = trainStep(batch);
        (settings.Accumulate == 1 ? result.Loss : result.Loss.mul(Modules.Arithmetic.Constant(1.0 / settings.Accumulate))).backward();
        return new(result.Loss.item<float>(), [.. result.Metrics.Select(metric => new KeyValuePair<string, double>(metric.Key, metric.Value.item<float>()))], result.Amount);
    }

    private static StepValues Mean(StepValues[] parts) => parts is [StepValues only]
        ? only
        : new(parts.Average(p => p.Loss),
            [.. parts.SelectMany(p => p.Metrics).GroupBy(m => m.Key, m => m.Value).Select(g => new KeyValuePair<string, double>(g.Key, g.Average()))],
            parts.Sum(p => p.Amount));

    /// <summary>Leaves the last checkpoint as it is and says which step brought the end: its batch follows from that number and the seed.</summary>
    private EmovaException Diverged(long step, StepValues values, double norm)
    {
        string path = Path.Combine(folder.Path, "diverged.json");
        if (_group.IsFirst) File.WriteAllText(path, System.Text.Json.JsonSerializer.Serialize(new
        {
            step, settings.Seed, loss = $"{values.Loss}", gradientNorm = $"{norm}", metrics = values.Metrics.ToDictionary(m => m.Key, m => $"{m.Value}"),
        }));
        return new EmovaException(
            $"{folder.Path}: {settings.SkipsAllowed + 1} updates in a row were not finite, the last at step {step} ({path}{(_kept is null ? "" : $"; the first batch is {_kept}")}); the checkpoint before is kept: lower learning_rate or clip_norm and go on");
    }

    private string? _kept;

    /// <summary>Keeps the batches of the first of a row of updates that are not finite.</summary>
    private void KeepBatches(long step)
    {
        if (SaveBatch is null || !_group.IsFirst) return;
        for (int part = 0; part < settings.Accumulate; part++)
            _kept = SaveBatch((step * settings.Accumulate) + part, Path.Combine(folder.Path, $"not-finite-step-{step}-batch-{part}"));
        Output.WriteLine($"step {step}: the loss or a gradient is not finite; the update is skipped, its batch is {_kept}");
    }

    private sealed class Averages
    {
        private readonly Dictionary<string, (double Sum, int Count)> _sums = [];

        public double Since { get; set; }

        public double Amount { get; set; }

        public int Steps => _sums.TryGetValue("loss", out (double Sum, int Count) loss) ? loss.Count : 0;

        public IEnumerable<KeyValuePair<string, double>> Values => _sums.Select(pair => new KeyValuePair<string, double>(pair.Key, pair.Value.Sum / pair.Value.Count));

        public void Add(string name, double value)
        {
            (double sum, int count) = _sums.GetValueOrDefault(name);
            _sums[name] = (sum + value, count + 1);
        }

        public override string ToString() => string.Join(" ", Values.Select(v => string.Create(CultureInfo.InvariantCulture, $"{v.Key} {v.Value:G4}")));
    }

    /// <summary>Turns the first Ctrl-C (or a polite kill, or what mpirun passes on) into a request to save and stop.</summary>
    private sealed class Interruption : IDisposable
    {
        private readonly System.Runtime.InteropServices.PosixSignalRegistration[] _registrations;
        private volatile bool _requested;

        public Interruption()
        {
            void Handle(System.Runtime.InteropServices.PosixSignalContext context)
            {
                context.Cancel = !_requested;
                _requested = true;
            }

            _registrations =
            [
                System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGINT, Handle),
                System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGTERM, Handle),
                System.Runtime.InteropServices.PosixSignalRegistration.Create(Launcher.PoliteStop, Handle),
            ];
        }

        public bool Requested => _requested;

        public void Dispose()
        {
            foreach (System.Runtime.InteropServices.PosixSignalRegistration registration in _registrations) registration.Dispose();
        }
    }
}

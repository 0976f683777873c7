using System.Diagnostics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models;
using Emova.Models.Language;
using Emova.Models.Speech;
using Emova.Numerics;
using Emova.Text;

namespace Emova.Cli.Bench;

/// <summary>
/// <c>emova bench</c>: a spoken question about a picture goes through every part of a model, each timed, and set against what the
/// machine can do at most. The question is noise and a random model answers nonsense; the computation is the real one.
/// </summary>
internal sealed class BenchRun(BenchOptions options, Action<string> onProgress, CancellationToken cancellation)
{
    private const int UnitRate = 25;
    private const double MiB = 1 << 20;

    private readonly List<BenchFigure> figures = [];
    private readonly Random random = new((int)options.Seed);
    private TimeSpan? untilCommand;
    private Assistant? assistant;
    private double peak;

    /// <summary>Figure to what it did per second of what the machine can do so much of.</summary>
    private readonly Dictionary<string, (double Rate, Limit Limit)> rates = [];

    private enum Limit
    {
        Reading,
        Bytes,
        Floats,
    }

    /// <summary>Runs a model folder.</summary>
    public BenchReport RunFolder(string path, string command)
    {
        untilCommand = SinceProcessStart();
        double baseline = ResidentMiB();
        using ModelFolder folder = ModelFolder.Open(path);
        EmovaConfig config = EmovaConfig.Read(folder.Config);
        int context = Math.Min(options.ContextLength, config.Language.MaxPositionEmbeddings);
        MemoryPlan plan = ModelInspector.Inspect(folder, context, Patches(config)).Plan;
        return Run(path, command, plan, baseline, Patches(config), () => (assistant = Assistant.Load(path)).Model);
    }

    /// <summary>Runs a model of random weights in the dimensions of a configuration.</summary>
    public BenchReport RunRandom(ConfigSection config, string name, string command)
    {
        double baseline = ResidentMiB();
        if (options.Quantization.Format is WeightFormat.Int4 or WeightFormat.Int8)
            config = AsQuantized(config, name);
        int patches = Patches(EmovaConfig.Read(config));
        MemoryPlan plan = ModelInspector.Plan(config, options.Quantization, options.ContextLength, patches);
        RandomWeights weights = new(options.Seed, (tensor, shape) => ModelInspector.FormatOf(tensor, shape, options.Quantization));
        return Run(name, command, plan, baseline, patches, () => EmovaModel.CreateRandom(config, weights));
    }

    /// <summary>The configuration of the folder that <c>emova quantize</c> would make.</summary>
    private static ConfigSection AsQuantized(ConfigSection config, string name)
    {
        JsonObject json = JsonNode.Parse(config.Json.GetRawText())!.AsObject();
        json["quantization_config"] ??= new JsonObject();
        return new ConfigSection(name, JsonSerializer.SerializeToElement(json));
    }

    private static TimeSpan SinceProcessStart()
    {
        using Process process = Process.GetCurrentProcess();
        return DateTime.Now - process.StartTime;
    }

    private static double ResidentMiB() => Environment.WorkingSet / MiB;

    private static double PeakMiB()
    {
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64 / MiB;
    }

    private BenchReport Run(string name, string command, MemoryPlan plan, double baseline, int patches, Func<EmovaModel> load)
    {
        foreach (ModelPart part in plan.Parts)
            Add($"plan, {part.Name}", part.LoadedBytes / MiB, "MiB", note: $"{part.Parameters:N0} parameters");
        Add("plan, cache", plan.CacheBytes / MiB, "MiB", note: $"{options.ContextLength} positions");
        Add("plan, scratch", plan.ScratchBytes / MiB, "MiB");
        Add("program before loading", baseline, "MiB");
        double planned = baseline + plan.TotalBytes / MiB;
        Add("plan, all", planned, "MiB");

        LoadAndAnswer(load, plan, patches);
        Add("peak resident memory", peak, "MiB", note: $"{100 * peak / planned:0.0} % of the plan");
        Probe();
        return new BenchReport(
            name, command, $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.ProcessArchitecture}",
            WorkerTeam.Shared.ThreadCount, figures);
    }

    // On its own, so that nothing refers to the model any more when it returns.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void LoadAndAnswer(Func<EmovaModel> load, MemoryPlan plan, int patches)
    {
        EmovaModel model = Time("loading", load, out double seconds);
        Add("loading", seconds, "s");
        if (untilCommand is { } started)
            Add("process start to model ready", started.TotalSeconds + seconds, "s", "until the command runs, and loading");
        long start = Stopwatch.GetTimestamp();
        TimeSpan before = Environment.CpuUsage.TotalTime;
        Answer(model, plan, patches);
        peak = PeakMiB(); // of what the plan is about: a whole turn also holds the tokenizer, the grammar and shared prompts
        FirstAudio();
        TimeSpan given = Environment.CpuUsage.TotalTime - before;
        Add(
            "processors given to this process", 100 * given / (Stopwatch.GetElapsedTime(start) * WorkerTeam.Shared.ThreadCount), "%",
            "other programs had the rest: below 90 or so, times and shares of the limits say little");
    }

    /// <summary>A whole turn of a loaded folder, which is what a person waits for. The first one compiles; the second one counts.</summary>
    private void FirstAudio()
    {
        if (assistant is not { Speech: not null, SpeechParts: { Encoder: not null, Decoder: not null } } loaded)
            return;
        assistant = null;
        UserTurn turn = new() { Audio = new AudioClip(Question(), Assistant.SampleRate) };
        ConversationOptions limited = new() { Limits = new GrammarLimits(TextBytes: 4 * options.TextTokens, Units: (int)(UnitRate * options.ReplySeconds)) };
        loaded.StartConversation(limited).Respond(turn, null, cancellation);
        Reply reply = Time("first audio", () => loaded.StartConversation(limited).Respond(turn, null, cancellation), out _);
        if (reply.Timings.FirstAudio is { } first)
            Add("end of question to first audio", first.TotalSeconds, "s", $"{options.QuestionSeconds} s question, {reply.TokenCount} tokens, {reply.Timings.RealTimeFactor:0.000} x real time");
    }

    private float[] Question() => [.. Enumerable.Range(0, (int)(Assistant.SampleRate * options.QuestionSeconds)).Select(_ => 0.1f * (random.NextSingle() - 0.5f))];

    /// <summary>Measures the limits, after the model is gone: the probe's own memory must not count as the model's.</summary>
    private void Probe()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        onProgress("probing the machine");
        Dictionary<Limit, double> limits = new()
        {
            [Limit.Reading] = MachineProbe.ReadBandwidth(WorkerTeam.Shared),
            [Limit.Bytes] = MachineProbe.ByteOperations(WorkerTeam.Shared),
            [Limit.Floats] = MachineProbe.FloatOperations(WorkerTeam.Shared),
        };
        for (int i = 0; i < figures.Count; i++)
        {
            if (rates.TryGetValue(figures[i].Name, out var rate))
                figures[i] = figures[i] with { Limit = rate.Rate / limits[rate.Limit] };
        }

        Add("limit, reading memory", limits[Limit.Reading] / 1e9, "GB/s");
        Add("limit, byte arithmetic", limits[Limit.Bytes] / 1e9, "GOP/s");
        Add("limit, float arithmetic", limits[Limit.Floats] / 1e9, "GOP/s");
    }

    /// <summary>Picture, question, prompt, reply, voice.</summary>
    private void Answer(EmovaModel model, MemoryPlan plan, int patches)
    {
        double whole = 0;
        LanguageConfig config = model.Language.Config;
        float[] features = [];
        if (model.Vision is not null)
        {
            features = Time("vision encoder", () => model.EncodeImage(Picture()), out double seconds);
            whole += seconds;
            double operations = 2.0 * plan.Parts.Where(part => part.Name is "vision").Sum(part => part.Parameters) * patches;
            rates["vision encoder"] = (operations / seconds, Limit.Floats);
            Add("vision encoder", seconds, "s", $"{options.PictureSize} x {options.PictureSize}, {features.Length / config.HiddenSize} tokens");
        }

        int units = (int)(UnitRate * options.QuestionSeconds);
        if (model.SpeechEncoder is { } encoder)
        {
            float[] question = Question();
            int[] heard = Time("speech to units", () => encoder.Encode(question), out double seconds);
            whole += seconds;
            units = SpeechUnits.Collapse(heard).Units.Length;
            Add("speech to units", seconds / options.QuestionSeconds, "x", note: $"{options.QuestionSeconds} s, {heard.Length} units");
        }

        whole += Write(model, plan, features, units);
        if (model.SpeechDecoder is { } decoder)
        {
            VoiceSettings voice = new([.. Enumerable.Range(0, decoder.StyleDim).Select(_ => 0.1f * (random.NextSingle() - 0.5f))]);
            int[] spoken = [.. Enumerable.Range(0, (int)(UnitRate * options.ReplySeconds)).Select(i => i * 97 % 4096)];
            ISpeechSession session = decoder.StartSession(voice);
            float[] audio = Time("units to speech", () => (float[])[.. session.Push(spoken), .. session.Finish().SelectMany(piece => piece)], out double seconds);
            whole += seconds;
            double length = audio.Length / (double)decoder.SampleRate;
            Add("units to speech", seconds / length, "x", note: $"{spoken.Length} units, {length:0.0} s");
        }

        Add("whole turn", whole, "s", note: $"{options.QuestionSeconds} s question, {options.ReplySeconds} s spoken reply");
    }

    /// <summary>Reads the prompt and writes the reply; returns the seconds both took.</summary>
    private double Write(EmovaModel model, MemoryPlan plan, float[] features, int units)
    {
        LanguageModel language = model.Language;
        LanguageConfig config = language.Config;
        int[] prompt = [.. Enumerable.Range(0, options.InstructionTokens + units).Select(_ => random.Next(config.VocabSize))];
        float[] embeddings = new float[features.Length + prompt.Length * config.HiddenSize]; // (T, D)
        features.CopyTo(embeddings, 0);
        language.Embed(prompt, embeddings.AsSpan(features.Length));
        int rows = embeddings.Length / config.HiddenSize;
        float[] logits = new float[config.VocabSize];

        KvCache cache = language.CreateCache(Math.Min(options.ContextLength, config.MaxPositionEmbeddings));
        language.Forward(cache, embeddings.AsSpan(0, 4 * config.HiddenSize), logits); // compiles the kernels
        cache.Truncate(0);
        Time("prompt", () =>
        {
            language.Forward(cache, embeddings, logits);
            return 0;
        }, out double prefill);
        double speed = 2.0 * plan.TokenParameters * rows / prefill;
        bool isInteger = plan.TokenBytes < 1.5 * plan.TokenParameters;
        rates["prompt"] = (speed, isInteger ? Limit.Bytes : Limit.Floats);
        Add("prompt", rows / prefill, "tok/s", $"{rows} tokens in {prefill:0.00} s, {speed / 1e9:0} GOP/s");

        int replyTokens = options.TextTokens + (int)(UnitRate * options.ReplySeconds), written = 0;
        int[] token = new int[1];
        long allocated = 0;
        Time("reply", () =>
        {
            for (; written < replyTokens && cache.Length < cache.Capacity; written++)
            {
                cancellation.ThrowIfCancellationRequested();
                token[0] = TensorPrimitives.IndexOfMax(logits);
                language.Forward(cache, token, logits);
                if (written == 0)
                    allocated = GC.GetTotalAllocatedBytes();
            }

            return 0;
        }, out double decode);
        double read = (plan.TokenBytes + KvCache.SizeFor(config, cache.Length - written / 2)) * (double)written / decode;
        rates["reply"] = (read, Limit.Reading);
        Add("reply", written / decode, "tok/s", $"{written} tokens at depth {rows}, {read / 1e9:0.0} GB/s");
        Add("allocated per token of the reply", (GC.GetTotalAllocatedBytes() - allocated) / MiB / Math.Max(1, written - 1), "MiB");
        return prefill + decode;
    }

    private T Time<T>(string what, Func<T> work, out double seconds)
    {
        cancellation.ThrowIfCancellationRequested();
        onProgress(what);
        long start = Stopwatch.GetTimestamp();
        T result = work();
        seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return result;
    }

    private void Add(string name, double value, string unit, string? note = null) => figures.Add(new BenchFigure(name, value, unit, null, note));

    private RgbImage Picture()
    {
        byte[] pixels = new byte[3 * options.PictureSize * options.PictureSize];
        random.NextBytes(pixels);
        return new RgbImage(options.PictureSize, options.PictureSize, pixels);
    }

    private int Patches(EmovaConfig config) => ModelInspector.PatchesOf(config.Vision, (long)options.PictureSize * options.PictureSize);
}

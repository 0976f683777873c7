using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Tests;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;
using Emova.Training.Modules.Speech.Vits;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests.Modules;

/// <summary>The discriminators and losses of VITS against the reference's own outputs.</summary>
[Trait("Category", "Golden")]
public sealed partial class VitsDiscriminatorTests : IDisposable
{
    private const double Activation = 3e-5, Loss = 1e-5, MelTolerance = 1e-3, FullActivation = 1e-3, FullLoss = 1e-4;

    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> SmallCases => Fixtures.Cases("u2s_discriminator_losses");

    public static TheoryData<string> FullCases => Fixtures.Cases("u2s_discriminator_full");

    public void Dispose() => scope.Dispose();

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(SmallCases))]
    public void DiscriminatorsAndLossesMatchTheReference(string name)
    {
        using FixtureCase golden = Fixtures.Open(name);
        using IDisposable noGradients = no_grad();
        ParameterStore store = new();
        VitsDiscriminator discriminator = new(Config(golden.Config), store.Root);
        store.Load(golden.PathOf("weights.safetensors"));
        Tensor real = Read(golden.Inputs, "y"), generated = Read(golden.Inputs, "y_hat");
        (IReadOnlyList<DiscriminatorOutput> ofReal, IReadOnlyList<DiscriminatorOutput> ofGenerated) = (discriminator.Forward(real), discriminator.Forward(generated));
        for (int d = 0; d < ofReal.Count; d++)
        {
            foreach (int map in Recorded(golden, $"d{d}.fmap", ".real")) Compare(golden, $"d{d}.fmap{map}.real", ofReal[d].FeatureMaps[map].narrow(0, 0, 1), Activation);
            Compare(golden, $"d{d}.y_real", ofReal[d].Score, Activation);
            Compare(golden, $"d{d}.y_gen", ofGenerated[d].Score, Activation);
        }
        CompareAdversarialLosses(golden, ofReal, ofGenerated, Loss);

        VitsSpectrogramConfig spectrogramConfig = golden.Config.GetProperty("mel").Deserialize<VitsSpectrogramConfig>(ModelConfig.Options)!;
        VitsSpectrogram spectrogram = new(spectrogramConfig);
        Compare(golden, "mel_basis", spectrogram.MelBasis, 1e-6);
        Tensor linear = spectrogram.Linear(real.squeeze(1)), mel = spectrogram.Mel(linear), generatedMel = spectrogram.Mel(spectrogram.Linear(generated.squeeze(1)));
        Compare(golden, "spec_real", linear, MelTolerance);
        Compare(golden, "mel_from_spec", spectrogram.Mel(Read(golden.Outputs, "spec_real")), MelTolerance);
        Compare(golden, "mel_real", mel, MelTolerance);
        Compare(golden, "mel_gen", generatedMel, MelTolerance);
        Compare(golden, "loss_mel_x45", VitsLosses.Mel(mel, generatedMel) * VitsLosses.MelWeight, 0, Loss);
        Compare(
            golden,
            "loss_kl",
            VitsLosses.KullbackLeibler(Kl("z_p"), Kl("logs_q"), Kl("m_p"), Kl("logs_p"), Kl("z_mask")),
            0,
            Loss);
        Tensor Kl(string input) => Read(golden.Inputs, $"kl.{input}");

        // What the runtime reads recordings with is the same spectrogram, wherever it has those sizes.
        if (spectrogramConfig.WinSize != spectrogramConfig.NFft || !int.IsPow2(spectrogramConfig.NFft)) return;
        LinearSpectrogram runtime = new(spectrogramConfig.NFft, spectrogramConfig.HopSize);
        float[] wave = real[0, 0].contiguous().data<float>().ToArray();
        Closeness.Assert($"{name}/spec_real of the runtime", Values(linear[0].transpose(0, 1)), runtime.Compute(wave), MelTolerance);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(FullCases))]
    public void FullSizeDiscriminatorsMatchTheReference(string name)
    {
        using FixtureCase golden = Fixtures.Open(name);
        using IDisposable noGradients = no_grad();
        ParameterStore store = new();
        VitsDiscriminator discriminator = new(Config(golden.Config), store.Root);
        JsonElement formula = golden.Config.GetProperty("formula");
        foreach ((string key, Tensor parameter) in store.Parameters) Fill(key, ParameterStore.Values(parameter), formula);
        foreach (string check in golden.Outputs.Tensors.Keys.Where(key => key.StartsWith("check.", StringComparison.Ordinal)))
        {
            string key = check["check.".Length..].Replace(".first8", "", StringComparison.Ordinal);
            Tensor parameter = store.Parameters.Single(pair => pair.Key == key).Value;
            Compare(golden, check, parameter.flatten().narrow(0, 0, golden.ShapeOf(check).Aggregate(1, (a, b) => a * b)), 1e-7);
        }

        IReadOnlyList<DiscriminatorOutput> ofReal = discriminator.Forward(Read(golden.Inputs, "y")), ofGenerated = discriminator.Forward(Read(golden.Inputs, "y_hat"));
        for (int d = 0; d < ofReal.Count; d++)
        {
            IReadOnlyList<Tensor> maps = ofReal[d].FeatureMaps;
            foreach (int map in Recorded(golden, $"d{d}.fmap", ".real_first16ch_first8"))
                CompareRelative(golden, $"d{d}.fmap{map}.real_first16ch_first8", maps[map].narrow(1, 0, Math.Min(16, maps[map].shape[1])).narrow(2, 0, Math.Min(8, maps[map].shape[2])));
            CompareRelative(golden, $"d{d}.fmap_mean_abs_real", stack([.. maps.Select(map => map.abs().mean())]));
            CompareRelative(golden, $"d{d}.fmap_std_real", stack([.. maps.Select(map => map.std())]));
            CompareRelative(golden, $"d{d}.y_real", ofReal[d].Score);
            CompareRelative(golden, $"d{d}.y_gen", ofGenerated[d].Score);
        }
        CompareAdversarialLosses(golden, ofReal, ofGenerated, FullLoss);
    }

    [Fact]
    public void NamesAndShapesAreThoseOfThePublishedDiscriminator()
    {
        ParameterStore store = new();
        _ = new VitsDiscriminator(new VitsDiscriminatorConfig(), store.Root);
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Fixtures.File("release_shapes", "mpd_state_dict.json")));
        Assert.Equal(
            expected.RootElement.EnumerateObject().Select(tensor => $"{tensor.Name} {tensor.Value[1].GetRawText()}").Order(StringComparer.Ordinal),
            store.Parameters.Select(pair => $"{pair.Key} [{string.Join(',', pair.Value.shape)}]").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void EachSideLearnsAgainstTheOther()
    {
        _ = manual_seed(3);
        ParameterStore store = new();
        VitsDiscriminator discriminator = new(
            new VitsDiscriminatorConfig { Periods = [2, 3], ScaleChannels = [4, 8, 8, 8, 8, 8], ScaleGroups = [1, 2, 2, 2, 2, 1], PeriodChannels = [4, 8, 8] }, store.Root);
        Tensor real = arange(512).to(ScalarType.Float32).mul(0.1).sin().view(1, 1, -1), generated = (randn(1, 1, 512) * 0.3).requires_grad_();
        VitsSpectrogram spectrogram = new(new VitsSpectrogramConfig { NFft = 128, WinSize = 128, HopSize = 32, NumMels = 20, SamplingRate = 16000 });
        Descend(() => VitsLosses.Discriminator(discriminator.Forward(real), discriminator.Forward(generated.detach())).Total, [.. store.Parameters.Select(pair => pair.Value)], 1e-2);
        Descend(() => VitsLosses.Generator(discriminator.Forward(generated)).Total, [generated], 1e-1);
        Descend(() => VitsLosses.FeatureMatching(discriminator.Forward(real), discriminator.Forward(generated)), [generated], 1e-1);
        Descend(() => VitsLosses.Mel(spectrogram.Mel(spectrogram.Linear(real.squeeze(1))), spectrogram.Mel(spectrogram.Linear(generated.squeeze(1)))), [generated], 1e-1);
    }

    // One step down the slope must reach every tensor and lower the loss.
    private static void Descend(Func<Tensor> loss, Tensor[] tensors, double rate)
    {
        Tensor before = loss();
        Tensor[] slopes = [.. autograd.grad([before], tensors)];
        Assert.All(slopes, slope => Assert.True(slope.abs().max().item<float>() > 0, "a tensor gets no gradient"));
        using (no_grad())
        {
            foreach ((Tensor tensor, Tensor slope) in tensors.Zip(slopes)) tensor.sub_(slope * rate);
        }
        Assert.True(loss().item<float>() < before.item<float>(), $"{loss().item<float>()} after a step, {before.item<float>()} before");
    }

    private static void CompareAdversarialLosses(FixtureCase golden, IReadOnlyList<DiscriminatorOutput> real, IReadOnlyList<DiscriminatorOutput> generated, double relative)
    {
        (Tensor total, Tensor realTerms, Tensor generatedTerms) = VitsLosses.Discriminator(real, generated);
        Compare(golden, "loss_disc_real_terms", realTerms, 0, relative);
        Compare(golden, "loss_disc_gen_terms", generatedTerms, 0, relative);
        Compare(golden, "loss_disc", total, 0, relative);
        (Tensor generatorTotal, Tensor terms) = VitsLosses.Generator(generated);
        Compare(golden, "loss_gen_terms", terms, 0, relative);
        Compare(golden, "loss_gen", generatorTotal, 0, relative);
        Compare(golden, "loss_feature", VitsLosses.FeatureMatching(real, generated), 0, relative);
    }

    // Sums of thousands of products of one size err by a part of that size, so the part is taken of the output's largest element.
    private static void CompareRelative(FixtureCase golden, string output, Tensor actual) =>
        Compare(golden, output, actual, FullActivation * Read(golden.Outputs, output).abs().max().item<float>());

    private static void Compare(FixtureCase golden, string output, Tensor actual, double absolute, double relative = 0)
    {
        Tensor shaped = actual.dim() == 0 ? actual.view(1) : actual;
        Assert.True(shaped.shape.SequenceEqual(golden.ShapeOf(output).Select(size => (long)size)), $"{golden.Name}/{output}: shape [{string.Join(", ", shaped.shape)}]");
        golden.AssertClose(output, Values(shaped), absolute, relative);
    }

    private static float[] Values(Tensor tensor) => tensor.contiguous().data<float>().ToArray();

    private static Tensor Read(SafetensorsFile file, string name) => tensor(file.ReadFloat32(name), [.. file.Tensors[name].Shape]);

    // The numbers n for which the output "{start}n{end}" was recorded, ascending.
    private static IEnumerable<int> Recorded(FixtureCase golden, string start, string end) => golden.Outputs.Tensors.Keys
        .Where(key => key.StartsWith(start, StringComparison.Ordinal) && key.EndsWith(end, StringComparison.Ordinal) && Digits().IsMatch(key[start.Length..^end.Length]))
        .Select(key => int.Parse(key[start.Length..^end.Length])).Order();

    // The recorded cases say what each of the published sizes became; what they do not mention kept its size.
    private static VitsDiscriminatorConfig Config(JsonElement config)
    {
        VitsDiscriminatorConfig published = new();
        int[] Mapped(string map, int[] sizes) => config.TryGetProperty(map, out JsonElement to)
            ? [.. sizes.Select(size => to.TryGetProperty($"{size}", out JsonElement other) ? other.GetInt32() : size)]
            : sizes;
        return published with
        {
            Periods = config.TryGetProperty("periods", out JsonElement periods) ? periods.Deserialize<int[]>()! : published.Periods,
            ScaleChannels = Mapped("channels", published.ScaleChannels),
            ScaleGroups = Mapped("groups", published.ScaleGroups),
            PeriodChannels = Mapped("channels", published.PeriodChannels),
        };
    }

    // Weights by formula (note.md of the case): a hash of the element's index and the tensor's name, scaled by the kind of tensor.
    private static void Fill(string key, Span<float> values, JsonElement formula)
    {
        JsonElement kind = formula.GetProperty(key[(key.LastIndexOf('.') + 1)..]);
        double scale = kind.GetProperty("scale").GetDouble(), offset = kind.GetProperty("offset").GetDouble();
        uint salt = 2166136261;
        foreach (byte letter in Encoding.UTF8.GetBytes(key)) salt = (salt ^ letter) * 16777619;
        for (int i = 0; i < values.Length; i++)
        {
            uint x = (uint)i * 2654435761 + salt;
            x = (x ^ (x >> 16)) * 0x7feb352d;
            x = (x ^ (x >> 15)) * 0x846ca68b;
            x ^= x >> 16;
            values[i] = (float)(offset + scale * (x / 4294967296.0 - 0.5));
        }
    }

    [GeneratedRegex("^[0-9]+$")]
    private static partial Regex Digits();
}

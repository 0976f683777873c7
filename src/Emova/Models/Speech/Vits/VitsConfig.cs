using System.Text.Json;
using Emova.Checkpoints;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// Dimensions of a <see cref="VitsDecoder"/>, in the layout of the reference's <c>config.json</c>: a <c>model</c> and a
/// <c>data</c> section beside the sizes its constructor is given.
/// </summary>
public sealed record VitsConfig : ISpeechDecoderConfig
{
    /// <summary>Rows of the embedding table; units are its last rows.</summary>
    public int VocabSize { get; init; } = 4274;

    /// <summary>Embedding row of unit 0. The rows before it are letters and phonetic symbols that no unit uses.</summary>
    public int FirstUnitRow { get; init; } = 178;

    /// <summary>Rows of the speaker table, which is stored but not used; 0 for none.</summary>
    public int SpeakerCount { get; init; } = 1344;

    /// <summary>Channels of the latent frames.</summary>
    public int InterChannels { get; init; } = 192;

    /// <summary>Channels of the unit encoder and of everything but the generator.</summary>
    public int HiddenChannels { get; init; } = 192;

    /// <summary>Width of the unit encoder's feed-forward layers.</summary>
    public int FilterChannels { get; init; } = 768;

    /// <summary>Heads of the unit encoder.</summary>
    public int NumHeads { get; init; } = 2;

    /// <summary>Layers of the unit encoder.</summary>
    public int NumLayers { get; init; } = 6;

    /// <summary>Kernel of the unit encoder's feed-forward layers.</summary>
    public int KernelSize { get; init; } = 3;

    /// <summary>Kernels of the generator's residual blocks; one block each per stage.</summary>
    public IReadOnlyList<int> ResblockKernelSizes { get; init; } = [3, 7, 11];

    /// <summary>Dilations of each residual block.</summary>
    public IReadOnlyList<IReadOnlyList<int>> ResblockDilations { get; init; } = [[1, 3, 5], [1, 3, 5], [1, 3, 5]];

    /// <summary>Whether residual blocks have a second convolution after each dilated one (HiFi-GAN's kind 1) or not (kind 2).</summary>
    public bool PairedResblocks { get; init; } = true;

    /// <summary>Upsampling factor of each stage.</summary>
    public IReadOnlyList<int> UpsampleRates { get; init; } = [8, 8, 2, 2];

    /// <summary>Kernel of each stage's transposed convolution.</summary>
    public IReadOnlyList<int> UpsampleKernelSizes { get; init; } = [16, 16, 4, 4];

    /// <summary>Channels before the first stage; every stage halves them.</summary>
    public int UpsampleInitialChannel { get; init; } = 512;

    /// <summary>Length of the style vector.</summary>
    public int StyleDim { get; init; } = 256;

    /// <summary>Whether durations are drawn from a flow (the released model) or predicted.</summary>
    public bool UseStochasticDurations { get; init; } = true;

    /// <summary>Whether the checkpoint has a style encoder.</summary>
    public bool HasStyleEncoder { get; init; } = true;

    /// <summary>Samples per second of the output.</summary>
    public int SampleRate { get; init; } = 22050;

    /// <summary>Transform length of the linear spectrogram; a power of two.</summary>
    public int FftLength { get; init; } = 1024;

    /// <summary>Samples from one frame of the linear spectrogram to the next.</summary>
    public int HopLength { get; init; } = 256;

    /// <summary>Samples the generator makes of one latent frame.</summary>
    public int SamplesPerFrame => UpsampleRates.Aggregate(1, (product, rate) => product * rate);

    /// <summary>Units: rows of the table from <see cref="FirstUnitRow"/> on.</summary>
    public int UnitCount => VocabSize - FirstUnitRow;

    /// <summary>Bins of the linear spectrogram.</summary>
    public int SpectrogramBins => FftLength / 2 + 1;

    /// <summary>Dimensions of the published decoder (<c>40ms_multilingual_8888_xujing_cosyvoice_FT</c>).</summary>
    public static VitsConfig Released { get; } = new();

    /// <inheritdoc/>
    public ISpeechDecoder Load(WeightLoader weights) => VitsDecoder.Load(this, weights);

    /// <summary>Reads a configuration; what is absent has the released value.</summary>
    /// <exception cref="EmovaException">A value is out of range or not supported.</exception>
    public static VitsConfig Read(ConfigSection section)
    {
        ConfigSection model = section.Section("model"), data = section.Section("data");
        VitsConfig released = Released;
        VitsConfig config = new()
        {
            VocabSize = section.WholeNumber("n_vocab", 2, 1 << 20, released.VocabSize),
            SpeakerCount = section.WholeNumber("n_speakers", 0, 1 << 20, released.SpeakerCount),
            InterChannels = model.WholeNumber("inter_channels", 2, 4096),
            HiddenChannels = model.WholeNumber("hidden_channels", 2, 4096),
            FilterChannels = model.WholeNumber("filter_channels", 1, 1 << 14),
            NumHeads = model.WholeNumber("n_heads", 1, 256),
            NumLayers = model.WholeNumber("n_layers", 0, 128),
            KernelSize = model.WholeNumber("kernel_size", 1, 31),
            ResblockKernelSizes = SpiralConfig.Numbers(model, "resblock_kernel_sizes", 1, 31, maximumCount: 8),
            ResblockDilations = Dilations(model),
            PairedResblocks = model.Text("resblock", "1", "1", "2") == "1",
            UpsampleRates = SpiralConfig.Numbers(model, "upsample_rates", 1, 64, maximumCount: 8),
            UpsampleKernelSizes = SpiralConfig.Numbers(model, "upsample_kernel_sizes", 1, 256, maximumCount: 8),
            UpsampleInitialChannel = model.WholeNumber("upsample_initial_channel", 1, 1 << 14),
            StyleDim = model.WholeNumber("gin_channels", 1, 4096),
            UseStochasticDurations = model.Flag("use_sdp", true),
            HasStyleEncoder = model.Flag("use_ref_enc", false),
            SampleRate = data.WholeNumber("sampling_rate", 8000, 96000),
            FftLength = data.WholeNumber("filter_length", 4, 1 << 16),
            HopLength = data.WholeNumber("hop_length", 1, 1 << 14),
        };
        config = config with { FirstUnitRow = section.WholeNumber("symbols_count", 0, config.VocabSize - 1, Math.Min(released.FirstUnitRow, config.VocabSize - 1)) };
        section.WholeNumber("spec_channels", config.SpectrogramBins, config.SpectrogramBins, config.SpectrogramBins);
        data.WholeNumber("win_length", config.FftLength, config.FftLength, config.FftLength);
        return config.Validate();
    }

    private VitsConfig Validate()
    {
        Require(HiddenChannels % NumHeads == 0, $"hidden_channels {HiddenChannels} must be a multiple of n_heads {NumHeads}");
        Require(HiddenChannels % 2 == 0, $"hidden_channels must be even for the style encoder's two heads, is {HiddenChannels}");
        Require(InterChannels % 2 == 0, $"inter_channels must be even, is {InterChannels}");
        Require((FftLength & (FftLength - 1)) == 0, $"filter_length must be a power of two, is {FftLength}");
        Require(HopLength <= FftLength && (FftLength - HopLength) % 2 == 0, $"filter_length {FftLength} minus hop_length {HopLength} must be even and not negative");
        Require(ResblockKernelSizes.Count == ResblockDilations.Count, "resblock_kernel_sizes and resblock_dilation_sizes must be equally long");
        Require(ResblockKernelSizes.All(k => k % 2 == 1), "resblock_kernel_sizes must be odd");
        Require(UpsampleRates.Count == UpsampleKernelSizes.Count, "upsample_rates and upsample_kernel_sizes must be equally long");
        for (int i = 0; i < UpsampleRates.Count; i++)
        {
            int rate = UpsampleRates[i], kernel = UpsampleKernelSizes[i];
            Require(kernel >= rate && (kernel - rate) % 2 == 0, $"upsample kernel {kernel} must exceed its rate {rate} by an even number");
        }

        Require(UpsampleInitialChannel >> UpsampleRates.Count >= 1 && UpsampleInitialChannel % (1 << UpsampleRates.Count) == 0,
            $"upsample_initial_channel {UpsampleInitialChannel} must be divisible by 2 once per stage");
        Require(UpsampleRates.Aggregate(1L, (product, rate) => product * rate) <= 1 << 14, $"the product of upsample_rates must be at most {1 << 14}");
        return this;

        static void Require(bool condition, string rule)
        {
            if (!condition) throw new EmovaException($"speech decoder: {rule}");
        }
    }

    private static IReadOnlyList<int>[] Dilations(ConfigSection model)
    {
        if (!model.Json.TryGetProperty("resblock_dilation_sizes", out JsonElement list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() is < 1 or > 8)
            throw new EmovaException("speech configuration: resblock_dilation_sizes must be a list of 1 to 8 lists");
        return [.. list.EnumerateArray().Select(row => row.ValueKind == JsonValueKind.Array && row.GetArrayLength() is >= 1 and <= 8
            && row.EnumerateArray().All(d => d.ValueKind == JsonValueKind.Number && d.TryGetInt32(out int value) && value is >= 1 and <= 64)
                ? (IReadOnlyList<int>)[.. row.EnumerateArray().Select(d => d.GetInt32())]
                : throw new EmovaException($"speech configuration: resblock_dilation_sizes holds {row.GetRawText()}, expected 1 to 8 whole numbers from 1 to 64"))];
    }
}

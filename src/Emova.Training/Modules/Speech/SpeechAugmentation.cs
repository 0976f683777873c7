using Emova.Media;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Speech;

/// <summary>How strongly the speech encoder's training audio is disguised; 0 turns a part off.</summary>
public sealed record AugmentationSettings
{
    /// <summary>Largest relative change of the playback rate, which moves pitch and formants together.</summary>
    public double Rate { get; set; } = 0.18;

    /// <summary>Largest relative shift of the mel bands (vocal tract length).</summary>
    public double VocalTract { get; set; } = 0.15;

    /// <summary>Largest further relative shift of each formant region on its own: speakers differ in more than the length of the vocal tract.</summary>
    public double Formants { get; set; }

    /// <summary>Largest relative change of the tempo.</summary>
    public double Stretch { get; set; } = 0.2;

    /// <summary>Share of utterances with added noise, with echoes, with a colored noise floor, and with smeared harmonics.</summary>
    public double Noise { get; set; } = 0.5;

    public double Echo { get; set; } = 0.25;

    public double Floor { get; set; } = 0.5;

    public double Smear { get; set; } = 0.3;

    /// <summary>Longest masked time span in 10 ms frames, and widest masked band range; two of each per utterance.</summary>
    public int TimeMask { get; set; } = 10;

    public int BandMask { get; set; } = 12;
}

/// <summary>
/// Random disguises of speech that keep its phones: other voices (rate, vocal tract), tempo, rooms, noise, missing spans.
/// All randomness comes from the generator given.
/// </summary>
public sealed class SpeechAugmentation(AugmentationSettings settings, LogMelFrontEnd frontEnd, int bands)
{
    private const int SampleRate = 16000;

    /// <summary>Middles of the regions of the first four formants in Hz (averages of men and women); between them the shift is interpolated.</summary>
    private static readonly double[] FormantRegions = [500, 1500, 2600, 3800];

    private readonly double[] _centers = BandCenters(bands);

    /// <summary>A tempo for each utterance, to be shared by its views: frames after stretching.</summary>
    public int[] StretchedFrames(IReadOnlyList<float[]> waves, Random random) =>
        [.. waves.Select(wave => Math.Max(16, (int)(LogMelFrontEnd.Frames(wave.Length) * Spread(random, settings.Stretch))))];

    /// <summary>
    /// One disguised view of the utterances as encoder features (B, bands, T'), T' a multiple of 16; row i has
    /// <paramref name="frames"/>[i] valid frames whatever the playback rate, so two views of one batch stay aligned.
    /// </summary>
    public Tensor View(IReadOnlyList<float[]> waves, int[] frames, Random random)
    {
        using DisposeScope scope = NewDisposeScope();
        float[][] disguised = [.. waves.Select(wave => Disguise(wave, random))];
        int[] source = [.. disguised.Select(wave => LogMelFrontEnd.Frames(wave.Length))];
        Tensor mel = matmul(VocalTractWarp(waves.Count, random), frontEnd.LogMel(disguised));
        mel = Retime(mel, source, frames);
        mel = AddFloor(mel, frames, random);
        mel = LogMelFrontEnd.Normalize(mel, frames);
        return (mel * Masks(frames, mel.shape[2], random)).MoveToOuterDisposeScope();
    }

    private float[] Disguise(float[] wave, Random random)
    {
        float[] result = Resample(wave, Spread(random, settings.Rate));
        if (random.NextDouble() < settings.Echo) AddEchoes(result, random);
        if (random.NextDouble() < settings.Noise) AddNoise(result, random);
        return result;
    }

    /// <summary>Reads the wave at another rate, with cubic interpolation.</summary>
    private static float[] Resample(float[] wave, double rate)
    {
        float[] result = new float[Math.Max(512, (int)(wave.Length / rate))];
        for (int i = 0; i < result.Length; i++)
        {
            double position = i * rate;
            int at = (int)position;
            if (at >= wave.Length) break;
            float t = (float)(position - at);
            float p0 = at > 0 ? wave[at - 1] : 0, p1 = wave[at], p2 = at + 1 < wave.Length ? wave[at + 1] : 0, p3 = at + 2 < wave.Length ? wave[at + 2] : 0;
            float a = p3 - p0 + 3 * (p1 - p2), b = 2 * p0 - 5 * p1 + 4 * p2 - p3, c = p2 - p0;
            result[i] = p1 + 0.5f * t * (c + t * (b + t * a));
        }
        return result;
    }

    private static void AddEchoes(float[] wave, Random random)
    {
        float[] dry = (float[])wave.Clone();
        double decay = 0.01 + 0.05 * random.NextDouble(); // seconds
        for (int k = 0; k < 10; k++)
        {
            double seconds = 0.002 + 0.08 * random.NextDouble();
            float gain = (float)((random.Next(2) * 2 - 1) * 0.6 * random.NextDouble() * Math.Exp(-seconds / decay));
            int delay = (int)(seconds * SampleRate);
            for (int i = delay; i < wave.Length; i++) wave[i] += gain * dry[i - delay];
        }
    }

    private static void AddNoise(float[] wave, Random random)
    {
        double rms = Math.Sqrt(System.Numerics.Tensors.TensorPrimitives.SumOfSquares<float>(wave) / (double)wave.Length) + 1e-6;
        float level = (float)(rms * Math.Pow(10, -(3 + 32 * random.NextDouble()) / 20) * Math.Sqrt(3)); // uniform noise: rms = level / sqrt 3
        float color = (float)(random.NextDouble() * 1.6 - 0.7), state = 0;
        uint bits = (uint)random.Next() | 1;
        for (int i = 0; i < wave.Length; i++)
        {
            bits ^= bits << 13;
            bits ^= bits >> 17;
            bits ^= bits << 5;
            state = color * state + (int)bits * (1f / int.MaxValue);
            wave[i] += level * MathF.Sqrt(1 - color * color) * state;
        }
    }

    /// <summary>Matrices (B, bands, bands) that move the spectrum along the frequency axis, some with a blur that hides harmonics.</summary>
    private Tensor VocalTractWarp(int count, Random random)
    {
        float[] warp = new float[count * bands * bands];
        for (int row = 0; row < count; row++)
        {
            double factor = Spread(random, settings.VocalTract);
            double[] formants = [.. FormantRegions.Select(_ => Spread(random, settings.Formants))];
            bool smear = random.NextDouble() < settings.Smear;
            for (int band = 0; band < bands; band++)
            {
                double position = Position(_centers[band] * factor * FormantShift(formants, _centers[band]));
                for (int offset = smear ? -1 : 0; offset <= (smear ? 1 : 0); offset++)
                {
                    double at = Math.Clamp(position + offset, 0, bands - 1), share = !smear ? 1 : offset == 0 ? 0.5 : 0.25;
                    int low = (int)at, high = Math.Min(low + 1, bands - 1);
                    int start = (row * bands + band) * bands;
                    warp[start + low] += (float)(share * (1 - (at - low)));
                    warp[start + high] += (float)(share * (at - low));
                }
            }
        }
        return tensor(warp, count, bands, bands);
    }

    /// <summary>The shift at a frequency, interpolated between the regions and constant outside.</summary>
    private static double FormantShift(double[] formants, double hertz)
    {
        int above = Array.FindIndex(FormantRegions, region => region > hertz);
        if (above <= 0) return above == 0 ? formants[0] : formants[^1];
        double share = (hertz - FormantRegions[above - 1]) / (FormantRegions[above] - FormantRegions[above - 1]);
        return formants[above - 1] + share * (formants[above] - formants[above - 1]);
    }

    /// <summary>Row i: its first source[i] frames are stretched linearly to target[i] frames.</summary>
    private static Tensor Retime(Tensor mel, int[] source, int[] target)
    {
        int count = source.Length, time = target.Max();
        long[] index = new long[count * time];
        float[] fraction = new float[count * time];
        for (int row = 0; row < count; row++)
        {
            for (int t = 0; t < time; t++)
            {
                double at = Math.Clamp((t + 0.5) * source[row] / target[row] - 0.5, 0, source[row] - 1.0);
                int low = Math.Min((int)at, Math.Max(0, source[row] - 2));
                index[row * time + t] = low;
                fraction[row * time + t] = (float)(at - low);
            }
        }
        long size = mel.shape[1];
        Tensor first = tensor(index, count, 1, time).expand(count, size, time);
        Tensor second = (first + 1).clamp_max(mel.shape[2] - 1);
        Tensor part = tensor(fraction, count, 1, time);
        return mel.gather(2, first) * (1 - part) + mel.gather(2, second) * part;
    }

    /// <summary>Adds stationary noise of random level and color to the mel energies of some rows.</summary>
    private Tensor AddFloor(Tensor mel, int[] frames, Random random)
    {
        float[] floor = new float[frames.Length * bands];
        for (int row = 0; row < frames.Length; row++)
        {
            double level = random.NextDouble() < settings.Floor ? -7 + 7 * random.NextDouble() : -60;
            double tilt = 8 * (random.NextDouble() - 0.5), bend = 4 * (random.NextDouble() - 0.5);
            for (int band = 0; band < bands; band++)
            {
                double x = (double)band / (bands - 1) - 0.5;
                floor[row * bands + band] = (float)(level + tilt * x + bend * (4 * x * x - 0.5));
            }
        }
        Tensor mask = LogMelFrontEnd.Mask(frames, mel.shape[2]).unsqueeze(1);
        Tensor mean = (mel * mask).sum([1, 2], keepdim: true) / (mask.sum([1, 2], keepdim: true) * bands);
        return logaddexp(mel, mean + tensor(floor, frames.Length, bands, 1));
    }

    private Tensor Masks(int[] frames, long time, Random random)
    {
        float[] mask = new float[frames.Length * bands * time];
        Array.Fill(mask, 1f);
        for (int row = 0; row < frames.Length; row++)
        {
            for (int k = 0; k < 2; k++)
            {
                int width = random.Next(settings.TimeMask + 1), start = random.Next(Math.Max(1, frames[row] - width));
                int height = random.Next(settings.BandMask + 1), bottom = random.Next(Math.Max(1, bands - height));
                for (int band = 0; band < bands; band++)
                {
                    Span<float> line = mask.AsSpan((int)((row * bands + band) * time), (int)time);
                    if (band >= bottom && band < bottom + height) line.Clear();
                    else line.Slice(start, Math.Min(width, (int)time - start)).Clear();
                }
            }
        }
        return tensor(mask, frames.Length, bands, time);
    }

    /// <summary>A factor around 1, symmetric in its logarithm.</summary>
    private static double Spread(Random random, double amount) => Math.Exp((2 * random.NextDouble() - 1) * Math.Log(1 + amount));

    /// <summary>Fractional band index of a frequency.</summary>
    private double Position(double hertz)
    {
        int i = Array.BinarySearch(_centers, hertz);
        if (i >= 0) return i;
        i = ~i;
        if (i == 0) return 0;
        return i >= bands ? bands - 1 : i - 1 + (hertz - _centers[i - 1]) / (_centers[i] - _centers[i - 1]);
    }

    /// <summary>Frequency of each band's peak, read off the filter bank's own definition.</summary>
    private static double[] BandCenters(int bands)
    {
        const int fine = 1 << 14;
        float[] bank = SlaneyMelFilterbank.Create(SampleRate, fine, bands);
        int bins = fine / 2 + 1;
        return [.. Enumerable.Range(0, bands).Select(band =>
            System.Numerics.Tensors.TensorPrimitives.IndexOfMax<float>(bank.AsSpan(band * bins, bins)) * (double)SampleRate / fine)];
    }
}

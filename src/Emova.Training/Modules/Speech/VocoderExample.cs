using Emova.Media;
using Emova.Models.Speech;
using Emova.Training.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Speech;

/// <summary>What the vocoder learns from one utterance.</summary>
/// <param name="Units">Units with runs collapsed.</param>
/// <param name="Runs">Length of each run in units.</param>
/// <param name="Style">Index into <see cref="VoiceStyle.All"/>.</param>
/// <param name="Wave">Samples, padded with zeros to 160 per frame.</param>
/// <param name="Pitch">Hz per 10 ms frame, 0 where unvoiced.</param>
/// <param name="LogEnergy">Log root mean square per frame.</param>
public sealed record VocoderExample(int[] Units, int[] Runs, int Style, float[] Wave, float[] Pitch, float[] LogEnergy)
{
    /// <summary>Log energy of a frame without sound.</summary>
    public const float Silence = -11.5f;

    public int Frames => Pitch.Length;

    /// <summary>Measures pitch and energy of an utterance and aligns them with its units (25 Hz, not collapsed).</summary>
    public static VocoderExample Create(Utterance utterance, ReadOnlySpan<short> samples, int[] units, VocoderDimensions dimensions)
    {
        VoiceStyle style = VoiceStyle.Parse(utterance.Style);
        int frames = units.Length * dimensions.FramesPerUnit;
        bool female = style.Gender == "female";
        double middle = (female ? 174 : 108) * (style.Pitch switch { "low" => 0.8, "high" => 1.25, _ => 1.0 }) * (style.Emotion switch { "happy" => 1.2, "sad" => 0.88, _ => 1.0 });
        PitchTracker tracker = new(new PitchTrackerOptions { Expected = ((float)(middle * 0.65), (float)(middle * 1.6)) });
        PitchTrack track = tracker.Track(SpeechEncoderModel.Wave(samples));
        float[] pitch = new float[frames], energy = new float[frames];
        Array.Fill(energy, Silence);
        track.Frequency.AsSpan(0, Math.Min(frames, track.Frames)).CopyTo(pitch);
        track.LogEnergy.AsSpan(0, Math.Min(frames, track.Frames)).CopyTo(energy);
        (int[] collapsed, int[] runs) = SpeechUnits.Collapse(units);
        return new VocoderExample(collapsed, runs, VoiceStyle.All.ToList().IndexOf(style), Padded(samples, frames, dimensions), pitch, energy);
    }

    /// <summary>Samples as floats, followed by zeros up to the last frame's end.</summary>
    public static float[] Padded(ReadOnlySpan<short> samples, int frames, VocoderDimensions dimensions)
    {
        float[] wave = SpeechEncoderModel.Wave(samples);
        Array.Resize(ref wave, frames * dimensions.Hop);
        return wave;
    }
}

/// <summary>Examples padded to common lengths: U units, T frames.</summary>
public sealed class VocoderBatch
{
    public VocoderBatch(IReadOnlyList<VocoderExample> examples, VocoderDimensions dimensions)
    {
        Examples = examples;
        int count = examples.Count, hop = dimensions.Hop;
        int units = examples.Max(e => e.Units.Length), frames = examples.Max(e => e.Frames);
        long[] ids = new long[count * units], unitOfFrame = new long[count * frames], runs = new long[count * units];
        float[] position = new float[count * frames * 2], prosody = new float[count * frames * 3], wave = new float[count * frames * hop];
        Array.Fill(runs, -100); // ignored by the cross entropy
        for (int row = 0; row < count; row++)
        {
            VocoderExample example = examples[row];
            example.Wave.CopyTo(wave.AsSpan(row * frames * hop));
            int frame = 0;
            for (int i = 0; i < example.Units.Length; i++)
            {
                ids[row * units + i] = example.Units[i];
                runs[row * units + i] = Math.Min(example.Runs[i], dimensions.MaxRun) - 1;
                int length = example.Runs[i] * dimensions.FramesPerUnit;
                for (int j = 0; j < length; j++, frame++)
                {
                    int at = row * frames + frame;
                    unitOfFrame[at] = i;
                    position[2 * at] = (j + 0.5f) / length;
                    position[2 * at + 1] = length / 16f;
                }
            }
            for (int t = 0; t < example.Frames; t++)
            {
                Span<float> target = prosody.AsSpan((row * frames + t) * 3, 3);
                (target[0], target[2]) = SourceFilterVocoder.Normalize(example.Pitch[t], example.LogEnergy[t]);
                target[1] = example.Pitch[t] > 0 ? 1 : 0;
            }
        }
        Units = tensor(ids, count, units);
        RunClasses = tensor(runs, count, units);
        UnitOfFrame = tensor(unitOfFrame, count, frames);
        Position = tensor(position, count, frames, 2);
        Prosody = tensor(prosody, count, frames, 3);
        Wave = tensor(wave, count, frames * hop);
        UnitMask = LogMelFrontEnd.Mask([.. examples.Select(e => e.Units.Length)], units).unsqueeze(2);
        FrameMask = LogMelFrontEnd.Mask([.. examples.Select(e => e.Frames)], frames).unsqueeze(2);
    }

    public IReadOnlyList<VocoderExample> Examples { get; }

    public Tensor Units { get; }

    /// <summary>Run length minus one, capped; -100 in the padding.</summary>
    public Tensor RunClasses { get; }

    public Tensor UnitOfFrame { get; }

    public Tensor Position { get; }

    /// <summary>Targets (B, T, 3): normalized log pitch (0 where unvoiced), voiced, normalized energy.</summary>
    public Tensor Prosody { get; }

    public Tensor Wave { get; }

    public Tensor UnitMask { get; }

    public Tensor FrameMask { get; }

    /// <summary>The pulse train of each row's true pitch, (B, T x hop).</summary>
    public Tensor Pulses(SourceFilterSynthesis synthesis)
    {
        long samples = Wave.shape[1];
        float[] pulses = new float[Examples.Count * samples];
        for (int row = 0; row < Examples.Count; row++) synthesis.Pulses(Examples[row].Pitch).CopyTo(pulses.AsSpan((int)(row * samples)));
        return tensor(pulses, Examples.Count, samples);
    }
}

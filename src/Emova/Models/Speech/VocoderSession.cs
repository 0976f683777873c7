using Emova.Numerics;

namespace Emova.Models.Speech;

/// <summary>
/// Speech from units that arrive over time. Samples come out as soon as every unit they depend on is known; all samples
/// of a session are bit for bit those of <see cref="SourceFilterVocoder.Synthesize"/> for the same units. Not thread-safe.
/// </summary>
public sealed class VocoderSession : ISpeechSession
{
    // Mean and spread by which the network sees log pitch and log energy.
    private const float LogPitchMean = 5f, LogPitchScale = 0.5f;
    private const float LogEnergyMean = -6f, LogEnergyScale = 3f;
    private const float RunLengthScale = 16f;
    private const float MinimumFilter = -12f, MaximumFilter = 4f;

    // Far outside of what voices do; keeps a badly trained network from asking for a pulse train without harmonics.
    private const float MinimumPitch = 20f, MaximumPitch = 2000f;

    private readonly SourceFilterVocoder vocoder;
    private readonly VocoderGivens given;
    private readonly float speed;
    private readonly float logPitchShift;
    private readonly int width;

    private readonly ConvNeXtStack.Stream encoder;
    private readonly ConvNeXtStack.Stream duration;
    private readonly ConvNeXtStack.Stream frame;
    private readonly ConvNeXtStack.Stream prosody;
    private readonly ConvNeXtStack.Stream decoder;
    private readonly SourceFilterSynthesis synthesis;

    private readonly FrameBuffer embedded;      // unit embeddings of one call
    private readonly FrameBuffer encodedUnits;  // encoder states whose durations are not known yet
    private readonly FrameBuffer expanded;      // frame-stack input of one call
    private readonly FrameBuffer projected;     // result of a linear layer
    private readonly FrameBuffer positions = new(2);
    private readonly FrameBuffer states;        // frame states whose prosody is not known yet
    private readonly FrameBuffer runLogits;
    private readonly FrameBuffer prosodyValues = new(3);

    private readonly List<int> framesPerUnit = [];
    private readonly List<float> frequencies = [];
    private readonly List<float> logEnergies = [];
    private readonly float[] embeddingBuffer;
    private double wantedFrames;
    private int totalFrames;
    private int previousUnit = -1;
    private bool flushed;

    internal VocoderSession(SourceFilterVocoder vocoder, VoiceSettings voice, ulong seed, VocoderGivens? given = null)
    {
        VocoderConfig config = vocoder.Config;
        if (voice.StyleVector.Length != config.StyleDim)
            throw new EmovaException($"the style vector has {voice.StyleVector.Length} values, this speech decoder needs {config.StyleDim}");
        if (!(voice.Speed is >= 0.1f and <= 10f)) throw new EmovaException($"speed {voice.Speed} is out of range, allowed are 0.1 to 10");
        if (!(MathF.Abs(voice.PitchShift) <= 24)) throw new EmovaException($"pitch shift {voice.PitchShift} is out of range, allowed are -24 to 24 semitones");
        this.vocoder = vocoder;
        this.given = given ?? new VocoderGivens();
        speed = voice.Speed;
        logPitchShift = voice.PitchShift * MathF.Log(2) / 12;
        width = config.HiddenSize;
        encoder = vocoder.Encoder.Start(voice.StyleVector);
        duration = vocoder.Duration.Start(voice.StyleVector);
        frame = vocoder.Frame.Start(voice.StyleVector);
        prosody = vocoder.Prosody.Start(voice.StyleVector);
        decoder = vocoder.Decoder.Start(voice.StyleVector);
        synthesis = new SourceFilterSynthesis(seed, this.given.Noise);
        embedded = new FrameBuffer(width);
        encodedUnits = new FrameBuffer(width);
        expanded = new FrameBuffer(width);
        projected = new FrameBuffer(width);
        states = new FrameBuffer(width);
        runLogits = new FrameBuffer(config.MaxRun);
        embeddingBuffer = new float[config.Levels.Sum()];
    }

    /// <summary>Frames (10 ms) of each merged unit whose duration is known so far.</summary>
    public IReadOnlyList<int> FramesPerUnit => framesPerUnit;

    /// <inheritdoc/>
    public int SamplesPerFrame => SourceFilterVocoder.Hop;

    internal IReadOnlyList<float> Frequencies => frequencies;

    internal IReadOnlyList<float> LogEnergies => logEnergies;

    /// <summary>Adds units and returns the samples that are now determined, possibly none.</summary>
    /// <param name="units">Units; repetitions, also across calls, are merged.</param>
    /// <exception cref="EmovaException">A unit is out of range; nothing was added.</exception>
    /// <exception cref="InvalidOperationException">The session was flushed.</exception>
    public float[] Push(ReadOnlySpan<int> units)
    {
        if (flushed) throw new InvalidOperationException("the session was flushed");
        foreach (int unit in units)
        {
            if ((uint)unit >= (uint)vocoder.Units.CodebookSize)
                throw new EmovaException($"speech unit {unit} is out of range, allowed are 0 to {vocoder.Units.CodebookSize - 1}");
        }

        return Advance(units, last: false);
    }

    /// <summary>Ends the session and returns the remaining samples.</summary>
    public float[] Flush()
    {
        if (flushed) return [];
        flushed = true;
        return Advance([], last: true);
    }

    IEnumerable<float[]> ISpeechSession.Finish() => [Flush()];

    private float[] Advance(ReadOnlySpan<int> units, bool last)
    {
        ReadOnlySpan<float> encoded = encoder.Push(Embed(units), last); // (m, D)
        encoded.CopyTo(encodedUnits.Append(encoded.Length / width));
        Expand(duration.Push(encoded, last));

        ReadOnlySpan<float> framed = frame.Push(expanded.Frames, last); // (T, D)
        framed.CopyTo(states.Append(framed.Length / width));
        AddProsody(prosody.Push(framed, last));

        ReadOnlySpan<float> decoded = decoder.Push(expanded.Frames, last);
        AddFilters(decoded);
        return synthesis.Advance(last);
    }

    /// <summary>Linear map of the digits, one-hot, of every unit that differs from the one before.</summary>
    private ReadOnlySpan<float> Embed(ReadOnlySpan<int> units)
    {
        embedded.Drop(embedded.Count);
        Span<int> digits = stackalloc int[vocoder.Units.Dimensions];
        foreach (int unit in units)
        {
            if (unit == previousUnit) continue;
            previousUnit = unit;
            vocoder.Units.Digits(unit, digits);
            Array.Clear(embeddingBuffer);
            for (int i = 0, offset = 0; i < digits.Length; offset += vocoder.Units.Levels[i], i++) embeddingBuffer[offset + digits[i]] = 1;
            vocoder.UnitEmbedding.Multiply(embeddingBuffer, 1, embeddingBuffer.Length, embedded.Append(1), width);
        }

        return embedded.Frames;
    }

    /// <summary>Turns duration states (m, D) into frames of the oldest waiting units.</summary>
    private void Expand(ReadOnlySpan<float> durationStates)
    {
        int count = durationStates.Length / width;
        runLogits.Drop(runLogits.Count);
        vocoder.DurationOutput.Multiply(durationStates, count, width, runLogits.Append(count), vocoder.Config.MaxRun);
        expanded.Drop(expanded.Count);
        positions.Drop(positions.Count);
        Span<float> probabilities = stackalloc float[vocoder.Config.MaxRun];
        for (int i = 0; i < count; i++)
        {
            runLogits.Frames.Slice(i * probabilities.Length, probabilities.Length).CopyTo(probabilities);
            int length = given.FramesPerUnit is int[] lengths ? lengths[framesPerUnit.Count] : Diffuse(ExpectedRun(probabilities));
            framesPerUnit.Add(length);
            totalFrames += length;
            for (int j = 0; j < length; j++)
            {
                encodedUnits.Frames.Slice(i * width, width).CopyTo(expanded.Append(1));
                Span<float> position = positions.Append(1);
                position[0] = (j + 0.5f) / length;
                position[1] = length / RunLengthScale;
            }
        }

        encodedUnits.Drop(count);
        AddLinear(vocoder.RunPosition, positions, expanded);
    }

    private static float ExpectedRun(Span<float> logits)
    {
        VectorMath.Softmax(logits);
        float run = 0;
        for (int i = 0; i < logits.Length; i++) run += logits[i] * (i + 1);
        return run;
    }

    // Rounds the running sum, so that rounding errors do not add up over a sentence.
    private int Diffuse(float run)
    {
        wantedFrames += (double)run * vocoder.Config.FramesPerUnit / speed;
        return Math.Max(1, (int)Math.Round(wantedFrames) - totalFrames);
    }

    /// <summary>Turns prosody states (T, D) into pulses and into decoder input.</summary>
    private void AddProsody(ReadOnlySpan<float> prosodyStates)
    {
        int count = prosodyStates.Length / width;
        prosodyValues.Drop(prosodyValues.Count);
        Span<float> values = prosodyValues.Append(count); // (T, 3): log pitch, voicing logit, log energy
        vocoder.ProsodyOutput.Multiply(prosodyStates, count, width, values, 3);
        for (int t = 0; t < count; t++)
        {
            Span<float> row = values.Slice(3 * t, 3);
            float frequency;
            if (given.Prosody is { } track)
            {
                frequency = track.Frequency[frequencies.Count];
                row[2] = (track.LogEnergy[frequencies.Count] - LogEnergyMean) / LogEnergyScale;
            }
            else
            {
                float logPitch = row[0] * LogPitchScale + LogPitchMean + logPitchShift;
                frequency = row[1] > 0 ? Math.Clamp(MathF.Exp(logPitch), MinimumPitch, MaximumPitch) : 0;
            }

            row[0] = frequency > 0 ? (MathF.Log(frequency) - LogPitchMean) / LogPitchScale : 0;
            row[1] = frequency > 0 ? 1 : 0;
            frequencies.Add(frequency);
            logEnergies.Add(row[2] * LogEnergyScale + LogEnergyMean);
            synthesis.AddPitch(frequency);
        }

        expanded.Drop(expanded.Count);
        states.Frames[..(count * width)].CopyTo(expanded.Append(count));
        states.Drop(count);
        AddLinear(vocoder.ProsodyInput, prosodyValues, expanded);
    }

    private void AddFilters(ReadOnlySpan<float> decoded)
    {
        int count = decoded.Length / width, outputs = vocoder.Output.Outputs;
        if (count == 0) return;
        projected.Drop(projected.Count);
        Span<float> normed = projected.Append(count);
        for (int t = 0; t < count; t++)
            VectorMath.LayerNorm(decoded.Slice(t * width, width), [], [], SourceFilterVocoder.NormEpsilon, normed.Slice(t * width, width));
        Span<float> filters = synthesis.AddFilters(count);
        vocoder.Output.Multiply(normed, count, width, filters, outputs);
        for (int i = 0; i < filters.Length; i++) filters[i] = Math.Clamp(filters[i], MinimumFilter, MaximumFilter);
    }

    /// <summary>target += layer(input), row by row.</summary>
    private void AddLinear(LinearWeight layer, FrameBuffer input, FrameBuffer target)
    {
        projected.Drop(projected.Count);
        Span<float> result = projected.Append(target.Count);
        layer.Multiply(input.Frames, target.Count, layer.Inputs, result, width);
        VectorMath.Add(target.Frames, result, target.Frames);
    }
}

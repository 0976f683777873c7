using Emova.Numerics;

namespace Emova.Media;

/// <summary>
/// Puts the <see cref="ProvenanceMark"/> into speech while it is made: short Fourier frames that overlap by half, each band of each frame
/// louder or softer, added up again. What comes out is as long as what went in, up to one frame (23 ms) later. For one stream; not for several threads.
/// </summary>
public sealed class ProvenanceMarker
{
    // Not longer than a cell, and fine enough for its bands.
    private const double LongestFrame = 0.024;

    private readonly RealFft _fft;
    private readonly float[] _shape;
    private readonly float[] _frame;
    private readonly float[] _real;
    private readonly float[] _imaginary;
    private readonly int[] _bands;
    private readonly float[] _tail;
    private readonly List<float> _waiting; // begins half a frame before the beginning, so that every sample lies in two frames
    private long _frames;
    private long _received;
    private long _given;

    /// <summary>Begins a stream.</summary>
    /// <param name="sampleRate">Samples per second, 8000 or more; below 11,800 the upper bands carry nothing.</param>
    public ProvenanceMarker(int sampleRate)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sampleRate, 8000);
        SampleRate = sampleRate;
        int window = 1 << (int)Math.Log2(LongestFrame * sampleRate);
        _fft = new RealFft(window);
        (_shape, _frame, _tail, _waiting) = (new float[window], new float[window], new float[window / 2], [.. new float[window / 2]]);
        (_real, _imaginary, _bands) = (new float[_fft.Bins], new float[_fft.Bins], new int[_fft.Bins]);
        // The square root twice, once on each way, is a window whose halves add up to one.
        for (int i = 0; i < window; i++)
            _shape[i] = MathF.Sin(MathF.PI * (i + 0.5f) / window);
        for (int k = 0; k < _bands.Length; k++)
            _bands[k] = ProvenanceMark.BandOf((double)k * sampleRate / window);
    }

    /// <summary>Samples per second.</summary>
    public int SampleRate { get; }

    /// <summary>Takes a piece of the stream.</summary>
    /// <returns>What is ready, possibly nothing.</returns>
    public float[] Push(ReadOnlySpan<float> samples)
    {
        _received += samples.Length;
        _waiting.AddRange(samples);
        return Process();
    }

    /// <summary>Ends the stream.</summary>
    /// <returns>The rest of it.</returns>
    public float[] Flush()
    {
        _waiting.AddRange(new float[2 * _fft.Length]);
        float[] rest = Process();
        return rest[..(int)(_received - (_given - rest.Length))];
    }

    private float[] Process()
    {
        List<float> ready = [];
        Span<float> gain = stackalloc float[ProvenanceMark.Bands];
        int hop = _tail.Length;
        float louder = (float)Math.Pow(10, ProvenanceMark.StrengthDb / 20);
        while (_waiting.Count >= _fft.Length)
        {
            for (int i = 0; i < _frame.Length; i++)
                _frame[i] = _waiting[i] * _shape[i];
            _waiting.RemoveRange(0, hop);
            // The middle of the frame is where its window is largest.
            double middle = (double)_frames * hop / SampleRate;
            int cell = (int)(middle / ProvenanceMark.CellSeconds) % ProvenanceMark.Period;
            for (int band = 0; band < gain.Length; band++)
                gain[band] = ProvenanceMark.Sign(cell, band) > 0 ? louder : 1 / louder;
            _fft.Forward(_frame, _real, _imaginary);
            for (int k = 0; k < _bands.Length; k++)
            {
                if (_bands[k] < 0)
                    continue;
                _real[k] *= gain[_bands[k]];
                _imaginary[k] *= gain[_bands[k]];
            }

            _fft.Inverse(_real, _imaginary, _frame);
            for (int i = 0; i < hop; i++)
            {
                float sample = _tail[i] + (_frame[i] * _shape[i]);
                // The first half frame lies before the beginning.
                if (_frames > 0)
                    ready.Add(sample);
                _tail[i] = _frame[hop + i] * _shape[hop + i];
            }

            _frames++;
        }

        _given += ready.Count;
        return [.. ready];
    }
}

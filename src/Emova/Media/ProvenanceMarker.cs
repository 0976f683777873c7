using Emova.Numerics;

namespace Emova.Media;

/// <summary>
/// Puts the <see cref="ProvenanceMark"/> into speech while it is made: short Fourier frames that overlap by half, each band of each frame
/// louder or softer, added up again. What comes out is as long as what went in, one frame (512 samples) later. For one stream; not for several threads.
/// </summary>
public sealed class ProvenanceMarker
{
    private const int Window = 512, Hop = Window / 2;

    private readonly RealFft _fft = new(Window);
    private readonly float[] _shape = new float[Window];
    private readonly float[] _frame = new float[Window];
    private readonly float[] _real = new float[(Window / 2) + 1];
    private readonly float[] _imaginary = new float[(Window / 2) + 1];
    private readonly int[] _bands = new int[(Window / 2) + 1];
    private readonly float[] _tail = new float[Hop];
    private readonly List<float> _waiting = [.. new float[Hop]]; // half a frame before the beginning, so that every sample lies in two
    private long _frames;
    private long _received;
    private long _given;

    /// <summary>Begins a stream.</summary>
    /// <param name="sampleRate">Samples per second, 8000 or more; below 11,800 the upper bands carry nothing.</param>
    public ProvenanceMarker(int sampleRate)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sampleRate, 8000);
        SampleRate = sampleRate;
        // The square root twice, once on each way, is a window whose halves add up to one.
        for (int i = 0; i < Window; i++)
            _shape[i] = MathF.Sin(MathF.PI * (i + 0.5f) / Window);
        for (int k = 0; k < _bands.Length; k++)
            _bands[k] = ProvenanceMark.BandOf((double)k * sampleRate / Window);
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
        _waiting.AddRange(new float[2 * Window]);
        float[] rest = Process();
        return rest[..(int)(_received - (_given - rest.Length))];
    }

    private float[] Process()
    {
        List<float> ready = [];
        Span<float> gain = stackalloc float[ProvenanceMark.Bands];
        float louder = (float)Math.Pow(10, ProvenanceMark.StrengthDb / 20);
        while (_waiting.Count >= Window)
        {
            for (int i = 0; i < Window; i++)
                _frame[i] = _waiting[i] * _shape[i];
            _waiting.RemoveRange(0, Hop);
            // The middle of the frame is where its window is largest.
            double middle = (double)_frames * Hop / SampleRate;
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
            for (int i = 0; i < Hop; i++)
            {
                float sample = _tail[i] + (_frame[i] * _shape[i]);
                // The first half frame lies before the beginning.
                if (_frames > 0)
                    ready.Add(sample);
                _tail[i] = _frame[Hop + i] * _shape[Hop + i];
            }

            _frames++;
        }

        _given += ready.Count;
        return [.. ready];
    }
}

using System.Numerics;

namespace Emova.Numerics;

/// <summary>
/// Discrete Fourier transform of real signals whose length is a power of two: a complex radix-2 transform of half the
/// length plus one recombination pass. Twiddle factors are computed in double. Instances hold tables only and may be
/// used by several threads at once.
/// </summary>
public sealed class RealFft
{
    private readonly int half;
    private readonly int[] reversed;      // bit-reversed order of the half-length transform
    private readonly float[] cosine;      // per stage, contiguous: stage of span s holds s factors at offset s - 1
    private readonly float[] sine;
    private readonly float[] splitCosine; // cos and sin of 2 pi k / length for the recombination
    private readonly float[] splitSine;

    /// <summary>Creates the tables for one length.</summary>
    /// <param name="length">Signal length, a power of two from 4 to 65536.</param>
    public RealFft(int length)
    {
        if (length < 4 || length > 65536 || !BitOperations.IsPow2(length))
            throw new ArgumentOutOfRangeException(nameof(length), length, "the length must be a power of two from 4 to 65536");
        Length = length;
        half = length / 2;
        reversed = new int[half];
        int bits = BitOperations.Log2((uint)half);
        for (int i = 0; i < half; i++)
        {
            for (int bit = 0; bit < bits; bit++) reversed[i] |= ((i >> bit) & 1) << (bits - 1 - bit);
        }

        cosine = new float[half];
        sine = new float[half];
        for (int span = 1; span < half; span *= 2)
        {
            for (int k = 0; k < span; k++)
            {
                cosine[span - 1 + k] = (float)Math.Cos(-Math.PI * k / span);
                sine[span - 1 + k] = (float)Math.Sin(-Math.PI * k / span);
            }
        }

        splitCosine = new float[half / 2 + 1];
        splitSine = new float[half / 2 + 1];
        for (int k = 0; k <= half / 2; k++)
        {
            splitCosine[k] = (float)Math.Cos(2 * Math.PI * k / length);
            splitSine[k] = (float)Math.Sin(2 * Math.PI * k / length);
        }
    }

    /// <summary>Signal length N.</summary>
    public int Length { get; }

    /// <summary>Number of spectrum values, N / 2 + 1.</summary>
    public int Bins => half + 1;

    /// <summary>X[k] = sum over t of x[t] e^(-2 pi i k t / N) for k = 0..N/2.</summary>
    /// <param name="signal">N samples.</param>
    /// <param name="real">N / 2 + 1 real parts.</param>
    /// <param name="imaginary">N / 2 + 1 imaginary parts; the first and last are 0.</param>
    public void Forward(ReadOnlySpan<float> signal, Span<float> real, Span<float> imaginary)
    {
        CheckLength(signal.Length, Length, nameof(signal));
        CheckLength(real.Length, Bins, nameof(real));
        CheckLength(imaginary.Length, Bins, nameof(imaginary));
        for (int i = 0; i < half; i++)
        {
            int source = 2 * reversed[i];
            real[i] = signal[source];
            imaginary[i] = signal[source + 1];
        }

        Transform(real[..half], imaginary[..half]);

        // Z = E + iO with E, O the spectra of the even and odd samples; X[k] = E[k] + e^(-2 pi i k / N) O[k].
        float zeroReal = real[0], zeroImaginary = imaginary[0];
        real[0] = zeroReal + zeroImaginary;
        imaginary[0] = 0;
        for (int k = 1; k <= half / 2; k++)
        {
            int mirror = half - k;
            float evenReal = 0.5f * (real[k] + real[mirror]), evenImaginary = 0.5f * (imaginary[k] - imaginary[mirror]);
            float oddReal = 0.5f * (imaginary[k] + imaginary[mirror]), oddImaginary = 0.5f * (real[mirror] - real[k]);
            float c = splitCosine[k], s = splitSine[k];
            float turnedReal = c * oddReal + s * oddImaginary, turnedImaginary = c * oddImaginary - s * oddReal;
            real[k] = evenReal + turnedReal;
            imaginary[k] = evenImaginary + turnedImaginary;
            real[mirror] = evenReal - turnedReal;
            imaginary[mirror] = turnedImaginary - evenImaginary;
        }

        real[half] = zeroReal - zeroImaginary;
        imaginary[half] = 0;
    }

    /// <summary>The inverse of <see cref="Forward"/>, including the factor 1 / N. The imaginary parts of the first and last
    /// bin are ignored.</summary>
    /// <param name="real">N / 2 + 1 real parts.</param>
    /// <param name="imaginary">N / 2 + 1 imaginary parts.</param>
    /// <param name="signal">N samples.</param>
    public void Inverse(ReadOnlySpan<float> real, ReadOnlySpan<float> imaginary, Span<float> signal)
    {
        CheckLength(real.Length, Bins, nameof(real));
        CheckLength(imaginary.Length, Bins, nameof(imaginary));
        CheckLength(signal.Length, Length, nameof(signal));
        Span<float> workReal = stackalloc float[half <= 2048 ? half : 0];
        Span<float> workImaginary = stackalloc float[half <= 2048 ? half : 0];
        if (half > 2048)
        {
            workReal = new float[half];
            workImaginary = new float[half];
        }

        // The conjugate of Z is transformed forward: conj(F(conj Z)) is the inverse.
        float scale = 1f / half;
        workReal[0] = 0.5f * scale * (real[0] + real[half]);
        workImaginary[0] = -0.5f * scale * (real[0] - real[half]);
        for (int k = 1; k <= half / 2; k++)
        {
            int mirror = half - k;
            float evenReal = 0.5f * (real[k] + real[mirror]), evenImaginary = 0.5f * (imaginary[k] - imaginary[mirror]);
            float turnedReal = 0.5f * (real[k] - real[mirror]), turnedImaginary = 0.5f * (imaginary[k] + imaginary[mirror]);
            float c = splitCosine[k], s = splitSine[k];
            float oddReal = c * turnedReal - s * turnedImaginary, oddImaginary = c * turnedImaginary + s * turnedReal;
            workReal[reversed[k]] = scale * (evenReal - oddImaginary);
            workImaginary[reversed[k]] = -scale * (evenImaginary + oddReal);
            workReal[reversed[mirror]] = scale * (evenReal + oddImaginary);
            workImaginary[reversed[mirror]] = -scale * (oddReal - evenImaginary);
        }

        Transform(workReal, workImaginary);
        for (int i = 0; i < half; i++)
        {
            signal[2 * i] = workReal[i];
            signal[2 * i + 1] = -workImaginary[i];
        }
    }

    // Radix-2 butterflies in place over bit-reversed input.
    private void Transform(Span<float> real, Span<float> imaginary)
    {
        for (int span = 1; span < half; span *= 2)
        {
            ReadOnlySpan<float> c = cosine.AsSpan(span - 1, span), s = sine.AsSpan(span - 1, span);
            for (int start = 0; start < half; start += 2 * span)
            {
                Span<float> lowReal = real.Slice(start, span), highReal = real.Slice(start + span, span);
                Span<float> lowImaginary = imaginary.Slice(start, span), highImaginary = imaginary.Slice(start + span, span);
                int k = 0;
                for (; k + Vector<float>.Count <= span; k += Vector<float>.Count)
                {
                    Vector<float> cv = new(c[k..]), sv = new(s[k..]), hr = new(highReal[k..]), hi = new(highImaginary[k..]);
                    Vector<float> lr = new(lowReal[k..]), li = new(lowImaginary[k..]);
                    Vector<float> tr = cv * hr - sv * hi, ti = cv * hi + sv * hr;
                    (lr + tr).CopyTo(lowReal[k..]);
                    (li + ti).CopyTo(lowImaginary[k..]);
                    (lr - tr).CopyTo(highReal[k..]);
                    (li - ti).CopyTo(highImaginary[k..]);
                }

                for (; k < span; k++)
                {
                    float tr = c[k] * highReal[k] - s[k] * highImaginary[k], ti = c[k] * highImaginary[k] + s[k] * highReal[k];
                    highReal[k] = lowReal[k] - tr;
                    highImaginary[k] = lowImaginary[k] - ti;
                    lowReal[k] += tr;
                    lowImaginary[k] += ti;
                }
            }
        }
    }

    private static void CheckLength(int length, int expected, string name)
    {
        if (length < expected) throw new ArgumentException($"{length} values, expected {expected}", name);
    }
}

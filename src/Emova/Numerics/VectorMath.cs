using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Emova.Numerics;

/// <summary>
/// Elementwise functions, reductions and norms over float spans. Elementwise results depend only on the element, never
/// on its position or the span's length: the remainder of a span goes through the same vector code as its body.
/// Reductions use a fixed number of lanes added in a fixed order, so they are the same on every machine.
/// Source and target spans may be the same; partial overlap is not allowed.
/// </summary>
public static class VectorMath
{
    private const int Lanes = 8;

    /// <summary>y[i] = a[i] + b[i].</summary>
    public static void Add(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y) => Map<AddFunction>(a, b, y);

    /// <summary>y[i] = a[i] * b[i].</summary>
    public static void Multiply(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y) => Map<MultiplyFunction>(a, b, y);

    /// <summary>y[i] = a[i] * factor.</summary>
    public static void Scale(ReadOnlySpan<float> a, float factor, Span<float> y) => Map(a, y, new ScaleFunction(factor));

    /// <summary>y[i] += factor * a[i], with one rounding.</summary>
    public static void MultiplyAdd(ReadOnlySpan<float> a, float factor, Span<float> y)
    {
        CheckLengths(a.Length, y.Length);
        Vector256<float> f = Vector256.Create(factor);
        ref float source = ref MemoryMarshal.GetReference(a), target = ref MemoryMarshal.GetReference(y);
        int i = 0;
        for (; i + Lanes <= a.Length; i += Lanes)
        {
            Vector256.FusedMultiplyAdd(f, Vector256.LoadUnsafe(ref source, (nuint)i), Vector256.LoadUnsafe(ref target, (nuint)i))
                .StoreUnsafe(ref target, (nuint)i);
        }

        for (; i < a.Length; i++) y[i] = MathF.FusedMultiplyAdd(factor, a[i], y[i]);
    }

    /// <summary>y[i] += a[i] * b[i], with one rounding.</summary>
    public static void MultiplyAdd(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y)
    {
        CheckLengths(a.Length, y.Length);
        CheckLengths(b.Length, y.Length);
        ref float left = ref MemoryMarshal.GetReference(a), right = ref MemoryMarshal.GetReference(b), target = ref MemoryMarshal.GetReference(y);
        int i = 0;
        for (; i + Lanes <= a.Length; i += Lanes)
        {
            Vector256.FusedMultiplyAdd(
                Vector256.LoadUnsafe(ref left, (nuint)i),
                Vector256.LoadUnsafe(ref right, (nuint)i),
                Vector256.LoadUnsafe(ref target, (nuint)i)).StoreUnsafe(ref target, (nuint)i);
        }

        for (; i < a.Length; i++) y[i] = MathF.FusedMultiplyAdd(a[i], b[i], y[i]);
    }

    /// <summary>e^x, within 2 units in the last place; 0 below -87.3, a finite value near 3.4e38 above 88.7.</summary>
    public static void Exp(ReadOnlySpan<float> x, Span<float> y) => Map(x, y, default(ExpFunction));

    /// <summary>max(x, 0).</summary>
    public static void Relu(ReadOnlySpan<float> x, Span<float> y) => Map(x, y, default(ReluFunction));

    /// <summary>max(x, slope * x), for a slope from 0 to 1.</summary>
    public static void LeakyRelu(ReadOnlySpan<float> x, float slope, Span<float> y) => Map(x, y, new LeakyReluFunction(slope));

    /// <summary>tanh x; absolute error below 5e-7.</summary>
    public static void Tanh(ReadOnlySpan<float> x, Span<float> y) => Map(x, y, default(TanhFunction));

    /// <summary>x * tanh(ln(1 + e^x)).</summary>
    public static void Mish(ReadOnlySpan<float> x, Span<float> y) => Map(x, y, default(MishFunction));

    /// <summary>tanh(filter[i]) / (1 + e^-gate[i]), WaveNet's gated unit.</summary>
    public static void GatedTanh(ReadOnlySpan<float> filter, ReadOnlySpan<float> gate, Span<float> y) => Map<GatedTanhFunction>(filter, gate, y);

    /// <summary>value[i] / (1 + e^-gate[i]), the gated linear unit.</summary>
    public static void GatedLinear(ReadOnlySpan<float> value, ReadOnlySpan<float> gate, Span<float> y) => Map<GatedLinearFunction>(value, gate, y);

    /// <summary>x / (1 + e^-x).</summary>
    public static void SiLU(ReadOnlySpan<float> x, Span<float> y) => Map(x, y, default(SiLUFunction));

    /// <summary>x / (1 + e^(-1.702 x)).</summary>
    public static void QuickGelu(ReadOnlySpan<float> x, Span<float> y) => Map(x, y, default(QuickGeluFunction));

    /// <summary>x * (1 + erf(x / sqrt 2)) / 2; absolute error below 5e-7.</summary>
    public static void Gelu(ReadOnlySpan<float> x, Span<float> y) => Map(x, y, default(GeluFunction));

    /// <summary>x * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.</summary>
    public static void GeluTanh(ReadOnlySpan<float> x, Span<float> y) => Map(x, y, default(GeluTanhFunction));

    /// <summary>1 / (1 + e^-x).</summary>
    public static void Sigmoid(ReadOnlySpan<float> x, Span<float> y) => Map(x, y, default(SigmoidFunction));

    /// <summary>SiLU(gate[i]) * up[i], the gated unit of LLaMA-style feed-forward layers.</summary>
    public static void SiLUMultiply(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y) => Map<SiLUMultiplyFunction>(gate, up, y);

    /// <summary>Sum of a[i] * b[i].</summary>
    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        CheckLengths(a.Length, b.Length);
        ref float left = ref MemoryMarshal.GetReference(a), right = ref MemoryMarshal.GetReference(b);
        Vector256<float> s0 = default, s1 = default;
        int i = 0;
        for (; i + 2 * Lanes <= a.Length; i += 2 * Lanes)
        {
            s0 = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref left, (nuint)i), Vector256.LoadUnsafe(ref right, (nuint)i), s0);
            s1 = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref left, (nuint)i + Lanes), Vector256.LoadUnsafe(ref right, (nuint)i + Lanes), s1);
        }

        for (; i + Lanes <= a.Length; i += Lanes)
            s0 = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref left, (nuint)i), Vector256.LoadUnsafe(ref right, (nuint)i), s0);
        if (i < a.Length) s1 = Vector256.FusedMultiplyAdd(LoadPartial(a[i..]), LoadPartial(b[i..]), s1);
        return Vector256.Sum(s0 + s1);
    }

    /// <summary>Sum of the elements.</summary>
    public static float Sum(ReadOnlySpan<float> x)
    {
        ref float source = ref MemoryMarshal.GetReference(x);
        Vector256<float> s = default;
        int i = 0;
        for (; i + Lanes <= x.Length; i += Lanes) s += Vector256.LoadUnsafe(ref source, (nuint)i);
        if (i < x.Length) s += LoadPartial(x[i..]);
        return Vector256.Sum(s);
    }

    /// <summary>Largest element.</summary>
    /// <exception cref="ArgumentException">The span is empty.</exception>
    public static float Max(ReadOnlySpan<float> x)
    {
        if (x.IsEmpty) throw new ArgumentException("the maximum of no values", nameof(x));
        float max = x[0];
        int i = 0;
        if (x.Length >= Lanes)
        {
            ref float source = ref MemoryMarshal.GetReference(x);
            Vector256<float> m = Vector256.LoadUnsafe(ref source);
            for (i = Lanes; i + Lanes <= x.Length; i += Lanes) m = Vector256.Max(m, Vector256.LoadUnsafe(ref source, (nuint)i));
            for (int lane = 0; lane < Lanes; lane++) max = MathF.Max(max, m.GetElement(lane));
        }

        for (; i < x.Length; i++) max = MathF.Max(max, x[i]);
        return max;
    }

    /// <summary>Replaces x by e^x / sum of e^x, with the maximum subtracted first.</summary>
    public static void Softmax(Span<float> x)
    {
        if (x.IsEmpty) return;
        Map(x, x, new ShiftedExpFunction(Max(x)));
        Scale(x, 1f / Sum(x), x);
    }

    /// <summary>(x - mean) / sqrt(variance + epsilon) * weight + bias over the whole span (population variance).</summary>
    /// <param name="x">One row of C values.</param>
    /// <param name="weight">C values, or empty for 1.</param>
    /// <param name="bias">C values, or empty for 0.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="y">C results.</param>
    public static void LayerNorm(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, float epsilon, Span<float> y)
    {
        float mean = Sum(x) / x.Length;
        Map(x, y, new OffsetFunction(-mean));
        ReadOnlySpan<float> centered = y[..x.Length];
        float scale = 1f / MathF.Sqrt(Dot(centered, centered) / x.Length + epsilon);
        Scale(centered, scale, y);
        if (!weight.IsEmpty) Multiply(y, weight, y);
        if (!bias.IsEmpty) Add(y, bias, y);
    }

    /// <summary>x / sqrt(mean of x squared + epsilon) * weight over the whole span.</summary>
    /// <param name="x">One row of C values.</param>
    /// <param name="weight">C values.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="y">C results.</param>
    public static void RmsNorm(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float epsilon, Span<float> y)
    {
        float scale = 1f / MathF.Sqrt(Dot(x, x) / x.Length + epsilon);
        Scale(x, scale, y);
        Multiply(y, weight, y);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Exp(Vector256<float> x)
    {
        // e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2; ln 2 in two parts so that r is exact enough (Cody and Waite).
        // The native comparisons are one instruction each and pass a NaN on when it comes second.
        x = Vector256.MinNative(Vector256.Create(88.72283f), Vector256.MaxNative(Vector256.Create(-87.33654f), x));
        Vector256<float> n = Vector256.Round(x * Vector256.Create(1.44269504f));
        Vector256<float> r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-0.693359375f), x);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(2.12194440e-4f), r);
        // Taylor series to the seventh power: the rest is below 1e-8 on this interval.
        Vector256<float> p = Vector256.Create(1f / 5040);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 720));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 120));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 24));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 6));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(0.5f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<float>.One);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<float>.One);
        // In two factors, since 2^128 and 2^-127 are no normal floats.
        Vector256<int> exponent = Vector256.ConvertToInt32Native(n), low = exponent >> 1, bias = Vector256.Create(127);
        Vector256<float> power = p * ((low + bias) << 23).AsSingle() * ((exponent - low + bias) << 23).AsSingle();
        return Vector256.ConditionalSelect(Vector256.Equals(x, Vector256.Create(-87.33654f)), Vector256<float>.Zero, power);
    }

    /// <summary>e^x for x of at most 0, within 5e-5 of it; 1e-38 instead of less.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> ExpOfNegative(Vector256<float> x)
    {
        // As above, with a series to the fourth power and all exponents those of normal floats.
        x = Vector256.MaxNative(Vector256.Create(-87.33654f), x);
        Vector256<float> n = Vector256.Round(x * Vector256.Create(1.44269504f));
        Vector256<float> r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-0.693147181f), x);
        Vector256<float> p = Vector256.FusedMultiplyAdd(r, Vector256.Create(1f / 24), Vector256.Create(1f / 6));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(0.5f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<float>.One);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<float>.One);
        return p * ((Vector256.ConvertToInt32Native(n) + Vector256.Create(127)) << 23).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Sigmoid(Vector256<float> x) => Vector256<float>.One / (Vector256<float>.One + Exp(-x));

    // 1 - 2 / (e^2x + 1), from the magnitude so that both signs give the same digits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Tanh(Vector256<float> x)
    {
        Vector256<float> two = Vector256.Create(2f), magnitude = Vector256.Abs(x);
        Vector256<float> tanh = Vector256<float>.One - two / (Exp(magnitude * two) + Vector256<float>.One);
        return Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), -tanh, tanh);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> LoadPartial(ReadOnlySpan<float> source)
    {
        Vector256<float> value = default;
        Span<float> lanes = MemoryMarshal.CreateSpan(ref Unsafe.As<Vector256<float>, float>(ref value), Lanes);
        source[..Math.Min(source.Length, Lanes)].CopyTo(lanes);
        return value;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StorePartial(Vector256<float> value, Span<float> target) =>
        MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<Vector256<float>, float>(ref value), target.Length).CopyTo(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Map<TFunction>(ReadOnlySpan<float> x, Span<float> y, TFunction function)
        where TFunction : struct, IUnaryFunction
    {
        CheckLengths(x.Length, y.Length);
        ref float source = ref MemoryMarshal.GetReference(x), target = ref MemoryMarshal.GetReference(y);
        int i = 0;
        for (; i + Lanes <= x.Length; i += Lanes) function.Apply(Vector256.LoadUnsafe(ref source, (nuint)i)).StoreUnsafe(ref target, (nuint)i);
        if (i < x.Length) StorePartial(function.Apply(LoadPartial(x[i..])), y[i..x.Length]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Map<TFunction>(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y)
        where TFunction : struct, IBinaryFunction
    {
        CheckLengths(a.Length, y.Length);
        CheckLengths(a.Length, b.Length);
        ref float left = ref MemoryMarshal.GetReference(a), right = ref MemoryMarshal.GetReference(b), target = ref MemoryMarshal.GetReference(y);
        int i = 0;
        for (; i + Lanes <= a.Length; i += Lanes)
            TFunction.Apply(Vector256.LoadUnsafe(ref left, (nuint)i), Vector256.LoadUnsafe(ref right, (nuint)i)).StoreUnsafe(ref target, (nuint)i);
        if (i < a.Length) StorePartial(TFunction.Apply(LoadPartial(a[i..]), LoadPartial(b[i..])), y[i..a.Length]);
    }

    private static void CheckLengths(int needed, int available)
    {
        if (available < needed) throw new ArgumentException($"a span of {available} values is shorter than the {needed} values to process");
    }

    private interface IUnaryFunction
    {
        Vector256<float> Apply(Vector256<float> x);
    }

    private interface IBinaryFunction
    {
        static abstract Vector256<float> Apply(Vector256<float> a, Vector256<float> b);
    }

    private readonly struct AddFunction : IBinaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Apply(Vector256<float> a, Vector256<float> b) => a + b;
    }

    private readonly struct MultiplyFunction : IBinaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Apply(Vector256<float> a, Vector256<float> b) => a * b;
    }

    private readonly struct SiLUMultiplyFunction : IBinaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Apply(Vector256<float> a, Vector256<float> b) => a * Sigmoid(a) * b;
    }

    private readonly struct ScaleFunction(float factor) : IUnaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x) => x * Vector256.Create(factor);
    }

    private readonly struct OffsetFunction(float offset) : IUnaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x) => x + Vector256.Create(offset);
    }

    private readonly struct ExpFunction : IUnaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x) => Exp(x);
    }

    private readonly struct ShiftedExpFunction(float shift) : IUnaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x) => Exp(x - Vector256.Create(shift));
    }

    private readonly struct ReluFunction : IUnaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x) => Vector256.Max(x, Vector256<float>.Zero);
    }

    private readonly struct LeakyReluFunction(float slope) : IUnaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x) => Vector256.Max(x, x * Vector256.Create(slope));
    }

    private readonly struct TanhFunction : IUnaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x) => Tanh(x);
    }

    private readonly struct MishFunction : IUnaryFunction
    {
        // With n = e^x (e^x + 2), tanh(ln(1 + e^x)) is n / (n + 2); above 20 it is 1.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x)
        {
            Vector256<float> two = Vector256.Create(2f), e = Exp(Vector256.Min(x, Vector256.Create(20f)));
            Vector256<float> n = e * (e + two);
            return x * (n / (n + two));
        }
    }

    private readonly struct GatedTanhFunction : IBinaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Apply(Vector256<float> a, Vector256<float> b) => Tanh(a) * Sigmoid(b);
    }

    private readonly struct GatedLinearFunction : IBinaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Apply(Vector256<float> a, Vector256<float> b) => a * Sigmoid(b);
    }

    private readonly struct SiLUFunction : IUnaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x) => x * Sigmoid(x);
    }

    private readonly struct QuickGeluFunction : IUnaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x) => x * Sigmoid(x * Vector256.Create(1.702f));
    }

    private readonly struct SigmoidFunction : IUnaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x) => Sigmoid(x);
    }

    private readonly struct GeluTanhFunction : IUnaryFunction
    {
        // (1 + tanh(u)) / 2 = sigmoid(2 u); 2 sqrt(2 / pi) = 1.5957691.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x) =>
            x * Sigmoid(Vector256.Create(1.5957691f) * Vector256.FusedMultiplyAdd(Vector256.Create(0.044715f) * x * x, x, x));
    }

    private readonly struct GeluFunction : IUnaryFunction
    {
        // erf to the last digits of a float, since the duration flow of the speech decoder enlarges what is left of the error: below 1
        // a polynomial in z^2 times z, above it one in 1 / (1 + z / 2) times e^(-z^2) for the complement, both interpolated at the
        // Chebyshev nodes (relative errors 7e-8 and 3e-8).
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> x)
        {
            Vector256<float> z = Vector256.Abs(x) * Vector256.Create(0.70710678f), square = z * z;
            Vector256<float> e = Vector256.Create(7.87587505e-5f);
            e = Vector256.FusedMultiplyAdd(e, square, Vector256.Create(-8.01686428e-4f));
            e = Vector256.FusedMultiplyAdd(e, square, Vector256.Create(5.18908742e-3f));
            e = Vector256.FusedMultiplyAdd(e, square, Vector256.Create(-2.6854212e-2f));
            e = Vector256.FusedMultiplyAdd(e, square, Vector256.Create(0.112835947f));
            e = Vector256.FusedMultiplyAdd(e, square, Vector256.Create(-0.376126267f));
            e = Vector256.FusedMultiplyAdd(e, square, Vector256.Create(1.12837917f));
            Vector256<float> t = Vector256<float>.One / Vector256.FusedMultiplyAdd(z, Vector256.Create(0.5f), Vector256<float>.One);
            Vector256<float> p = Vector256.Create(0.114168403f);
            p = Vector256.FusedMultiplyAdd(p, t, Vector256.Create(-0.452671173f));
            p = Vector256.FusedMultiplyAdd(p, t, Vector256.Create(0.535186505f));
            p = Vector256.FusedMultiplyAdd(p, t, Vector256.Create(-8.024503e-2f));
            p = Vector256.FusedMultiplyAdd(p, t, Vector256.Create(0.336280014f));
            p = Vector256.FusedMultiplyAdd(p, t, Vector256.Create(0.26305374f));
            p = Vector256.FusedMultiplyAdd(p, t, Vector256.Create(0.284373378f));
            p = Vector256.FusedMultiplyAdd(p, t, Vector256.Create(-1.17667834e-4f));
            Vector256<float> halfErf = e * z * Vector256.Create(0.5f);
            // The complement 1 - erf(|z|): with it the left tail needs no subtraction of nearly equal numbers.
            Vector256<float> half = Vector256.ConditionalSelect(
                Vector256.LessThan(z, Vector256<float>.One), Vector256.Create(0.5f) - halfErf, p * Exp(-square) * Vector256.Create(0.5f));
            return x * Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), half, Vector256<float>.One - half);
        }
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Emova.Numerics;

/// <summary>
/// The vector operations of the integer kernels. A vector is seen as bytes, 16-bit or 32-bit integers or floats as the operation asks;
/// 32 bits belong to one row of the weight.
/// </summary>
internal unsafe interface IIntegerLanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows in a vector; divides 16.</summary>
    static abstract int Count { get; }

    static abstract TVector Load(byte* source);

    static abstract void Store(TVector value, float* target);

    /// <summary>Each byte's low half.</summary>
    static abstract TVector LowHalves(TVector bytes);

    /// <summary>Each byte's high half, moved down.</summary>
    static abstract TVector HighHalves(TVector bytes);

    /// <summary>Per 16 bits the sum of two products of bytes 0 to 15 with signed bytes of the four at <paramref name="quad"/>.</summary>
    static abstract TVector MultiplyPairs(TVector bytes, byte* quad);

    /// <summary>Sum of 16-bit integers.</summary>
    static abstract TVector AddShorts(TVector a, TVector b);

    /// <summary>Per 32 bits the sum of its two 16-bit integers.</summary>
    static abstract TVector SumPairs(TVector shorts);

    /// <summary>Sum of 32-bit integers.</summary>
    static abstract TVector AddInts(TVector a, TVector b);

    /// <summary>16 times 32-bit integers.</summary>
    static abstract TVector Times16(TVector ints);

    static abstract TVector Broadcast(int value);

    static abstract TVector Broadcast(float value);

    /// <summary>bfloat16 values as floats.</summary>
    static abstract TVector LoadScales(ushort* source);

    /// <summary>Product of floats.</summary>
    static abstract TVector Multiply(TVector a, TVector b);

    /// <summary>Integers times floats plus floats, with one rounding.</summary>
    static abstract TVector MultiplyAdd(TVector ints, TVector floats, TVector addend);
}

internal readonly unsafe struct IntegerLanes512 : IIntegerLanes<Vector512<byte>>
{
    public static int Count => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Load(byte* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<byte> value, float* target) => value.AsSingle().Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> LowHalves(Vector512<byte> bytes) => bytes & Vector512.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> HighHalves(Vector512<byte> bytes) => (bytes.AsUInt16() >>> 4).AsByte() & Vector512.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> MultiplyPairs(Vector512<byte> bytes, byte* quad) =>
        Avx512BW.MultiplyAddAdjacent(bytes, Vector512.Create(*(int*)quad).AsSByte()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> AddShorts(Vector512<byte> a, Vector512<byte> b) => (a.AsInt16() + b.AsInt16()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> SumPairs(Vector512<byte> shorts) => Avx512BW.MultiplyAddAdjacent(shorts.AsInt16(), Vector512<short>.One).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> AddInts(Vector512<byte> a, Vector512<byte> b) => (a.AsInt32() + b.AsInt32()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Times16(Vector512<byte> ints) => (ints.AsInt32() << 4).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Broadcast(int value) => Vector512.Create(value).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Broadcast(float value) => Vector512.Create(value).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> LoadScales(ushort* source) => (Avx512F.ConvertToVector512UInt32(Vector256.Load(source)) << 16).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Multiply(Vector512<byte> a, Vector512<byte> b) => (a.AsSingle() * b.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> MultiplyAdd(Vector512<byte> ints, Vector512<byte> floats, Vector512<byte> addend) =>
        Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(ints.AsInt32()), floats.AsSingle(), addend.AsSingle()).AsByte();
}

internal readonly unsafe struct IntegerLanes256 : IIntegerLanes<Vector256<byte>>
{
    public static int Count => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load(byte* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<byte> value, float* target) => value.AsSingle().Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> LowHalves(Vector256<byte> bytes) => bytes & Vector256.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> HighHalves(Vector256<byte> bytes) => (bytes.AsUInt16() >>> 4).AsByte() & Vector256.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> MultiplyPairs(Vector256<byte> bytes, byte* quad) =>
        Avx2.MultiplyAddAdjacent(bytes, Vector256.Create(*(int*)quad).AsSByte()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> AddShorts(Vector256<byte> a, Vector256<byte> b) => (a.AsInt16() + b.AsInt16()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> SumPairs(Vector256<byte> shorts) => Avx2.MultiplyAddAdjacent(shorts.AsInt16(), Vector256<short>.One).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> AddInts(Vector256<byte> a, Vector256<byte> b) => (a.AsInt32() + b.AsInt32()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Times16(Vector256<byte> ints) => (ints.AsInt32() << 4).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Broadcast(int value) => Vector256.Create(value).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Broadcast(float value) => Vector256.Create(value).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> LoadScales(ushort* source) => (Avx2.ConvertToVector256Int32(Vector128.Load(source)) << 16).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Multiply(Vector256<byte> a, Vector256<byte> b) => (a.AsSingle() * b.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> MultiplyAdd(Vector256<byte> ints, Vector256<byte> floats, Vector256<byte> addend) =>
        Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(ints.AsInt32()), floats.AsSingle(), addend.AsSingle()).AsByte();
}

/// <summary>Operations that every 128-bit instruction set has, ARM64 included.</summary>
internal readonly unsafe struct IntegerLanes128 : IIntegerLanes<Vector128<byte>>
{
    public static int Count => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load(byte* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<byte> value, float* target) => value.AsSingle().Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> LowHalves(Vector128<byte> bytes) => bytes & Vector128.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> HighHalves(Vector128<byte> bytes) => (bytes.AsUInt16() >>> 4).AsByte() & Vector128.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> MultiplyPairs(Vector128<byte> bytes, byte* quad)
    {
        Vector128<short> w = bytes.AsInt16(), x = Vector128.Create(*(int*)quad).AsInt16();
        return ((w & Vector128.Create((short)255)) * (x << 8 >> 8) + (w >>> 8) * (x >> 8)).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> AddShorts(Vector128<byte> a, Vector128<byte> b) => (a.AsInt16() + b.AsInt16()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> SumPairs(Vector128<byte> shorts) => ((shorts.AsInt32() << 16 >> 16) + (shorts.AsInt32() >> 16)).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> AddInts(Vector128<byte> a, Vector128<byte> b) => (a.AsInt32() + b.AsInt32()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Times16(Vector128<byte> ints) => (ints.AsInt32() << 4).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Broadcast(int value) => Vector128.Create(value).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Broadcast(float value) => Vector128.Create(value).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> LoadScales(ushort* source) => (Vector128.WidenLower(Vector128.CreateScalar(*(ulong*)source).AsUInt16()) << 16).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Multiply(Vector128<byte> a, Vector128<byte> b) => (a.AsSingle() * b.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> MultiplyAdd(Vector128<byte> ints, Vector128<byte> floats, Vector128<byte> addend) =>
        Vector128.FusedMultiplyAdd(Vector128.ConvertToSingle(ints.AsInt32()), floats.AsSingle(), addend.AsSingle()).AsByte();
}

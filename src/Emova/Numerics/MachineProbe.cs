using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Emova.Numerics.Emitted;

namespace Emova.Numerics;

/// <summary>What this machine can do at most, with the threads of a team, measured now: the limits that kernels are judged by.</summary>
public static unsafe class MachineProbe
{
    private const int Rounds = 5;
    private const int Chains = 12;
    private const int Steps = 200_000;

    /// <summary>The kernels that products use on this machine, for people to read.</summary>
    public static string Kernels
    {
        get
        {
            string width = VectorWidths.Best switch
            {
                VectorWidth.V512 or VectorWidth.Emitted => "512 bits",
                VectorWidth.V256 => "256 bits",
                VectorWidth.V128 => "128 bits",
                _ => "scalar, slow",
            };
            return EmittedKernels.Instance is not { } emitted ? $"{width}, none emitted"
                : emitted.HasPairs ? $"{width}, emitted for bytes and bfloat16" : $"{width}, emitted for bytes";
        }
    }

    /// <summary>Bytes per second that all threads together can read from memory, one forward stream per thread.</summary>
    /// <param name="team">Threads to use.</param>
    /// <param name="bytes">Size of what is read; more than the caches hold.</param>
    public static double ReadBandwidth(WorkerTeam team, long bytes = 256 << 20)
    {
        Reading reading = new(bytes);
        return reading.Bytes / Best(() => reading.Run(team));
    }

    /// <summary>
    /// Multiplications and additions of bytes per second: the inner step of the integer kernels on registers, products of bytes summed
    /// in 16 bits.
    /// </summary>
    /// <param name="team">Threads to use.</param>
    public static double ByteOperations(WorkerTeam team) => VectorWidths.Best switch
    {
        VectorWidth.V512 or VectorWidth.Emitted => Bytes<IntegerLanes512, Vector512<byte>>(team),
        VectorWidth.V256 => Bytes<IntegerLanes256, Vector256<byte>>(team),
        _ => Bytes<IntegerLanes128, Vector128<byte>>(team),
    };

    /// <summary>Multiplications and additions of floats per second on registers.</summary>
    /// <param name="team">Threads to use.</param>
    public static double FloatOperations(WorkerTeam team) => VectorWidths.Best switch
    {
        VectorWidth.V512 or VectorWidth.Emitted => Floats<Lanes512, Vector512<float>>(team),
        VectorWidth.V256 => Floats<Lanes256, Vector256<float>>(team),
        _ => Floats<Lanes128, Vector128<float>>(team),
    };

    private static double Bytes<TLanes, TVector>(WorkerTeam team)
        where TLanes : struct, IIntegerLanes<TVector>
        where TVector : unmanaged
    {
        ByteBody<TLanes, TVector> body = new() { Sinks = new int[team.ThreadCount] };
        // 4 bytes of each 32-bit lane: a product and an addition each.
        return 8.0 * TLanes.Count * Chains * Steps * team.ThreadCount / Best(() => team.For(team.ThreadCount, body));
    }

    private static double Floats<TLanes, TVector>(WorkerTeam team)
        where TLanes : struct, ILaneMath<TVector>
        where TVector : unmanaged
    {
        FloatBody<TLanes, TVector> body = new() { Sinks = new float[team.ThreadCount] };
        return 2.0 * TLanes.Count * Chains * Steps * team.ThreadCount / Best(() => team.For(team.ThreadCount, body));
    }

    /// <summary>Shortest time of several rounds: other work on the machine only ever makes it longer.</summary>
    private static double Best(Action work)
    {
        double best = double.PositiveInfinity;
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            work();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }

    /// <summary>Memory that is read from end to end, in pieces that the threads share.</summary>
    internal sealed class Reading
    {
        private const int Pieces = 256;

        private readonly WeightMemory memory;
        private readonly long[] sums = new long[Pieces]; // whatever was read must go somewhere
        private readonly long pieceBytes;

        public Reading(long bytes)
        {
            pieceBytes = Math.Max(256, bytes / Pieces / 256 * 256);
            memory = new WeightMemory(Bytes, isShared: false);
            memory.Clear(0, Bytes);
        }

        public long Bytes => pieceBytes * Pieces;

        public void Run(WorkerTeam team)
        {
            Body body = new() { Start = memory.Pointer, Bytes = pieceBytes, Sums = sums };
            team.For(Pieces, body);
            GC.KeepAlive(memory);
        }

        private struct Body : IWorkerBody
        {
            public byte* Start;
            public long Bytes;
            public long[] Sums;

            public readonly void Execute(int start, int limit)
            {
                for (int i = start; i < limit; i++) Sums[i] = Sum(Start + i * Bytes, Bytes);
            }

            [MethodImpl(MethodImplOptions.AggressiveOptimization)]
            private static long Sum(byte* p, long bytes)
            {
                Vector512<long> a = default, b = default, c = default, d = default;
                for (byte* end = p + bytes; p < end; p += 256)
                {
                    a += Vector512.Load((long*)p);
                    b += Vector512.Load((long*)(p + 64));
                    c += Vector512.Load((long*)(p + 128));
                    d += Vector512.Load((long*)(p + 192));
                }

                return Vector512.Sum(a + b + (c + d));
            }
        }
    }

    private struct ByteBody<TLanes, TVector> : IWorkerBody
        where TLanes : struct, IIntegerLanes<TVector>
        where TVector : unmanaged
    {
        public int[] Sinks;

        public readonly void Execute(int start, int limit)
        {
            for (int i = start; i < limit; i++) Sinks[i] = Run();
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static int Run()
        {
            int quad = 0x01020304;
            byte* x = (byte*)&quad;
            TVector a = TLanes.Broadcast(1), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
            for (int step = 0; step < Steps; step++)
            {
                a = TLanes.AddShorts(a, TLanes.MultiplyPairs(a, x));
                b = TLanes.AddShorts(b, TLanes.MultiplyPairs(b, x));
                c = TLanes.AddShorts(c, TLanes.MultiplyPairs(c, x));
                d = TLanes.AddShorts(d, TLanes.MultiplyPairs(d, x));
                e = TLanes.AddShorts(e, TLanes.MultiplyPairs(e, x));
                f = TLanes.AddShorts(f, TLanes.MultiplyPairs(f, x));
                g = TLanes.AddShorts(g, TLanes.MultiplyPairs(g, x));
                h = TLanes.AddShorts(h, TLanes.MultiplyPairs(h, x));
                i = TLanes.AddShorts(i, TLanes.MultiplyPairs(i, x));
                j = TLanes.AddShorts(j, TLanes.MultiplyPairs(j, x));
                k = TLanes.AddShorts(k, TLanes.MultiplyPairs(k, x));
                l = TLanes.AddShorts(l, TLanes.MultiplyPairs(l, x));
            }

            a = TLanes.AddInts(TLanes.AddInts(TLanes.AddInts(a, b), TLanes.AddInts(c, d)), TLanes.AddInts(TLanes.AddInts(e, f), TLanes.AddInts(g, h)));
            a = TLanes.AddInts(a, TLanes.AddInts(TLanes.AddInts(i, j), TLanes.AddInts(k, l)));
            return *(int*)&a;
        }
    }

    private struct FloatBody<TLanes, TVector> : IWorkerBody
        where TLanes : struct, ILaneMath<TVector>
        where TVector : unmanaged
    {
        public float[] Sinks;

        public readonly void Execute(int start, int limit)
        {
            for (int i = start; i < limit; i++) Sinks[i] = Run();
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Run()
        {
            TVector factor = TLanes.Broadcast(0.999f), addend = TLanes.Broadcast(0.001f);
            TVector a = addend, b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
            for (int step = 0; step < Steps; step++)
            {
                a = TLanes.MultiplyAdd(a, factor, addend);
                b = TLanes.MultiplyAdd(b, factor, addend);
                c = TLanes.MultiplyAdd(c, factor, addend);
                d = TLanes.MultiplyAdd(d, factor, addend);
                e = TLanes.MultiplyAdd(e, factor, addend);
                f = TLanes.MultiplyAdd(f, factor, addend);
                g = TLanes.MultiplyAdd(g, factor, addend);
                h = TLanes.MultiplyAdd(h, factor, addend);
                i = TLanes.MultiplyAdd(i, factor, addend);
                j = TLanes.MultiplyAdd(j, factor, addend);
                k = TLanes.MultiplyAdd(k, factor, addend);
                l = TLanes.MultiplyAdd(l, factor, addend);
            }

            a = TLanes.MultiplyAdd(TLanes.MultiplyAdd(a, b, c), TLanes.MultiplyAdd(d, e, f), TLanes.MultiplyAdd(TLanes.MultiplyAdd(g, h, i), TLanes.MultiplyAdd(j, k, l), factor));
            return *(float*)&a;
        }
    }
}

using System.Runtime.InteropServices;
using Emova.Training.Infrastructure;
using static TorchSharp.torch;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace Emova.Training.Distributed;

/// <summary>A range of the values of one parameter.</summary>
/// <param name="Tensor">index in <see cref="ParameterStore.Parameters"/></param>
/// <param name="Start">first value</param>
/// <param name="Length">number of values</param>
public readonly record struct Slice(int Tensor, int Start, int Length);

/// <summary>
/// Shares the parameters of a model out to the ranks, as in ZeRO (arXiv 1910.02054), stage 1: each rank sums the gradients of its shard,
/// keeps the optimizer state of it, updates it, and hands the new values to all. Gradients travel in buckets, so that the buffers stay
/// small, and are summed in the order of the ranks, so that a run repeats byte for byte.
/// </summary>
public sealed class ParameterShards
{
    /// <summary>Shards begin at multiples of this many values of a tensor; sums of squares are made per piece of this length.</summary>
    public const int Piece = 4096;

    /// <summary>Values in a bucket, over all ranks: 16 MB.</summary>
    private const int BucketValues = 4 << 20;

    private readonly ParameterStore _store;
    private readonly Slice[][] _slices;
    private readonly int _stride;
    private readonly float[] _send = [];
    private readonly float[] _receive = [];
    private readonly int[] _counts;
    private bool[] _moving = [];

    public ParameterShards(ParameterStore store, ProcessGroup group)
    {
        (_store, Group) = (store, group);
        _slices = Cut(store, group.Size);
        _counts = new int[group.Size];
        long largest = Math.Max(1, _slices.Max(slices => slices.Sum(slice => (long)slice.Length)));
        _stride = (int)Math.Min(Math.Max(Piece, BucketValues / group.Size), largest);
        if (group.Size > 1) (_send, _receive) = (new float[_stride * group.Size], new float[_stride * group.Size]);
    }

    /// <summary>The ranks.</summary>
    public ProcessGroup Group { get; }

    /// <summary>What this rank keeps the state of and updates.</summary>
    public IReadOnlyList<Slice> Own => _slices[Group.Rank];

    /// <summary>
    /// Replaces, in the gradients of this rank's shard, the own values by the sum over all ranks. A parameter that has a gradient on some
    /// ranks only counts as zero on the others.
    /// </summary>
    public void Reduce(Tensor?[] gradients)
    {
        _moving = [.. gradients.Select(gradient => gradient is not null)];
        if (Group.Size == 1) return;
        byte[][] present = Group.Gather([.. _moving.Select(has => has ? (byte)1 : (byte)0)]);
        for (int i = 0; i < gradients.Length; i++)
        {
            _moving[i] = present.Any(rank => rank[i] != 0);
            if (_moving[i] && gradients[i] is null) gradients[i] = GiveZeroGradient(_store.Parameters[i].Value);
        }

        foreach (Slice[][] round in Rounds())
        {
            for (int rank = 0; rank < Group.Size; rank++) _counts[rank] = Pack(round[rank], i => ParameterStore.Values(gradients[i]!), _send, rank * _stride);
            int mine = _counts[Group.Rank];
            Group.Exchange(_send, _counts, _receive, mine, _stride);
            Span<float> sum = _receive.AsSpan(0, mine);
            for (int rank = 1; rank < Group.Size; rank++) TensorPrimitives.Add(sum, _receive.AsSpan(rank * _stride, mine), sum);
            Unpack(round[Group.Rank], i => ParameterStore.Values(gradients[i]!), _receive, 0);
        }
    }

    /// <summary>Sum of the squares of all reduced gradients, added up in the same order on any number of ranks.</summary>
    public double SumOfSquares(Tensor?[] gradients)
    {
        List<double> own = [];
        foreach (Slice slice in Moving(Group.Rank))
        {
            ReadOnlySpan<float> values = ParameterStore.Values(gradients[slice.Tensor]!).Slice(slice.Start, slice.Length);
            // Partial sums in float32 over short pieces, in double over pieces: exact enough for a norm and fully vectorized.
            for (int start = 0; start < values.Length; start += Piece)
                own.Add(TensorPrimitives.SumOfSquares(values.Slice(start, Math.Min(Piece, values.Length - start))));
        }

        double[] perTensor = new double[gradients.Length];
        byte[][] all = Group.Gather(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(own)).ToArray());
        for (int rank = 0; rank < Group.Size; rank++)
        {
            ReadOnlySpan<double> sums = MemoryMarshal.Cast<byte, double>(all[rank]);
            int next = 0;
            foreach (Slice slice in Moving(rank))
                for (int start = 0; start < slice.Length; start += Piece) perTensor[slice.Tensor] += sums[next++];
        }
        double total = 0;
        foreach (double squares in perTensor) total += squares;
        return total;
    }

    /// <summary>Hands the new values of every shard whose gradient was reduced to all ranks.</summary>
    public void Publish()
    {
        if (Group.Size == 1) return;
        foreach (Slice[][] round in Rounds())
        {
            for (int rank = 0; rank < Group.Size; rank++) _counts[rank] = round[rank].Sum(slice => slice.Length);
            Pack(round[Group.Rank], Parameter, _send, 0);
            Group.Gather(_send, _receive, _counts, _stride);
            for (int rank = 0; rank < Group.Size; rank++)
                if (rank != Group.Rank) Unpack(round[rank], Parameter, _receive, rank * _stride);
        }

        Span<float> Parameter(int tensor) => ParameterStore.Values(_store.Parameters[tensor].Value);
    }

    /// <summary>Puts state that every rank has for its own slices together, one array per parameter; null on all ranks but the first.</summary>
    /// <param name="own">values of the own slices, in the order of <see cref="Own"/></param>
    public float[][]? Collect(IReadOnlyList<float[]> own)
    {
        float[][]? whole = Group.IsFirst ? [.. _store.Parameters.Select(pair => new float[pair.Value.numel()])] : null;
        // Bytes, one slice at a time: the first rank needs no more room than for the result.
        int most = _slices.Max(slices => slices.Length);
        for (int k = 0; k < most; k++)
        {
            byte[] mine = k < Own.Count ? MemoryMarshal.AsBytes(own[k].AsSpan()).ToArray() : [];
            byte[][] all = Group.Gather(mine);
            for (int rank = 0; rank < Group.Size && whole is not null; rank++)
            {
                if (k >= _slices[rank].Length) continue;
                Slice slice = _slices[rank][k];
                MemoryMarshal.Cast<byte, float>(all[rank]).CopyTo(whole[slice.Tensor].AsSpan(slice.Start));
            }
        }
        return whole;
    }

    /// <summary>Gives a parameter a gradient of zeros.</summary>
    internal static Tensor GiveZeroGradient(Tensor parameter)
    {
        Tensor zero = zeros_like(parameter, requires_grad: false).DetachFromDisposeScope();
        parameter.grad = zero;
        return zero;
    }

    /// <summary>Equal parts of what learns, cut between pieces. What is frozen stays with the first rank: nothing ever moves there.</summary>
    private static Slice[][] Cut(ParameterStore store, int ranks)
    {
        List<Slice>[] slices = [.. Enumerable.Range(0, ranks).Select(_ => new List<Slice>())];
        long pieces = store.Parameters.Where(pair => pair.Value.requires_grad).Sum(pair => Pieces(pair.Value)), passed = 0;
        for (int i = 0; i < store.Parameters.Count; i++)
        {
            Tensor parameter = store.Parameters[i].Value;
            int length = checked((int)parameter.numel());
            if (!parameter.requires_grad)
            {
                slices[0].Add(new Slice(i, 0, length));
                continue;
            }
            for (int start = 0; start < length;)
            {
                // This rank goes on until the piece with which the next one begins.
                int rank = (int)(passed * ranks / pieces);
                long own = ((rank + 1) * pieces + ranks - 1) / ranks - passed;
                int end = (int)Math.Min(length, start + own * Piece);
                slices[rank].Add(new Slice(i, start, end - start));
                passed += (end - start + Piece - 1) / Piece;
                start = end;
            }
        }
        return [.. slices.Select(list => list.ToArray())];
    }

    private static long Pieces(Tensor parameter) => (parameter.numel() + Piece - 1) / Piece;

    private IEnumerable<Slice> Moving(int rank) => _slices[rank].Where(slice => _moving[slice.Tensor]);

    /// <summary>What each rank's shard contributes to each bucket.</summary>
    private IEnumerable<Slice[][]> Rounds()
    {
        Slice[][][] buckets = [.. Enumerable.Range(0, Group.Size).Select(rank => Buckets(Moving(rank)))];
        int most = buckets.Max(rank => rank.Length);
        for (int k = 0; k < most; k++) yield return [.. buckets.Select(rank => k < rank.Length ? rank[k] : [])];
    }

    private Slice[][] Buckets(IEnumerable<Slice> slices)
    {
        List<Slice[]> buckets = [];
        List<Slice> bucket = [];
        int room = _stride;
        foreach (Slice slice in slices)
        {
            for (Slice left = slice; left.Length > 0;)
            {
                int taken = Math.Min(room, left.Length);
                bucket.Add(left with { Length = taken });
                left = left with { Start = left.Start + taken, Length = left.Length - taken };
                room -= taken;
                if (room > 0) continue;
                buckets.Add([.. bucket]);
                (bucket, room) = ([], _stride);
            }
        }
        if (bucket.Count > 0) buckets.Add([.. bucket]);
        return [.. buckets];
    }

    private delegate Span<float> Values(int tensor);

    private static int Pack(Slice[] slices, Values values, float[] buffer, int offset)
    {
        int position = offset;
        foreach (Slice slice in slices)
        {
            values(slice.Tensor).Slice(slice.Start, slice.Length).CopyTo(buffer.AsSpan(position));
            position += slice.Length;
        }
        return position - offset;
    }

    private static void Unpack(Slice[] slices, Values values, float[] buffer, int offset)
    {
        foreach (Slice slice in slices)
        {
            buffer.AsSpan(offset, slice.Length).CopyTo(values(slice.Tensor).Slice(slice.Start));
            offset += slice.Length;
        }
    }
}

using System.Runtime.CompilerServices;

namespace Emova.Numerics;

/// <summary>What happens to the sums of a product of floats on their way from the registers to memory.</summary>
internal static unsafe class PanelEpilogue<TLanes, TVector>
    where TLanes : struct, ILaneMath<TVector>
    where TVector : unmanaged
{
    /// <summary>Adds the residual and stores result and activation of the outputs from <paramref name="output"/> on, as far as they exist.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(in PanelOperands operands, int row, int output, TVector value)
    {
        int lanes = Math.Min(TLanes.Count, operands.Outputs - output);
        if (operands.Residual != null) value = TLanes.Add(value, LoadLanes(operands.Residual + row * operands.ResidualStride + output, lanes));
        if (operands.Y != null) StoreLanes(value, operands.Y + row * operands.YStride + output, lanes);
        if (operands.Activated != null)
        {
            TVector activated = TLanes.Max(value, TLanes.Multiply(value, TLanes.Broadcast(operands.Slope)));
            StoreLanes(activated, operands.Activated + row * operands.ActivatedStride + output, lanes);
        }
    }

    /// <summary>A vector of outputs of a row, as far as they exist.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(float* row, int output, int outputs) => LoadLanes(row + output, Math.Min(TLanes.Count, outputs - output));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector LoadLanes(float* source, int count)
    {
        if (count == TLanes.Count) return TLanes.Load(source);
        TVector value = default;
        for (int i = 0; i < count; i++) ((float*)&value)[i] = source[i];
        return value;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreLanes(TVector value, float* target, int count)
    {
        if (count == TLanes.Count)
        {
            TLanes.Store(value, target);
            return;
        }

        for (int i = 0; i < count; i++) target[i] = ((float*)&value)[i];
    }
}

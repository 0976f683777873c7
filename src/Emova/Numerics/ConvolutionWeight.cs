namespace Emova.Numerics;

/// <summary>
/// Weight of a convolution over time, packed for (T, C) data, y[t] = bias + sum over taps of W_tap x[t * stride + tap * dilation].
/// Nothing is gathered: the kernel walks over the taps, and each row of x meets the panels of 16 outputs that
/// <see cref="LinearWeight"/> uses. Every output element is one chain of fused multiply-adds over ascending tap and input
/// channel that starts from the bias, whatever the number of rows or threads: streamed and batched evaluation agree bit for bit.
/// </summary>
public sealed unsafe class ConvolutionWeight
{
    private readonly LinearWeight weight; // (outputs, kernel * inputs), the taps one after the other

    private ConvolutionWeight(LinearWeight weight, int inputs, int kernel) => (this.weight, Inputs, Kernel) = (weight, inputs, kernel);

    /// <summary>Output channels.</summary>
    public int Outputs => weight.Outputs;

    /// <summary>Input channels.</summary>
    public int Inputs { get; }

    /// <summary>Taps of the kernel.</summary>
    public int Kernel { get; }

    /// <summary>Packs a weight.</summary>
    /// <param name="weight">(outputs, inputs, kernel), row-major.</param>
    /// <param name="outputs">Output channels, at least 1.</param>
    /// <param name="inputs">Input channels, at least 1.</param>
    /// <param name="kernel">Taps, at least 1.</param>
    /// <param name="bias">One value per output, or empty for none.</param>
    /// <param name="format"><see cref="WeightFormat.Float32"/>, or <see cref="WeightFormat.BFloat16Pairs"/>, which rounds weights and input.</param>
    /// <exception cref="ArgumentException">A span does not have the stated shape, or the format is another one.</exception>
    public static ConvolutionWeight Pack(
        ReadOnlySpan<float> weight, int outputs, int inputs, int kernel, ReadOnlySpan<float> bias = default, WeightFormat format = WeightFormat.Float32)
    {
        if (format is not (WeightFormat.Float32 or WeightFormat.BFloat16Pairs))
            throw new ArgumentException($"convolutions are packed as {WeightFormat.Float32} or {WeightFormat.BFloat16Pairs}, not {format}", nameof(format));
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(kernel, 1);
        if (weight.Length != (long)outputs * inputs * kernel)
            throw new ArgumentException($"weight has {weight.Length} values, expected {outputs} x {inputs} x {kernel}", nameof(weight));
        if (!bias.IsEmpty && bias.Length != outputs)
            throw new ArgumentException($"bias has {bias.Length} values, expected {outputs} or none", nameof(bias));

        // Inputs that go in pairs are padded to an even number per tap.
        int width = format == WeightFormat.BFloat16Pairs ? (inputs + 1) / 2 * 2 : inputs;
        LinearWeight packed = LinearWeight.Create(format, outputs, kernel * width);
        float[] rows = new float[Math.Min(outputs, WeightLayout.GroupRows) * kernel * width];
        for (int first = 0; first < outputs; first += WeightLayout.GroupRows)
        {
            int count = Math.Min(WeightLayout.GroupRows, outputs - first);
            for (int r = 0; r < count; r++)
            {
                ReadOnlySpan<float> stored = weight.Slice((first + r) * inputs * kernel, inputs * kernel);
                Span<float> row = rows.AsSpan(r * kernel * width, kernel * width);
                for (int input = 0; input < inputs; input++)
                {
                    for (int tap = 0; tap < kernel; tap++) row[tap * width + input] = stored[input * kernel + tap];
                }
            }

            packed.SetRows(first, rows.AsSpan(0, count * kernel * width));
        }

        packed.SetBias(0, bias);
        return new ConvolutionWeight(packed, inputs, kernel);
    }

    /// <summary>Convolves rows of x.</summary>
    /// <param name="x">Input; tap j of row r starts at r * <paramref name="rowStride"/> + j * <paramref name="tapStride"/>.</param>
    /// <param name="rows">Number of output rows, may be 0.</param>
    /// <param name="rowStride">Distance of the inputs of two output rows in floats: stride * channels.</param>
    /// <param name="tapStride">Distance of the inputs of two taps in floats: dilation * channels.</param>
    /// <param name="y">Receives the result, row by row; empty when only the activated result is wanted. Must not overlap x.</param>
    /// <param name="yStride">Distance of two rows of y in floats.</param>
    /// <param name="epilogue">What else happens to the result while it is in registers.</param>
    /// <param name="team">Threads to use; <see cref="WorkerTeam.Shared"/> when null.</param>
    /// <exception cref="ArgumentException">A span is too short for the rows asked for.</exception>
    public void Convolve(
        ReadOnlySpan<float> x, int rows, int rowStride, int tapStride, Span<float> y, int yStride, ConvolutionEpilogue epilogue = default, WorkerTeam? team = null) =>
        Convolve(x, rows, rowStride, tapStride, y, yStride, epilogue, team, VectorWidths.Best);

    internal void Convolve(
        ReadOnlySpan<float> x, int rows, int rowStride, int tapStride, Span<float> y, int yStride, ConvolutionEpilogue epilogue, WorkerTeam? team, VectorWidth vectors)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        if (rows == 0) return;
        if (rowStride < 0 || tapStride < 0 || x.Length < (rows - 1L) * rowStride + (Kernel - 1L) * tapStride + Inputs)
            throw new ArgumentException($"x has {x.Length} values, too few for {rows} rows of {Kernel} x {Inputs} at strides {rowStride} and {tapStride}", nameof(x));
        Check(y.Length, yStride, rows, nameof(y));
        Check(epilogue.Residual.Length, epilogue.ResidualStride, rows, nameof(epilogue));
        Check(epilogue.Activated.Length, epilogue.ActivatedStride, rows, nameof(epilogue));

        // Taps that lie one after the other are one long row, unless each is padded.
        bool contiguous = tapStride == Inputs && weight.Inputs == Kernel * Inputs;
        fixed (float* xPointer = x, yPointer = y, residual = epilogue.Residual, activated = epilogue.Activated)
        {
            weight.Convolve(new PanelOperands
            {
                X = xPointer,
                Y = yPointer,
                XStride = rowStride,
                YStride = yStride,
                Inputs = contiguous ? Kernel * Inputs : Inputs,
                Taps = contiguous ? 1 : Kernel,
                TapStride = tapStride,
                Residual = residual,
                ResidualStride = epilogue.ResidualStride,
                Activated = activated,
                ActivatedStride = epilogue.ActivatedStride,
                Slope = epilogue.Slope,
            }, rows, team, vectors);
        }
    }

    private void Check(int length, int stride, int rows, string name)
    {
        if (length == 0) return;
        if ((stride < Outputs && rows > 1) || length < (rows - 1L) * stride + Outputs)
            throw new ArgumentException($"{length} values are too few for {rows} rows of {Outputs} at stride {stride}", name);
    }
}

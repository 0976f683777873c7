using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Numerics;

public sealed class NormedRowsTests
{
    [Theory]
    [InlineData(1, 5)]
    [InlineData(3, 896)]
    [InlineData(97, 401)] // enough for all threads
    public void EveryRowIsNormedAsAlone(int rows, int dim)
    {
        Random random = new(1);
        float[] x = Values(rows * dim), added = Values(rows * dim), weight = Values(dim), sum = [.. x], norm = new float[rows * dim], plain = new float[rows * dim];
        VectorMath.Add(sum, added, sum);
        for (int r = 0; r < rows; r++)
        {
            VectorMath.RmsNorm(sum.AsSpan(r * dim, dim), weight, 1e-6f, norm.AsSpan(r * dim, dim));
            VectorMath.RmsNorm(x.AsSpan(r * dim, dim), weight, 1e-6f, plain.AsSpan(r * dim, dim));
        }

        using WorkerTeam team = new(3);
        float[] actual = new float[rows * dim];
        NormedRows.RmsNorm(x, weight, 1e-6f, actual, team);
        Assert.Equal(plain, actual);
        float[] stream = [.. x], sublayer = [.. added];
        NormedRows.AddAndNorm(stream, sublayer, dim, null, 1e-6f, team);
        Assert.Equal(sum, stream);
        Assert.Equal(added, sublayer);
        (stream, sublayer) = ([.. x], [.. added]);
        NormedRows.AddAndNorm(stream, sublayer, dim, weight, 1e-6f, team);
        Assert.Equal(sum, stream);
        Assert.Equal(norm, sublayer);

        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 4 - 2)];
    }

    [Fact]
    public void ValuesThatAreNoRowsAreRefused()
    {
        Assert.Throws<ArgumentException>(() => NormedRows.RmsNorm(new float[7], new float[3], 1e-6f, new float[7]));
        Assert.Throws<ArgumentException>(() => NormedRows.AddAndNorm(new float[6], new float[3], 3, null, 1e-6f));
    }
}

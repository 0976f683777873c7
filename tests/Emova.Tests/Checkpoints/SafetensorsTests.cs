using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using CsCheck;
using Emova.Checkpoints;
using Xunit;

namespace Emova.Tests.Checkpoints;

public sealed class SafetensorsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void RoundTripKeepsEveryTypeShapeAndMetadata()
    {
        Half[] halves = [(Half)1.5f, Half.NegativeInfinity, (Half)6e-8f];
        SafetensorsWriter.Write(folder["a"],
        [
            TensorData.F32("f32", [2, 3], [1, -2.5f, float.NaN, float.MaxValue, 0, float.Epsilon]),
            TensorData.BF16("bf16", [3], [1, -2.5f, 3.140625f]),
            TensorData.I64("i64", [2], [long.MinValue, 42]),
            new("f16", DType.F16, [3], MemoryMarshal.AsBytes(halves.AsSpan()).ToArray()),
            new("i32", DType.I32, [1, 1], MemoryMarshal.AsBytes<int>([-7]).ToArray()),
            new("bool", DType.Bool, [2], new byte[] { 1, 0 }),
            new("u8 \"quoted\" ü", DType.U8, [], new byte[] { 200 }),
            TensorData.F32("empty", [0, 1L << 60], []),
        ], new Dictionary<string, string> { ["format"] = "pt", ["note"] = "ü\n" });

        using SafetensorsFile file = SafetensorsFile.Open(folder["a"]);
        Assert.Equal(["f32", "bf16", "i64", "f16", "i32", "bool", "u8 \"quoted\" ü", "empty"], file.Tensors.Keys);
        Assert.Equal([1, -2.5f, float.NaN, float.MaxValue, 0, float.Epsilon], file.ReadFloat32("f32"));
        Assert.Equal([2, 3], file.Tensors["f32"].Shape);
        Assert.Equal([1, -2.5f, 3.140625f], file.ReadFloat32("bf16"));
        Assert.Equal([1.5f, float.NegativeInfinity, (float)(Half)6e-8f], file.ReadFloat32("f16"));
        Assert.Equal([long.MinValue, 42], file.ReadInt64("i64"));
        Assert.Equal([-7], file.ReadInt64("i32"));
        Assert.Equal([1, 0], file.ReadInt64("bool"));
        Assert.Equal([200], file.ReadInt64("u8 \"quoted\" ü"));
        Assert.Empty(file.Tensors["u8 \"quoted\" ü"].Shape);
        Assert.Empty(file.ReadFloat32("empty"));
        Assert.Equal("ü\n", file.Metadata["note"]);
        Assert.Equal(0, file.Tensors["f32"].Offset % 8);
        Assert.Equal([folder["a"]], Directory.GetFiles(folder.Folder)); // no temporary file is left
    }

    [Fact]
    public void ConversionInChunksCoversLargeTensors()
    {
        float[] values = [.. Enumerable.Range(0, 1_300_001).Select(i => (float)(i % 251 - 125))]; // exact in bfloat16
        SafetensorsWriter.Write(folder["large"], [TensorData.BF16("w", [values.Length], values)]);
        using SafetensorsFile file = SafetensorsFile.Open(folder["large"]);
        Assert.Equal(values, file.ReadFloat32("w"));
    }

    [Fact]
    public void BFloat16RoundsToNearestTiesToEven() => Gen.Float.Sample(value =>
    {
        SafetensorsWriter.Write(folder["b"], [TensorData.BF16("w", [1], [value])]);
        using SafetensorsFile file = SafetensorsFile.Open(folder["b"]);
        float stored = file.ReadFloat32("w")[0];
        if (float.IsNaN(value))
            return float.IsNaN(stored);
        // No neighbor in bfloat16 may be closer; a value beyond the largest finite one becomes infinite at its rounding point.
        uint bits = BitConverter.SingleToUInt32Bits(stored);
        if (float.IsInfinity(stored))
            return float.IsInfinity(value) || Math.Abs((double)value) >= 3.3961775292304601e38;
        double error = Math.Abs((double)value - stored);
        float up = BitConverter.UInt32BitsToSingle(bits + 0x10000), down = BitConverter.UInt32BitsToSingle(bits - 0x10000);
        bool tie = error == Math.Abs((double)value - up) || error == Math.Abs((double)value - down);
        return error <= Math.Abs((double)value - up) && (float.IsNaN(down) || error <= Math.Abs((double)value - down))
            && (!tie || error == 0 || (bits >> 16) % 2 == 0);
    }, iter: 2000, threads: 1);

    [Theory]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "does not fill")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 0, "spans bytes")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "spans bytes")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "whole number")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "whole number")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}", 4, "not a number")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, "does not fill")]
    [InlineData("{\"a\":{\"dtype\":\"F7\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unsupported type")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "lacks")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "lacks")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "repeated")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[1,4]}}", 4, "overlaps")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}", 4, "gap")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 4, "follow the last tensor")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,4]}}", 4, "twice")]
    [InlineData("{\"__metadata__\":{\"a\":1}}", 0, "expected String")]
    [InlineData("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "twice")]
    [InlineData("{\"a\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}", 0, "expected StartObject")]
    [InlineData("{\"\\ud800\":{}}", 0, "not a valid safetensors header")]
    [InlineData("{} {}", 0, "not a valid safetensors header")]
    [InlineData("{", 0, "not a valid safetensors header")]
    [InlineData("[]", 0, "expected StartObject")]
    [InlineData("", 0, "not a valid safetensors header")]
    [InlineData("hello", 0, "not a valid safetensors header")]
    public void DamagedHeadersAreRefusedWithTheReason(string header, int dataBytes, string reason)
    {
        WriteRaw(folder["bad"], (ulong)Encoding.UTF8.GetByteCount(header), header, dataBytes);
        EmovaException error = Assert.Throws<EmovaException>(() => SafetensorsFile.Open(folder["bad"]).Dispose());
        Assert.Contains(reason, error.Message);
        Assert.StartsWith(folder["bad"], error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData(0UL, "not a valid safetensors header")]
    [InlineData(3UL, "at most 2")]
    [InlineData(ulong.MaxValue, "at most 2")]
    public void HeaderLengthIsCheckedAgainstTheFile(ulong length, string reason)
    {
        WriteRaw(folder["bad"], length, "{}", 0);
        Assert.Contains(reason, Assert.Throws<EmovaException>(() => SafetensorsFile.Open(folder["bad"]).Dispose()).Message);
    }

    [Fact]
    public void DeepNestingIsRefused()
    {
        string header = $"{{\"__metadata__\":{string.Concat(Enumerable.Repeat("{\"a\":", 100_000))}";
        WriteRaw(folder["deep"], (ulong)header.Length, header, 0);
        Assert.Throws<EmovaException>(() => SafetensorsFile.Open(folder["deep"]).Dispose());
    }

    [Fact]
    public void MissingShortAndDirectoryPathsAreRefused()
    {
        Assert.Contains("cannot open", Assert.Throws<EmovaException>(() => SafetensorsFile.Open(folder["none"])).Message);
        Assert.Contains("cannot open", Assert.Throws<EmovaException>(() => SafetensorsFile.Open(folder.Folder)).Message);
        File.WriteAllBytes(folder["short"], [1, 2, 3]);
        Assert.Contains("3 bytes", Assert.Throws<EmovaException>(() => SafetensorsFile.Open(folder["short"])).Message);
    }

    [Fact]
    public void AnyMutationIsReadOrRefusedCleanly()
    {
        using FixtureCase fixture = Fixtures.Open("fsq");
        byte[] original = File.ReadAllBytes(fixture.PathOf("outputs.safetensors"));
        int header = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(original);
        int accepted = 0, refused = 0;
        Gen<(int, byte)[]> mutations = Gen.Select(Gen.Int[0, header - 1], Gen.Byte).Array[1, 3];
        Gen.Select(mutations, Gen.Int[0, 4]).Sample((changes, cut) =>
        {
            byte[] bytes = original[..(original.Length - cut / 4)];
            foreach ((int position, byte value) in changes)
                bytes[position] = value;
            File.WriteAllBytes(folder["m"], bytes);
            try
            {
                using SafetensorsFile file = SafetensorsFile.Open(folder["m"]);
                foreach (TensorInfo tensor in file.Tensors.Values)
                    Assert.Equal(tensor.ByteLength, file.ReadBytes(tensor.Name).Length);
                accepted++;
            }
            catch (EmovaException e)
            {
                Assert.DoesNotContain('\n', e.Message);
                refused++;
            }
        }, iter: 1000, threads: 1);
        Assert.True(accepted > 0 && refused > 0, $"{accepted} accepted, {refused} refused");
    }

    [Fact]
    public void ReadersNameTheTensorAndItsType()
    {
        SafetensorsWriter.Write(folder["a"], [TensorData.F32("w", [1], [1]), TensorData.I64("n", [1], [1])]);
        using SafetensorsFile file = SafetensorsFile.Open(folder["a"]);
        Assert.Contains("has no tensor 'x'", Assert.Throws<EmovaException>(() => file.ReadFloat32("x")).Message);
        Assert.Contains("'n' has type I64", Assert.Throws<EmovaException>(() => file.ReadFloat32("n")).Message);
        Assert.Contains("'w' has type F32", Assert.Throws<EmovaException>(() => file.ReadInt64("w")).Message);
    }

    [Fact]
    public void WriterRefusesInconsistentTensorsAndKeepsTheOldFile()
    {
        SafetensorsWriter.Write(folder["a"], [TensorData.F32("w", [1], [1])]);
        byte[] before = File.ReadAllBytes(folder["a"]);
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(folder["a"], [TensorData.F32("w", [2], [1])]));
        Assert.Throws<ArgumentException>(() =>
            SafetensorsWriter.Write(folder["a"], [TensorData.F32("w", [1], [1]), TensorData.F32("w", [1], [1])]));
        Assert.Throws<EmovaException>(() => SafetensorsWriter.Write(folder["no/such"], [TensorData.F32("w", [1], [1])]));
        Assert.Equal(before, File.ReadAllBytes(folder["a"]));
    }

    private static void WriteRaw(string path, ulong headerLength, string header, int dataBytes)
    {
        byte[] length = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, headerLength);
        File.WriteAllBytes(path, [.. length, .. Encoding.UTF8.GetBytes(header), .. new byte[dataBytes]]);
    }
}

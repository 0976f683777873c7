using System.Buffers.Binary;

namespace Emova.Numerics.Emitted;

/// <summary>General registers that both calling conventions of x86-64 let a function overwrite, and the two that carry its first argument.</summary>
internal enum Register
{
    Rax = 0,
    Rcx = 1,
    Rdx = 2,
    Rdi = 7,
    R8 = 8,
    R9 = 9,
    R10 = 10,
    R11 = 11,
}

/// <summary>A place in memory: base + index * scale + displacement.</summary>
internal readonly record struct Address(Register Base, int Displacement = 0, Register? Index = null, int Scale = 1);

/// <summary>
/// Writes the few instructions that the emitted kernels consist of: moves and additions of 64-bit registers, and 512-bit vector
/// instructions in the EVEX encoding (Intel's manual, volume 2, 2.7). Vector registers are numbers, 0 to 31.
/// </summary>
internal sealed class EvexAssembler
{
    private const int Map0F = 1, Map0F38 = 2;
    private const int NoPrefix = 0, Prefix66 = 1, PrefixF3 = 2;
    private const int VectorBytes = 64;

    private readonly List<byte> code = [];

    /// <summary>The instructions so far.</summary>
    public byte[] ToArray() => [.. code];

    /// <summary>The place of the next instruction, to jump back to.</summary>
    public int Here => code.Count;

    // General registers

    public void Move(Register target, Register source) => code.AddRange([Rex(source, target), 0x89, ModRM(3, (int)source, (int)target)]);

    public void Load(Register target, Address source) => Memory64(0x8B, (int)target, source);

    public void Store(Address target, Register source) => Memory64(0x89, (int)source, target);

    /// <summary>target = the address itself.</summary>
    public void LoadAddress(Register target, Address address) => Memory64(0x8D, (int)target, address);

    public void Add(Register target, int value)
    {
        code.AddRange([Rex(0, target), 0x81, ModRM(3, 0, (int)target)]);
        Int32(value);
    }

    public void Add(Register target, Register value) => code.AddRange([Rex(value, target), 0x01, ModRM(3, (int)value, (int)target)]);

    public void Add(Register target, Address value) => Memory64(0x03, (int)target, value);

    /// <summary>Counts a register or memory down and jumps back unless it has become zero.</summary>
    public void DecrementAndLoop(Register counter, int target)
    {
        code.AddRange([Rex(0, counter), 0xFF, ModRM(3, 1, (int)counter)]);
        JumpIfNotZero(target);
    }

    /// <inheritdoc cref="DecrementAndLoop(Register, int)"/>
    public void DecrementAndLoop(Address counter, int target)
    {
        Memory64(0xFF, 1, counter);
        JumpIfNotZero(target);
    }

    /// <summary>Clears the upper halves of the vector registers that older code uses too, and returns.</summary>
    public void Return() => code.AddRange([0xC5, 0xF8, 0x77, 0xC3]);

    // Vectors

    /// <summary>vmovups</summary>
    public void LoadVector(int target, Address source) => Vector(Map0F, NoPrefix, 0x10, target, 0, source, VectorBytes);

    /// <summary>vmovups</summary>
    public void StoreVector(Address target, int source) => Vector(Map0F, NoPrefix, 0x11, source, 0, target, VectorBytes);

    /// <summary>vmovaps</summary>
    public void MoveVector(int target, int source) => Vector(Map0F, NoPrefix, 0x28, target, 0, source);

    /// <summary>vpxord of a register with itself</summary>
    public void Clear(int target) => Vector(Map0F, Prefix66, 0xEF, target, target, target);

    /// <summary>vpbroadcastd from memory</summary>
    public void Broadcast(int target, Address source) => Vector(Map0F38, Prefix66, 0x58, target, 0, source, sizeof(int));

    /// <summary>vpmovzxwd: 16 words become 16 double words.</summary>
    public void LoadWords(int target, Address source) => Vector(Map0F38, Prefix66, 0x33, target, 0, source, VectorBytes / 2);

    /// <summary>vpandd with a broadcast double word</summary>
    public void And(int target, int source, Address mask) => Vector(Map0F, Prefix66, 0xDB, target, source, mask, sizeof(int), broadcast: true);

    /// <summary>vpsrlw</summary>
    public void ShiftWordsRight(int target, int source, byte count) => Shift(0x71, 2, target, source, count);

    /// <summary>vpslld</summary>
    public void ShiftLeft(int target, int source, byte count) => Shift(0x72, 6, target, source, count);

    /// <summary>vpaddd</summary>
    public void AddIntegers(int target, int a, int b) => Vector(Map0F, Prefix66, 0xFE, target, a, b);

    /// <summary>vpdpbusd: four products of unsigned by signed bytes, summed and added to each double word.</summary>
    public void DotBytes(int sum, int unsigned, Address signed) => Vector(Map0F38, Prefix66, 0x50, sum, unsigned, signed, sizeof(int), broadcast: true);

    /// <summary>vdpbf16ps: two products of bfloat16 values, added to each float.</summary>
    public void DotBFloat16(int sum, int a, Address b) => Vector(Map0F38, PrefixF3, 0x52, sum, a, b, sizeof(int), broadcast: true);

    /// <summary>vcvtdq2ps</summary>
    public void ToFloats(int target, int integers) => Vector(Map0F, NoPrefix, 0x5B, target, 0, integers);

    /// <summary>vmulps with a broadcast float</summary>
    public void Multiply(int target, int a, Address b) => Vector(Map0F, NoPrefix, 0x59, target, a, b, sizeof(float), broadcast: true);

    /// <summary>vfmadd231ps: sum += a * b with one rounding.</summary>
    public void MultiplyAdd(int sum, int a, int b) => Vector(Map0F38, Prefix66, 0xB8, sum, a, b);

    private static byte Rex(Register reg, Register rm) => (byte)(0x48 | (int)reg >> 3 << 2 | (int)rm >> 3);

    private static byte ModRM(int mode, int reg, int rm) => (byte)(mode << 6 | (reg & 7) << 3 | rm & 7);

    private void Memory64(byte opcode, int reg, Address address)
    {
        int index = (int)(address.Index ?? 0);
        code.AddRange([(byte)(0x48 | reg >> 3 << 2 | index >> 3 << 1 | (int)address.Base >> 3), opcode]);
        Operand(reg, address, displacementUnit: 1);
    }

    private void JumpIfNotZero(int target)
    {
        code.AddRange([0x0F, 0x85]);
        Int32(target - (code.Count + sizeof(int)));
    }

    private void Vector(int map, int prefix, byte opcode, int reg, int second, int rm)
    {
        Evex(map, prefix, reg, second, rm >> 4 & 1, rm >> 3 & 1, broadcast: false);
        code.AddRange([opcode, ModRM(3, reg, rm)]);
    }

    private void Vector(int map, int prefix, byte opcode, int reg, int second, Address address, int operandBytes, bool broadcast = false)
    {
        Evex(map, prefix, reg, second, (int)(address.Index ?? 0) >> 3, (int)address.Base >> 3, broadcast);
        code.Add(opcode);
        Operand(reg, address, operandBytes);
    }

    private void Shift(byte opcode, int extension, int target, int source, byte count)
    {
        Evex(Map0F, Prefix66, extension, target, source >> 4 & 1, source >> 3 & 1, broadcast: false);
        code.AddRange([opcode, ModRM(3, extension, source), count]);
    }

    /// <summary>The prefix: register bits are stored inverted, and the vector length is always 512 bits.</summary>
    private void Evex(int map, int prefix, int reg, int second, int x, int b, bool broadcast)
    {
        code.AddRange(
        [
            0x62,
            (byte)((~reg >> 3 & 1) << 7 | (1 - x) << 6 | (1 - b) << 5 | (~reg >> 4 & 1) << 4 | map),
            (byte)((~second & 15) << 3 | 4 | prefix),
            (byte)(2 << 5 | (broadcast ? 1 << 4 : 0) | (~second >> 4 & 1) << 3),
        ]);
    }

    /// <summary>A memory operand. A displacement of one byte counts in units of the operand's size.</summary>
    private void Operand(int reg, Address address, int displacementUnit)
    {
        const int sib = 4, noBaseWithoutDisplacement = 5;
        int low = (int)address.Base & 7;
        bool isShort = address.Displacement % displacementUnit == 0 && address.Displacement / displacementUnit is >= sbyte.MinValue and <= sbyte.MaxValue;
        int mode = address.Displacement == 0 && low != noBaseWithoutDisplacement ? 0 : isShort ? 1 : 2;
        if (address.Index is Register index)
            code.AddRange([ModRM(mode, reg, sib), ModRM(int.Log2(address.Scale), (int)index, low)]);
        else
            code.Add(ModRM(mode, reg, low));
        if (mode == 1) code.Add((byte)(sbyte)(address.Displacement / displacementUnit));
        else if (mode == 2) Int32(address.Displacement);
    }

    private void Int32(int value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        code.AddRange(bytes);
    }
}

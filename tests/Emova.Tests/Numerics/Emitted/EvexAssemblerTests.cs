using Emova.Numerics.Emitted;
using Xunit;
using static Emova.Numerics.Emitted.Register;

namespace Emova.Tests.Numerics.Emitted;

public sealed class EvexAssemblerTests
{
    /// <summary>Instruction, its bytes as GNU as 2.40 writes them, and how to ask for it.</summary>
    private static readonly (string Instruction, string Bytes, Action<EvexAssembler> Write)[] Instructions =
    [
        ("mov rax, rdi", "48 89 F8", a => a.Move(Rax, Rdi)),
        ("mov rax, rcx", "48 89 C8", a => a.Move(Rax, Rcx)),
        ("mov rcx, [rax + 8]", "48 8B 48 08", a => a.Load(Rcx, new Address(Rax, 8))),
        ("mov r11, [rax + 40]", "4C 8B 58 28", a => a.Load(R11, new Address(Rax, 40))),
        ("mov [rax + 300], r8", "4C 89 80 2C 01 00 00", a => a.Store(new Address(Rax, 300), R8)),
        ("lea r11, [r10 + r10 * 2]", "4F 8D 1C 52", a => a.LoadAddress(R11, new Address(R10, 0, R10, 2))),
        ("add rcx, 576", "48 81 C1 40 02 00 00", a => a.Add(Rcx, 576)),
        ("add r10, r11", "4D 01 DA", a => a.Add(R10, R11)),
        ("add r8, [rax + 16]", "4C 03 40 10", a => a.Add(R8, new Address(Rax, 16))),
        ("dec rdx; jnz .-9", "48 FF CA 0F 85 F7 FF FF FF", a => a.DecrementAndLoop(Rdx, 0)),
        ("dec qword ptr [rax + 64]; jnz .-10", "48 FF 48 40 0F 85 F6 FF FF FF", a => a.DecrementAndLoop(new Address(Rax, 64), 0)),
        ("vzeroupper; ret", "C5 F8 77 C3", a => a.Return()),
        ("vmovups zmm31, [rcx + 64]", "62 61 7C 48 10 79 01", a => a.LoadVector(31, new Address(Rcx, 64))),
        ("vmovups zmm24, [rcx + 100]", "62 61 7C 48 10 81 64 00 00 00", a => a.LoadVector(24, new Address(Rcx, 100))),
        ("vmovups zmm3, [r9 + r11 * 2]", "62 91 7C 48 10 1C 59", a => a.LoadVector(3, new Address(R9, 0, R11, 2))),
        ("vmovups [r10], zmm16", "62 C1 7C 48 11 02", a => a.StoreVector(new Address(R10), 16)),
        ("vmovups [r8 + r10 + 128], zmm5", "62 91 7C 48 11 6C 10 02", a => a.StoreVector(new Address(R8, 128, R10), 5)),
        ("vmovaps zmm17, zmm2", "62 E1 7C 48 28 CA", a => a.MoveVector(17, 2)),
        ("vpxord zmm20, zmm20, zmm20", "62 A1 5D 40 EF E4", a => a.Clear(20)),
        ("vpbroadcastd zmm1, [r8 + 144]", "62 D2 7D 48 58 48 24", a => a.Broadcast(1, new Address(R8, 144))),
        ("vpmovzxwd zmm0, [rcx + 32]", "62 F2 7D 48 33 41 01", a => a.LoadWords(0, new Address(Rcx, 32))),
        ("vpandd zmm25, zmm9, [rax + 48]{1to16}", "62 61 35 58 DB 48 0C", a => a.And(25, 9, new Address(Rax, 48))),
        ("vpsrlw zmm28, zmm24, 4", "62 91 1D 40 71 D0 04", a => a.ShiftWordsRight(28, 24, 4)),
        ("vpslld zmm0, zmm17, 16", "62 B1 7D 48 72 F1 10", a => a.ShiftLeft(0, 17, 16)),
        ("vpaddd zmm1, zmm18, zmm31", "62 91 6D 40 FE CF", a => a.AddIntegers(1, 18, 31)),
        ("vpdpbusd zmm1, zmm24, [r8 + 284]{1to16}", "62 D2 3D 50 50 48 47", a => a.DotBytes(1, 24, new Address(R8, 284))),
        ("vpdpbusd zmm22, zmm4, [r9 + 1024]{1to16}", "62 C2 5D 58 50 B1 00 04 00 00", a => a.DotBytes(22, 4, new Address(R9, 1024))),
        ("vdpbf16ps zmm16, zmm2, [r9 + r10 * 2 + 4]{1to16}", "62 82 6E 58 52 44 51 01", a => a.DotBFloat16(16, 2, new Address(R9, 4, R10, 2))),
        ("vcvtdq2ps zmm19, zmm30", "62 81 7C 48 5B DE", a => a.ToFloats(19, 30)),
        ("vmulps zmm5, zmm0, [r9 + 128]{1to16}", "62 D1 7C 58 59 69 20", a => a.Multiply(5, 0, new Address(R9, 128))),
        ("vfmadd231ps zmm23, zmm5, zmm21", "62 A2 55 48 B8 FD", a => a.MultiplyAdd(23, 5, 21)),
    ];

    [Fact]
    public void EveryInstructionHasItsEncoding()
    {
        foreach ((string instruction, string bytes, Action<EvexAssembler> write) in Instructions)
        {
            EvexAssembler assembler = new();
            write(assembler);
            Assert.Equal($"{instruction}: {bytes}", $"{instruction}: {string.Join(' ', assembler.ToArray().Select(b => $"{b:X2}"))}");
            Assert.Equal(assembler.Here, assembler.ToArray().Length);
        }
    }
}

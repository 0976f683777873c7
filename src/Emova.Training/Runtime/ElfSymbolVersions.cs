using System.Buffers.Binary;
using System.Text;

namespace Emova.Training.Runtime;

/// <summary>
/// The symbol-version tables of a 64-bit little-endian ELF shared object: which versions it defines (`.gnu.version_d`),
/// which it needs from other libraries (`.gnu.version_r`), and which undefined symbols carry a needed version.
/// </summary>
internal sealed class ElfSymbolVersions
{
    /// <summary>VER_FLG_WEAK: the dynamic linker only warns when a version marked so is absent.</summary>
    public const ushort WeakFlag = 0x2;

    private const uint SectionDynamicSymbols = 11;
    private const uint SectionVersionDefinitions = 0x6ffffffd;
    private const uint SectionVersionNeeds = 0x6ffffffe;
    private const uint SectionVersionSymbols = 0x6fffffff;
    private const int SymbolSize = 24;

    private readonly byte[] _image;
    private readonly Dictionary<uint, Section> _sections = [];
    private readonly List<Section> _all = [];

    /// <summary>One needed version: the library it is expected in, its name, and where its flags are in the file.</summary>
    public readonly record struct Need(string Library, string Version, ushort Flags, ushort Index, int FlagsOffset);

    private readonly record struct Section(uint Type, int Offset, int Size, int Link, int Info);

    public ElfSymbolVersions(byte[] image)
    {
        ArgumentNullException.ThrowIfNull(image);
        _image = image;
        if (image.Length < 64 || !image.AsSpan(0, 4).SequenceEqual("\u007fELF"u8) || image[4] != 2 || image[5] != 1)
            throw new InvalidDataException("not a 64-bit little-endian ELF file");
        long table = (long)U64(0x28);
        int entrySize = U16(0x3A), count = U16(0x3C);
        if (entrySize < 64 || table < 0 || table + (long)entrySize * count > image.Length)
            throw new InvalidDataException("the ELF section table lies outside the file");
        for (int i = 0; i < count; i++)
        {
            int at = (int)table + i * entrySize;
            Section section = new(U32(at + 4), (int)U64(at + 24), (int)U64(at + 32), (int)U32(at + 40), (int)U32(at + 44));
            _all.Add(section);
            _sections.TryAdd(section.Type, section);
        }
    }

    /// <summary>Names of the versions this library defines, for example "GLIBCXX_3.4.30".</summary>
    public HashSet<string> Defined()
    {
        HashSet<string> names = [];
        if (!_sections.TryGetValue(SectionVersionDefinitions, out Section section)) return names;
        int strings = _all[section.Link].Offset;
        int at = section.Offset;
        for (int i = 0; i < section.Info; i++)
        {
            int auxiliary = at + (int)U32(at + 12);
            names.Add(Text(strings + (int)U32(auxiliary)));
            at += (int)U32(at + 16);
        }
        return names;
    }

    /// <summary>All versions needed from other libraries.</summary>
    public List<Need> Needed()
    {
        List<Need> needs = [];
        if (!_sections.TryGetValue(SectionVersionNeeds, out Section section)) return needs;
        int strings = _all[section.Link].Offset;
        int at = section.Offset;
        for (int i = 0; i < section.Info; i++)
        {
            string library = Text(strings + (int)U32(at + 4));
            int count = U16(at + 2);
            int entry = at + (int)U32(at + 8);
            for (int k = 0; k < count; k++)
            {
                needs.Add(new Need(library, Text(strings + (int)U32(entry + 8)), U16(entry + 4), U16(entry + 6), entry + 4));
                entry += (int)U32(entry + 12);
            }
            at += (int)U32(at + 12);
        }
        return needs;
    }

    /// <summary>Names of the dynamic symbols that carry the given version index.</summary>
    public List<string> SymbolsOf(ushort versionIndex)
    {
        List<string> names = [];
        if (!_sections.TryGetValue(SectionDynamicSymbols, out Section symbols) || !_sections.TryGetValue(SectionVersionSymbols, out Section versions))
            return names;
        int strings = _all[symbols.Link].Offset;
        for (int i = 0; i < symbols.Size / SymbolSize; i++)
            if ((U16(versions.Offset + 2 * i) & 0x7fff) == versionIndex)
                names.Add(Text(strings + (int)U32(symbols.Offset + i * SymbolSize)));
        return names;
    }

    private ushort U16(int at) => BinaryPrimitives.ReadUInt16LittleEndian(_image.AsSpan(at));

    private uint U32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(_image.AsSpan(at));

    private ulong U64(int at) => BinaryPrimitives.ReadUInt64LittleEndian(_image.AsSpan(at));

    private string Text(int at)
    {
        ReadOnlySpan<byte> rest = _image.AsSpan(at);
        int end = rest.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
    }
}

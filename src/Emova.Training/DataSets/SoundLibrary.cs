using System.Runtime.InteropServices;
using Emova.Media;

namespace Emova.Training.DataSets;

/// <summary>
/// MP3, Ogg Vorbis and Opus by way of libsndfile (Debian package libsndfile1, version 1.1 or later), for corpora such as Common Voice.
/// WAV and FLAC are read by the runtime's own code and need no library.
/// </summary>
public static unsafe partial class SoundLibrary
{
    private const string Library = "libsndfile.so.1";
    private const int ModeRead = 0x10;
    private const int BlockFrames = 16384;
    private const int MostChannels = 8;

    /// <summary>Whether the library can be loaded on this machine.</summary>
    public static bool IsAvailable => NativeLibrary.TryLoad(Library, out _);

    /// <summary>Whether a file is of a format that only the library reads, by its name.</summary>
    public static bool IsNeeded(string path) => Path.GetExtension(path).ToLowerInvariant() is ".mp3" or ".ogg" or ".opus" or ".oga";

    /// <summary>Whether a recording is of such a format, by its first bytes.</summary>
    public static bool IsNeeded(ReadOnlySpan<byte> bytes) =>
        bytes.StartsWith("OggS"u8) || bytes.StartsWith("ID3"u8) || (bytes.Length > 1 && bytes[0] == 0xFF && (bytes[1] & 0xE0) == 0xE0);

    /// <summary>Decodes a recording; channels are averaged.</summary>
    /// <param name="bytes">content of the file</param>
    /// <param name="name">for messages</param>
    /// <param name="longest">longest recording accepted</param>
    /// <exception cref="MissingLibraryException">The library is not installed.</exception>
    /// <exception cref="EmovaException">The recording is damaged or too long.</exception>
    public static AudioClip Decode(byte[] bytes, string name, TimeSpan longest)
    {
        if (!IsAvailable)
        {
            throw new MissingLibraryException(
                $"{name}: MP3, Ogg and Opus need {Library}: apt-get install libsndfile1, or convert the recordings first: ffmpeg -i IN.mp3 -ar 16000 -ac 1 OUT.wav");
        }

        fixed (byte* data = bytes)
        {
            Memory memory = new() { Data = data, Length = bytes.Length };
            VirtualFile file = new() { Length = &LengthOf, Seek = &Seek, Read = &Read, Write = &Write, Tell = &Tell };
            Format format = default;
            nint sound = sf_open_virtual(&file, ModeRead, &format, &memory);
            if (sound == 0)
            {
                throw new EmovaException($"{name}: damaged, or a format that libsndfile does not read: {Marshal.PtrToStringUTF8(sf_strerror(0))}");
            }

            try
            {
                return Decode(sound, format, name, longest);
            }
            finally
            {
                _ = sf_close(sound);
            }
        }
    }

    private static AudioClip Decode(nint sound, Format format, string name, TimeSpan longest)
    {
        if (format.Channels is < 1 or > MostChannels || format.SampleRate is < 1 or > 768000)
        {
            throw new EmovaException($"{name}: {format.Channels} channels at {format.SampleRate} Hz");
        }

        long limit = (long)(longest.TotalSeconds * format.SampleRate);
        float[] block = new float[BlockFrames * format.Channels];
        List<float> samples = [];
        fixed (float* target = block)
        {
            for (long frames; (frames = sf_readf_float(sound, target, BlockFrames)) > 0;)
            {
                for (int i = 0; i < frames; i++)
                {
                    float sum = 0;
                    for (int c = 0; c < format.Channels; c++)
                    {
                        sum += block[(i * format.Channels) + c];
                    }

                    samples.Add(sum / format.Channels);
                }

                if (samples.Count > limit)
                {
                    throw new EmovaException($"{name}: the recording is longer than the limit of {longest.TotalSeconds:0.#} s");
                }
            }
        }

        return samples.Count > 0 ? new AudioClip([.. samples], format.SampleRate) : throw new EmovaException($"{name}: no samples could be decoded");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static long LengthOf(Memory* memory) => memory->Length;

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static long Seek(long offset, int origin, Memory* memory)
    {
        long target = offset + (origin == 0 ? 0 : origin == 1 ? memory->Position : memory->Length);
        if (target < 0 || target > memory->Length)
        {
            return -1;
        }

        memory->Position = target;
        return target;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static long Read(void* target, long count, Memory* memory)
    {
        count = Math.Clamp(count, 0, memory->Length - memory->Position);
        Buffer.MemoryCopy(memory->Data + memory->Position, target, count, count);
        memory->Position += count;
        return count;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static long Write(void* source, long count, Memory* memory) => 0;

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static long Tell(Memory* memory) => memory->Position;

    [LibraryImport(Library)]
    private static partial nint sf_open_virtual(VirtualFile* file, int mode, Format* format, Memory* user);

    [LibraryImport(Library)]
    private static partial long sf_readf_float(nint sound, float* target, long frames);

    [LibraryImport(Library)]
    private static partial int sf_close(nint sound);

    [LibraryImport(Library)]
    private static partial nint sf_strerror(nint sound);

    /// <summary>What the callbacks read from.</summary>
    private struct Memory
    {
        public byte* Data;
        public long Length;
        public long Position;
    }

    /// <summary>SF_VIRTUAL_IO of sndfile.h.</summary>
    private struct VirtualFile
    {
        public delegate* unmanaged[Cdecl]<Memory*, long> Length;
        public delegate* unmanaged[Cdecl]<long, int, Memory*, long> Seek;
        public delegate* unmanaged[Cdecl]<void*, long, Memory*, long> Read;
        public delegate* unmanaged[Cdecl]<void*, long, Memory*, long> Write;
        public delegate* unmanaged[Cdecl]<Memory*, long> Tell;
    }

    /// <summary>SF_INFO of sndfile.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Format
    {
        public long Frames;
        public int SampleRate;
        public int Channels;
        public int Kind;
        public int Sections;
        public int Seekable;
    }
}

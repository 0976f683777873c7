namespace Emova.Media;

/// <summary>The two codes of ITU-T G.711: 8 bits a sample, finer steps near silence; telephones send them at 8 kHz.</summary>
public static class G711
{
    // 16-bit samples; the law itself has 14 bits (mu) and 13 bits (A).
    private const int MuBias = 0x84, MuClip = 32635, AClip = 32767;

    private static readonly float[] MuTable = CreateTable(DecodeMu), ATable = CreateTable(DecodeA);

    /// <summary>The sample of a mu-law code, full scale = 1.</summary>
    public static float FromMuLaw(byte code) => MuTable[code];

    /// <summary>The sample of an A-law code, full scale = 1.</summary>
    public static float FromALaw(byte code) => ATable[code];

    /// <summary>The mu-law code of a sample, full scale = 1; louder ones are clipped.</summary>
    public static byte ToMuLaw(float sample)
    {
        int value = WavWriter.ToPcm16(sample), sign = value < 0 ? 0x80 : 0;
        int magnitude = Math.Min(Math.Abs(value), MuClip) + MuBias;
        int exponent = Math.Max(0, int.Log2(magnitude) - 7);
        return (byte)~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0F));
    }

    /// <summary>The A-law code of a sample, full scale = 1; louder ones are clipped.</summary>
    public static byte ToALaw(float sample)
    {
        int value = WavWriter.ToPcm16(sample), sign = value < 0 ? 0 : 0x80;
        int magnitude = Math.Min(value < 0 ? ~value : value, AClip);
        int exponent = magnitude < 256 ? 0 : int.Log2(magnitude) - 7;
        int mantissa = magnitude >> (exponent == 0 ? 4 : exponent + 3);
        return (byte)((sign | (exponent << 4) | (mantissa & 0x0F)) ^ 0x55);
    }

    private static int DecodeMu(int code)
    {
        code = ~code & 0xFF;
        int magnitude = ((((code & 0x0F) << 3) + MuBias) << ((code >> 4) & 7)) - MuBias;
        return (code & 0x80) != 0 ? -magnitude : magnitude;
    }

    private static int DecodeA(int code)
    {
        code ^= 0x55;
        int exponent = (code >> 4) & 7, magnitude = ((code & 0x0F) << 4) + 8;
        if (exponent > 0)
            magnitude = (magnitude + 0x100) << (exponent - 1);
        return (code & 0x80) != 0 ? magnitude : -magnitude;
    }

    private static float[] CreateTable(Func<int, int> decode)
    {
        float[] table = new float[256];
        for (int code = 0; code < table.Length; code++)
            table[code] = decode(code) / 32768f;
        return table;
    }
}

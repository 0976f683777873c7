namespace Emova.Media;

/// <summary>How <see cref="WavWriter"/> stores samples.</summary>
public enum WavEncoding
{
    /// <summary>16-bit integers; samples outside -1..1 are clipped.</summary>
    Pcm16,

    /// <summary>32-bit IEEE floats; exact.</summary>
    IeeeFloat,
}

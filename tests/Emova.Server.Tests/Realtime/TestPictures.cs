namespace Emova.Server.Tests.Realtime;

/// <summary>A picture as bytes of a file.</summary>
internal static class TestPictures
{
    public static byte[] Png() => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Realtime", "rainbow.png"));
}

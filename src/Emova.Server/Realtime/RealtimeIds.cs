using System.Security.Cryptography;

namespace Emova.Server.Realtime;

/// <summary>Names for sessions, items, responses and events: a prefix and 21 random letters and digits, as clients know them.</summary>
internal class RealtimeIds
{
    private const string Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    public virtual string Next(string prefix) => $"{prefix}_{RandomNumberGenerator.GetString(Alphabet, 21)}";
}

using System.Globalization;
using System.Security.Cryptography;
using Emova.Models.Language;
using Emova.Models.Speech;

namespace Emova.Server.Engine;

/// <summary>Describes a loaded model.</summary>
internal static class EngineInfoReader
{
    // Less has no room for the question and the form of a spoken reply.
    private const int MinContext = 256;

    public static EngineInfo Read(Assistant assistant, ServerOptions options)
    {
        string folder = Path.GetFullPath(options.Model);
        string name = options.ModelName.Length > 0 ? options.ModelName : Path.GetFileName(Path.TrimEndingDirectorySeparator(folder));
        FileInfo[] weights = [.. new DirectoryInfo(folder).GetFiles("*.safetensors").OrderBy(file => file.Name, StringComparer.Ordinal)];
        DateTime created = weights.Length == 0 ? DateTime.UnixEpoch : weights.Max(file => file.LastWriteTimeUtc);
        int context = assistant.ContextLength(options.Engine.ContextLength == 0 ? null : options.Engine.ContextLength);
        if (options.Engine.MaxConversationBytes > 0)
            context = (int)Math.Min(context, options.Engine.MaxConversationBytes / KvCache.SizeFor(assistant.Model.Language.Config, 1));
        if (context < MinContext)
            throw new EmovaException($"Emova:Engine:MaxConversationBytes is {options.Engine.MaxConversationBytes}, which is {context} positions; allowed are {MinContext} positions or more");
        return new EngineInfo(
            name, new DateTimeOffset(created, TimeSpan.Zero), Fingerprint(weights), assistant.SpeechParts.Encoder is not null,
            assistant.SpeechParts.Decoder is not null && assistant.Styles is not null, assistant.Model.Vision is not null,
            [.. assistant.Styles?.Names ?? [], .. assistant.SpeechParts.Voices.SelectMany(NamesOf)],
            assistant.SpeechParts.Decoder?.SampleRate ?? 0, context, assistant.Template.SystemText) { Speakers = assistant.SpeechParts.Voices };
    }

    /// <summary>A speaker's name, and its name with every emotion and pitch of the register that is its own.</summary>
    private static IEnumerable<string> NamesOf(Voice speaker) =>
        speaker.Styles.Names.Where(style => style.StartsWith(speaker.Gender + "-", StringComparison.Ordinal))
            .Select(style => speaker.Name + style[speaker.Gender.Length..]).Prepend(speaker.Name);

    /// <summary>Names, sizes and times of the weight files and the version of the program: reading gigabytes for a label would not pay.</summary>
    private static string Fingerprint(FileInfo[] weights)
    {
        string text = string.Join(';', weights.Select(file => string.Create(CultureInfo.InvariantCulture, $"{file.Name}:{file.Length}:{file.LastWriteTimeUtc.Ticks}")));
        string version = typeof(EngineInfoReader).Assembly.ManifestModule.ModuleVersionId + typeof(Assistant).Assembly.ManifestModule.ModuleVersionId.ToString();
        return "fp_" + Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text + version)))[..12];
    }
}

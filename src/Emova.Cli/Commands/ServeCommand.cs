using System.CommandLine;
using Emova.Server;
using Emova.Server.Security;

namespace Emova.Cli.Commands;

/// <summary><c>emova serve</c>: the model behind OpenAI's HTTP and Realtime protocols.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        Option<string?> host = new("--host") { Description = "Address to listen on. Default: 127.0.0.1.", HelpName = "IP" };
        Option<int?> port = new("--port") { Description = "Port; 0 takes a free one. Default: 8080.", HelpName = "N" };
        Option<string[]> voices = new("--voice") { Description = "Folder of a speaker to add to the model's voices; may be given several times.", HelpName = "DIR", DefaultValueFactory = _ => [] };
        Option<string?> name = new("--model-name") { Description = "The model's name in the protocol. Default: the name of its folder.", HelpName = "NAME" };
        Option<string?> keys = new("--api-key-file") { Description = "File with hashed API keys; without it there are none.", HelpName = "FILE" };
        Option<string?> newKey = new("--new-api-key") { Description = "Make a key of that name, add its hash to --api-key-file, show the key once, and end.", HelpName = "NAME" };
        Option<int?> slots = new("--slots") { Description = "Replies written at the same time, 1 to 256. Default: 8.", HelpName = "N" };
        Option<string?> config = new("--config") { Description = "Settings file. Default: appsettings.json of the current folder, if there is one.", HelpName = "FILE" };
        ExampleCommand command = new(
            "serve", "Serve the model to OpenAI clients over HTTP and WebSocket.",
            "emova serve", "emova serve --port 9000 --config server.json", "emova serve --api-key-file keys --new-api-key ann")
        { host, port, voices, name, keys, newKey, slots, config, common.Model, common.SpeechTokenizer, common.Adapter, common.Threads };
        command.SetAction(async (parsed, cancellation) =>
        {
            if (parsed.GetValue(newKey) is { } owner)
            {
                string file = parsed.GetValue(keys) ?? throw new EmovaException("--new-api-key needs --api-key-file FILE");
                Console.Out.WriteLine(ApiKeys.Create(file, owner));
                return Application.Success;
            }

            common.ApplyThreads(parsed);
            Dictionary<string, string?> settings = [];
            Set("Model", common.ModelFolder(parsed));
            Set("SpeechTokenizer", common.SpeechTokenizerFolder(parsed));
            Set("Adapter", parsed.GetValue(common.Adapter)?.LastOrDefault());
            string[] folders = parsed.GetValue(voices) ?? [];
            for (int i = 0; i < folders.Length; i++) Set(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"Voices:{i}"), folders[i]);
            Set("Host", parsed.GetValue(host));
            Set("Port", parsed.GetValue(port)?.ToString(System.Globalization.CultureInfo.InvariantCulture));
            Set("ModelName", parsed.GetValue(name));
            Set("ApiKeyFile", parsed.GetValue(keys));
            Set("Engine:Slots", parsed.GetValue(slots)?.ToString(System.Globalization.CultureInfo.InvariantCulture));
            await ServerHost.RunAsync(ServerHost.Build(settings, parsed.GetValue(config)), cancellation).ConfigureAwait(false);
            return Application.Success;

            void Set(string key, string? value)
            {
                if (value is not null)
                    settings[$"{ServerOptions.Section}:{key}"] = value;
            }
        });
        return command;
    }
}

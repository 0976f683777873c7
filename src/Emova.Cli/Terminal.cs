using System.Text.Encodings.Web;
using System.Text.Json;
using Spectre.Console;

namespace Emova.Cli;

/// <summary>Results go to standard output, progress to standard error; decoration only where a person watches.</summary>
internal static class Terminal
{
    private static readonly JsonSerializerOptions JsonFormat = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly IAnsiConsole ErrorConsole = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });

    /// <summary>Whether a person reads standard output.</summary>
    public static bool IsInteractive => !Console.IsOutputRedirected;

    /// <summary>Shows a spinner on a terminal while the work is done; nothing elsewhere.</summary>
    public static T WithStatus<T>(string text, Func<T> work) => Console.IsErrorRedirected
        ? work()
        : ErrorConsole.Status().Start(Markup.Escape(text), _ => work());

    /// <summary>A line about progress.</summary>
    public static void Note(string text) => Console.Error.WriteLine(text);

    /// <summary>Writes one JSON value as one line.</summary>
    public static void WriteJson(object value)
    {
        Console.Out.WriteLine(JsonSerializer.Serialize(value, JsonFormat));
        Console.Out.Flush();
    }

    /// <summary>Writes name and value pairs: a table on a terminal, plain lines elsewhere.</summary>
    public static void WritePairs(string title, IEnumerable<(string Name, string Value)> pairs)
    {
        if (!IsInteractive)
        {
            foreach ((string name, string value) in pairs)
                Console.Out.WriteLine($"{name + ":",-24} {value}");
            return;
        }

        Table table = new Table().Title(Markup.Escape(title)).HideHeaders().AddColumn("").AddColumn("").Border(TableBorder.Rounded);
        foreach ((string name, string value) in pairs)
            table.AddRow($"[grey]{Markup.Escape(name)}[/]", Markup.Escape(value));
        AnsiConsole.Write(table);
    }

    /// <summary>Writes rows under headings: a table on a terminal, tab-separated lines elsewhere.</summary>
    public static void WriteRows(string[] headings, IEnumerable<string[]> rows)
    {
        if (!IsInteractive)
        {
            Console.Out.WriteLine(string.Join('\t', headings));
            foreach (string[] row in rows)
                Console.Out.WriteLine(string.Join('\t', row));
            return;
        }

        Table table = new Table().Border(TableBorder.Rounded);
        foreach (string heading in headings)
            table.AddColumn(Markup.Escape(heading));
        foreach (string[] row in rows)
            table.AddRow([.. row.Select(Markup.Escape)]);
        AnsiConsole.Write(table);
    }
}

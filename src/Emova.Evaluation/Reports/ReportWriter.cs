using System.Globalization;
using System.Text;

namespace Emova.Evaluation.Reports;

/// <summary>Writes a report for people: a Markdown table, a plain table for terminals, or into a document between two markers.</summary>
public static class ReportWriter
{
    /// <summary>The generated table begins after this line of a document.</summary>
    public const string BeginMarker = "<!-- evaluation: begin, written by `emova eval`, do not edit -->";

    /// <summary>The generated table ends before this line.</summary>
    public const string EndMarker = "<!-- evaluation: end -->";

    private static readonly string[] Headings = ["part", "figure", "value", "95 % interval", "items", "goal", "met"];

    /// <summary>Markdown with the table, the notes and what was skipped.</summary>
    public static string ToMarkdown(Report report)
    {
        var text = new StringBuilder();
        text.Append("| ").AppendJoin(" | ", Headings).Append(" |\n|---|---|---:|---:|---:|---:|---|\n");
        foreach (Figure figure in report.Figures)
            text.Append("| ").AppendJoin(" | ", Cells(figure)).Append(" |\n");
        foreach (Figure figure in report.Figures.Where(f => f.Note is not null))
            text.Append(CultureInfo.InvariantCulture, $"\n* {figure.Name}: {figure.Note}");
        foreach ((string part, string reason) in report.Skipped.OrderBy(s => s.Key, StringComparer.Ordinal))
            text.Append(CultureInfo.InvariantCulture, $"\n* not measured: {part}: {reason}");
        text.Append(CultureInfo.InvariantCulture, $"\n\nCommand: `{report.Command}` ({report.Seconds.Values.Sum() / 60:0.0} minutes on {report.Machine}).\n");
        return text.ToString();
    }

    /// <summary>A table with aligned columns.</summary>
    public static string ToPlainText(Report report)
    {
        string[][] rows = [Headings, .. report.Figures.Select(Cells)];
        int[] widths = [.. Enumerable.Range(0, Headings.Length).Select(column => rows.Max(row => row[column].Length))];
        var text = new StringBuilder();
        foreach (string[] row in rows)
        {
            for (int column = 0; column < row.Length; column++)
                text.Append(column < 2 ? row[column].PadRight(widths[column] + 2) : row[column].PadLeft(widths[column]) + "  ");
            text.Length -= 2;
            text.Append('\n');
        }
        foreach ((string part, string reason) in report.Skipped.OrderBy(s => s.Key, StringComparer.Ordinal))
            text.Append(CultureInfo.InvariantCulture, $"not measured: {part}: {reason}\n");
        return text.ToString();
    }

    /// <summary>Replaces what stands between the markers of a document.</summary>
    /// <exception cref="EmovaException">A marker is missing.</exception>
    public static string Insert(string document, string documentName, string table) => Insert(document, documentName, table, BeginMarker, EndMarker);

    /// <summary>The same between markers of one's own.</summary>
    /// <exception cref="EmovaException">A marker is missing.</exception>
    public static string Insert(string document, string documentName, string table, string beginMarker, string endMarker)
    {
        int begin = document.IndexOf(beginMarker, StringComparison.Ordinal), end = document.IndexOf(endMarker, StringComparison.Ordinal);
        if (begin < 0 || end < begin) throw new EmovaException($"{documentName}: needs the line '{beginMarker}' and after it '{endMarker}'");
        return $"{document[..begin]}{beginMarker}\n{table}{document[end..]}";
    }

    private static string[] Cells(Figure figure) =>
    [
        figure.Part, figure.Name, figure.ValueText, figure.IntervalText, figure.Items.ToString(CultureInfo.InvariantCulture),
        figure.Target is null ? "" : figure.Target + (figure.Unit.Length == 0 ? "" : " " + figure.Unit),
        figure.Met switch { true => "yes", false => "no", null => "" },
    ];
}

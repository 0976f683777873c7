namespace Emova.Evaluation.Reports;

/// <summary>Reports on disk.</summary>
public static class ReportFiles
{
    /// <summary>Writes evaluation.json, evaluation.md and mistakes.jsonl into a folder, which is created.</summary>
    /// <exception cref="EmovaException">The folder cannot be written.</exception>
    public static void Write(Report report, string folder) => Guard(folder, () =>
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "evaluation.json"), report.ToJson());
        File.WriteAllText(Path.Combine(folder, "evaluation.md"), ReportWriter.ToMarkdown(report));
        File.WriteAllText(Path.Combine(folder, "mistakes.jsonl"), report.MistakesToJsonLines());
    });

    /// <summary>Fails unless a document has the markers, so that a long run does not end in vain.</summary>
    /// <exception cref="EmovaException">The document is missing or has no markers.</exception>
    public static void RequireMarkers(string path) => Guard(path, () => _ = ReportWriter.Insert(File.ReadAllText(path), path, ""));

    /// <summary>Replaces the table between the markers of a document.</summary>
    /// <exception cref="EmovaException">The document cannot be changed or has no markers.</exception>
    public static void InsertTable(Report report, string path) => Guard(path, () =>
        File.WriteAllText(path, ReportWriter.Insert(File.ReadAllText(path), path, ReportWriter.ToMarkdown(report))));

    private static void Guard(string path, Action work)
    {
        try
        {
            work();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{path}: {error.Message.Split('\n')[0]}", error);
        }
    }
}

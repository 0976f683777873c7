namespace Emova.Training.Data;

/// <summary>The checked-in list of concepts, <c>concepts.csv</c>.</summary>
public static class ConceptTable
{
    public static IReadOnlyList<Concept> Load()
    {
        using Stream stream = typeof(ConceptTable).Assembly.GetManifestResourceStream("concepts.csv")
            ?? throw new InvalidOperationException("concepts.csv: not embedded in the program");
        using var reader = new StreamReader(stream);
        var concepts = new List<Concept>();
        string? line = reader.ReadLine(); // column names
        while ((line = reader.ReadLine()) is not null)
        {
            string[] cells = line.Split(',');
            if (cells.Length != 5)
                throw new InvalidDataException($"concepts.csv: '{line}' has {cells.Length} cells, expected 5");
            concepts.Add(new Concept(cells[0], cells[1], cells[2], cells[3], cells[4] == "1"));
        }
        return concepts;
    }
}

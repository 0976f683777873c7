namespace Emova.Evaluation.Metrics;

/// <summary>Levenshtein distance between sequences of anything comparable: words, characters, phones, units.</summary>
public static class EditDistance
{
    /// <summary>The least number of insertions, deletions and substitutions that turn one sequence into the other.</summary>
    public static int Between<T>(ReadOnlySpan<T> reference, ReadOnlySpan<T> hypothesis)
    {
        EqualityComparer<T> comparer = EqualityComparer<T>.Default;
        var row = new int[hypothesis.Length + 1];
        for (int j = 0; j < row.Length; j++) row[j] = j;
        for (int i = 1; i <= reference.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.Length; j++)
            {
                int substitution = diagonal + (comparer.Equals(reference[i - 1], hypothesis[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substitution, 1 + Math.Min(row[j], row[j - 1]));
            }
        }
        return row[^1];
    }
}

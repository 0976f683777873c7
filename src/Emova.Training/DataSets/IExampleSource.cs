namespace Emova.Training.DataSets;

/// <summary>A data set of conversations. Reading is safe for several threads once it was scanned.</summary>
public interface IExampleSource : IDisposable
{
    /// <summary>Where it is, for messages.</summary>
    string Path { get; }

    /// <summary>
    /// Every usable example in order, with the key that <see cref="Read"/> finds it by. Called once. What cannot be used is listed.
    /// </summary>
    IEnumerable<(long Key, DataSetExample Example)> Scan(DefectList defects);

    /// <summary>An example that the scan gave.</summary>
    /// <exception cref="DefectException">It can no longer be read.</exception>
    DataSetExample Read(long key);
}

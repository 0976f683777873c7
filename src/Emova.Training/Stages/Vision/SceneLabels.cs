using Emova.Training.Data;

namespace Emova.Training.Stages.Vision;

/// <summary>The classes the vision encoder is pretrained on, collected from the training scenes.</summary>
public sealed class SceneLabels
{
    private readonly Dictionary<string, int> _concepts;
    private readonly Dictionary<string, int> _colors;

    public SceneLabels(IEnumerable<Scene> scenes)
    {
        SortedSet<string> concepts = new(StringComparer.Ordinal);
        SortedSet<string> colors = new(StringComparer.Ordinal);
        foreach (SceneObject item in scenes.SelectMany(s => s.Objects))
        {
            concepts.Add(Key(item));
            if (item.Color is not null)
            {
                colors.Add(item.Color);
            }
        }

        _concepts = concepts.Select((name, i) => (name, i)).ToDictionary(p => p.name, p => p.i + 1, StringComparer.Ordinal);
        _colors = colors.Select((name, i) => (name, i)).ToDictionary(p => p.name, p => p.i + 1, StringComparer.Ordinal);
    }

    /// <summary>Number of concept classes; 0 is "nothing here".</summary>
    public int Concepts => _concepts.Count + 1;

    /// <summary>Number of color classes; 0 is "no named color".</summary>
    public int Colors => _colors.Count + 1;

    /// <summary>Class of what an object is; 0 for one that no training scene shows.</summary>
    public int Concept(SceneObject item) => _concepts.GetValueOrDefault(Key(item));

    /// <summary>Class of an object's color; 0 where it has none.</summary>
    public int Color(SceneObject item) => item.Color is null ? 0 : _colors.GetValueOrDefault(item.Color);

    // "seven" the digit and "happy" the face must not meet an emoji of the same name.
    private static string Key(SceneObject item) => $"{item.Class}:{item.Concept}";
}

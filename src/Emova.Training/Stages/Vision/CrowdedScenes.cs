using Emova.Training.Data;

namespace Emova.Training.Stages.Vision;

/// <summary>
/// Composes pictures with as many objects as fit, every concept equally often. Dialogue scenes hold one or two things each, so most of the
/// encoder's work on them goes into background; a crowded picture teaches several times as many names for the same effort.
/// </summary>
public sealed class CrowdedScenes
{
    private const int MinSize = 36;
    private const int MaxSize = 66;
    private const int MaxObjects = 8;
    private const int Attempts = 40;
    private const double MaxAngle = 12;

    private readonly SceneObject[][] _byConcept;
    private readonly Scene[] _canvases;

    private readonly double _paintedShare;

    /// <summary>Takes objects, colors and backgrounds from the given scenes.</summary>
    /// <param name="scenes">scenes of the corpus</param>
    /// <param name="paintedShare">part of the emoji that are painted in one named color, which the encoder must then tell</param>
    public CrowdedScenes(Scene[] scenes, double paintedShare = 0)
    {
        _canvases = scenes;
        _paintedShare = paintedShare;

        // A bar says something only beside other bars.
        _byConcept = [.. scenes.SelectMany(s => s.Objects).Where(o => o.Class != "bar")
            .GroupBy(o => (o.Class, o.Concept)).OrderBy(g => g.Key).Select(g => g.ToArray())];
    }

    /// <summary>A new scene.</summary>
    public Scene Compose(Random random)
    {
        Scene canvas = _canvases[random.Next(_canvases.Length)];
        List<SceneObject> placed = [];
        for (int attempt = 0; attempt < Attempts && placed.Count < MaxObjects; attempt++)
        {
            SceneObject[] kinds = _byConcept[random.Next(_byConcept.Length)];
            SceneObject model = kinds[random.Next(kinds.Length)];
            double height = random.Next(MinSize, MaxSize + 1);
            int width = (int)Math.Round(height * (model.Box[2] - model.Box[0]) / (model.Box[3] - model.Box[1]));
            if (width > canvas.Width || height > canvas.Height)
            {
                continue;
            }

            int x = random.Next(canvas.Width - width + 1), y = random.Next(canvas.Height - (int)height + 1);
            int[] box = [x, y, x + width, y + (int)height];
            if (placed.TrueForAll(p => Apart(p.Box, box)))
            {
                if (model.Class == "emoji" && _paintedShare > 0 && random.NextDouble() < _paintedShare)
                {
                    model = model with { Color = Lexicon.Colors[random.Next(Lexicon.Colors.Count)] };
                }

                placed.Add(model with { Box = box, Angle = ((random.NextDouble() * 2) - 1) * MaxAngle });
            }
        }

        return canvas with { Objects = placed };
    }

    private static bool Apart(int[] a, int[] b) => a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
}

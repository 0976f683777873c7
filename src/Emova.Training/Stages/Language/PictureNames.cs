using Emova.Text;
using Emova.Training.Data;
using Emova.Training.Stages.Vision;

namespace Emova.Training.Stages.Language;

/// <summary>
/// The words each cell of a picture should be near after projection: those of <see cref="SceneDescription"/> where the center of an object
/// lies, a line break where none does. A picture then enters the language model as the description would, which is how the stage `language`
/// told it pictures, and every cell teaches something instead of only the few words of an answer.
/// </summary>
/// <param name="tokenizer">tokenizer of the stage</param>
public sealed class PictureNames(HuggingFaceTokenizer tokenizer)
{
    private readonly Dictionary<string, int[]> _words = new(StringComparer.Ordinal);

    /// <summary>The tokens of a cell without an object.</summary>
    public int[] Blank { get; } = [.. tokenizer.Encode("\n")];

    /// <summary>The tokens of every cell in raster order.</summary>
    public int[][] Of(Scene scene)
    {
        int columns = scene.Width / SceneTargets.CellSize, rows = scene.Height / SceneTargets.CellSize;
        int[][] cells = new int[rows * columns][];
        Array.Fill(cells, Blank);
        foreach (SceneObject item in scene.Objects)
        {
            int column = Math.Clamp((item.Box[0] + item.Box[2]) / 2 / SceneTargets.CellSize, 0, columns - 1);
            int row = Math.Clamp((item.Box[1] + item.Box[3]) / 2 / SceneTargets.CellSize, 0, rows - 1);
            cells[(row * columns) + column] = [.. SceneDescription.Line(item, scene).Split(' ').SelectMany(Tokens)];
        }

        return cells;
    }

    /// <summary>Tokens of a word inside a sentence; it is there that answers need them.</summary>
    private int[] Tokens(string word)
    {
        lock (_words)
        {
            return _words.TryGetValue(word, out int[]? known) ? known : _words[word] = [.. tokenizer.Encode(" " + word)];
        }
    }
}

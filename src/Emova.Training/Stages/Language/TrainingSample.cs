using Emova.Training.Data;
using Emova.Training.Stages.Vision;

namespace Emova.Training.Stages.Language;

/// <summary>Token ids and labels of one conversation.</summary>
/// <param name="Task">what it trains</param>
/// <param name="Ids">token ids; <see cref="Emova.Text.ImagePlaceholder.Id"/> where the picture's features go</param>
/// <param name="Labels">the same ids where they are to be predicted, else <see cref="Emova.Text.ConversationLabels.Ignore"/></param>
/// <param name="Scene">the picture, if the ids have a placeholder</param>
/// <param name="Variant">which drawing of the picture: 0 = as is, others = redrawn</param>
public sealed record TrainingSample(LanguageTask Task, int[] Ids, int[] Labels, Scene? Scene = null, int Variant = 0)
{
    /// <summary>Number of feature rows the picture contributes.</summary>
    public int PictureTokens => Scene is null ? 0 : Scene.Width / SceneTargets.CellSize * (Scene.Height / SceneTargets.CellSize);

    /// <summary>Length after the picture took its placeholder's place.</summary>
    public int Length => Ids.Length + (Scene is null ? 0 : PictureTokens - 1);
}

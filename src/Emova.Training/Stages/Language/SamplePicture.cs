using Emova.Media;
using Emova.Training.Data;
using Emova.Training.Stages.Vision;

namespace Emova.Training.Stages.Language;

/// <summary>The picture of a sample.</summary>
public abstract record SamplePicture
{
    /// <summary>Number of feature rows it contributes.</summary>
    public abstract int Cells { get; }
}

/// <summary>A scene of the corpus, drawn when its batch is made.</summary>
/// <param name="Scene">what it shows</param>
/// <param name="Variant">0 = as is, others = redrawn in other colors</param>
public sealed record DrawnPicture(Scene Scene, int Variant = 0) : SamplePicture
{
    /// <inheritdoc/>
    public override int Cells => Scene.Width / SceneTargets.CellSize * (Scene.Height / SceneTargets.CellSize);
}

/// <summary>A picture of a data set, already decoded and cut.</summary>
/// <param name="Patches">as the runtime would prepare it</param>
/// <param name="Cells">patches after merging</param>
public sealed record ReadPicture(ImagePatches Patches, int Cells) : SamplePicture
{
    /// <inheritdoc/>
    public override int Cells { get; } = Cells;
}

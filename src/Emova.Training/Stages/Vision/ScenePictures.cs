using Emova.Media;
using Emova.Training.Data;

namespace Emova.Training.Stages.Vision;

/// <summary>Scenes as pictures and as the patches a model takes. Safe for several threads.</summary>
/// <param name="renderer">draws a scene</param>
/// <param name="processor">turns pictures into patches as the model at hand does</param>
public sealed class ScenePictures(SceneRenderer renderer, Qwen2ImageProcessor processor)
{
    public Qwen2ImageProcessor Processor { get; } = processor;

    /// <summary>Number of drawing styles.</summary>
    public int Styles => renderer.Styles;

    /// <summary>RGB pixels of a scene.</summary>
    public byte[] Draw(Scene scene, int style = 0) => renderer.Draw(scene, style);

    /// <summary>Patches of a scene as the runtime would prepare the same picture.</summary>
    public ImagePatches Patches(Scene scene) => Processor.Process(new RgbImage(scene.Width, scene.Height, Draw(scene)));
}

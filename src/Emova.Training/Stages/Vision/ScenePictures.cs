using System.Collections.Concurrent;
using Emova.Media;
using Emova.Training.Data;

namespace Emova.Training.Stages.Vision;

/// <summary>Draws scenes, each only once while it fits in memory. Safe for several threads.</summary>
/// <param name="renderer">draws a scene</param>
/// <param name="processor">turns pictures into patches as the model at hand does</param>
/// <param name="cacheBytes">limit of the kept pixels</param>
public sealed class ScenePictures(SceneRenderer renderer, Qwen2ImageProcessor processor, long cacheBytes = 1L << 30)
{
    private readonly ConcurrentDictionary<Scene, byte[]> _drawn = new(ReferenceEqualityComparer.Instance);
    private long _bytes;

    public Qwen2ImageProcessor Processor { get; } = processor;

    /// <summary>RGB pixels of a scene; not to be changed.</summary>
    public byte[] Draw(Scene scene)
    {
        if (_drawn.TryGetValue(scene, out byte[]? known))
        {
            return known;
        }

        byte[] pixels = renderer.Draw(scene);
        if (Interlocked.Add(ref _bytes, pixels.Length) <= cacheBytes)
        {
            _drawn[scene] = pixels;
        }

        return pixels;
    }

    /// <summary>Patches of a scene as the runtime would prepare the same picture.</summary>
    public ImagePatches Patches(Scene scene) => Processor.Process(new RgbImage(scene.Width, scene.Height, Draw(scene)));
}

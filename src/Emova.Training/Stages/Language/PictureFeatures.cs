using Emova.Media;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Emova.Training.Stages.Vision;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Stages.Language;

/// <summary>
/// Features of the training pictures, with gradients unless the encoder is frozen. Variant 0 of a scene is the picture itself, the others are
/// redrawn in other colors, so that answers survive another style.
/// </summary>
/// <param name="model">the encoder</param>
/// <param name="pictures">draws scenes; null where all pictures are read</param>
/// <param name="seed">seed of the redrawing</param>
/// <param name="frozen">whether the encoder stays as it is</param>
public sealed class PictureFeatures(OmniModel model, ScenePictures? pictures, int seed, bool frozen)
{
    /// <summary>Encoder output of several pictures, one after the other: (sum of their cells, D).</summary>
    public Tensor Of(IReadOnlyList<SamplePicture> wanted)
    {
        if (!frozen)
        {
            return Encode(wanted);
        }

        using IDisposable noGrad = no_grad();
        return Encode(wanted);
    }

    private Tensor Encode(IReadOnlyList<SamplePicture> wanted)
    {
        ImagePatches[] patches = [.. wanted.Select(Patches)];
        float[] rows = new float[patches.Sum(p => p.Rows.Length)];
        int position = 0;
        foreach (ImagePatches part in patches)
        {
            part.Rows.CopyTo(rows, position);
            position += part.Rows.Length;
        }

        return model.Vision.Forward(tensor(rows).view(patches.Sum(p => (long)p.Count), -1), [.. patches.Select(p => (p.GridHeight, p.GridWidth))]);
    }

    private ImagePatches Patches(SamplePicture picture) => picture switch
    {
        ReadPicture read => read.Patches,
        DrawnPicture drawn when pictures is not null => Patches(pictures, drawn.Scene, drawn.Variant),
        _ => throw new InvalidOperationException($"a {picture.GetType().Name} cannot be drawn here"),
    };

    private ImagePatches Patches(ScenePictures scenes, Scene scene, int variant)
    {
        if (variant == 0)
        {
            return scenes.Patches(scene);
        }

        // The drawing must not depend on when it is asked for, so its generator is seeded by what the scene shows.
        int content = scene.Objects.Aggregate(scene.Width, (hash, o) => (hash * 31) + o.Box[0] + (o.Box[1] * 7) + o.Concept.Length);
        PictureAugmentation augmentation = new(new Random(TrainingLoop.StepSeed(seed + variant, content)));
        (int shiftX, int shiftY) = augmentation.Shift();
        byte[] pixels = PictureAugmentation.Move(scenes.Draw(scene, variant % scenes.Styles), scene.Width, scene.Height, shiftX / 2, shiftY / 2);
        augmentation.Redraw(pixels, scene.Width, scene.Height);
        return scenes.Processor.Process(new RgbImage(scene.Width, scene.Height, pixels));
    }
}

using Emova.Media;
using Emova.Training.Data;

namespace Emova.Training.Stages.Vision;

/// <summary>Patch rows and targets of some pictures; pictures of the same size follow each other.</summary>
/// <param name="Pixels">(all patches, row size)</param>
/// <param name="Grids">rows and columns of patches per picture</param>
/// <param name="Targets">one per picture</param>
public sealed record VisionBatch(float[] Pixels, (int Rows, int Columns)[] Grids, SceneTargets[] Targets)
{
    /// <summary>Makes a batch of scenes as the model will see them; with a random generator each is shifted and redrawn first.</summary>
    public static VisionBatch Create(IEnumerable<Scene> scenes, ScenePictures pictures, SceneLabels labels, Random? random)
    {
        PictureAugmentation? augmentation = random is null ? null : new PictureAugmentation(random);
        List<(ImagePatches Patches, SceneTargets Targets)> items = [];
        foreach (Scene scene in scenes)
        {
            byte[] pixels = pictures.Draw(scene, random is null || pictures.Styles == 1 ? 0 : random.Next(pictures.Styles));
            (int shiftX, int shiftY) = (0, 0);
            if (augmentation is not null)
            {
                (shiftX, shiftY) = augmentation.Shift();
                pixels = PictureAugmentation.Move(pixels, scene.Width, scene.Height, shiftX, shiftY);
                augmentation.Redraw(pixels, scene.Width, scene.Height);
            }

            ImagePatches patches = pictures.Processor.Process(new RgbImage(scene.Width, scene.Height, pixels));
            SceneTargets targets = new(scene, labels, shiftX, shiftY);
            if (patches.GridHeight != 2 * targets.Rows || patches.GridWidth != 2 * targets.Columns)
            {
                throw new EmovaException(
                    $"vision_config: min_pixels and max_pixels resize a scene of {scene.Width} x {scene.Height} pixels; its area must lie between them");
            }

            items.Add((patches, targets));
        }

        items = [.. items.OrderBy(i => i.Patches.GridHeight)];
        float[] rows = new float[items.Sum(i => i.Patches.Rows.Length)];
        int position = 0;
        foreach ((ImagePatches patches, _) in items)
        {
            patches.Rows.CopyTo(rows, position);
            position += patches.Rows.Length;
        }

        return new VisionBatch(
            rows,
            [.. items.Select(i => (i.Patches.GridHeight, i.Patches.GridWidth))],
            [.. items.Select(i => i.Targets)]);
    }
}

using Emova.Media;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Emova.Training.Stages.Vision;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Stages.Language;

/// <summary>
/// Features of the training pictures. While the encoder is frozen each drawing is encoded once and kept; otherwise it is encoded in every
/// step, with gradients. Variant 0 is the picture itself, the others are redrawn in other colors, so that answers survive another style.
/// </summary>
/// <param name="model">the encoder</param>
/// <param name="pictures">draws scenes</param>
/// <param name="seed">seed of the redrawing</param>
/// <param name="frozen">whether the encoder stays as it is</param>
public sealed class PictureFeatures(OmniModel model, ScenePictures pictures, int seed, bool frozen)
{
    /// <summary>Drawings kept, 25 kB each; when there are more, all are forgotten.</summary>
    private const int Capacity = 100_000;

    private readonly Dictionary<(Scene Scene, int Variant), float[]> _known = new(new ByReference());

    /// <summary>Encoder output of several pictures, one after the other: (sum of their cells, D).</summary>
    public Tensor Of(IReadOnlyList<(Scene Scene, int Variant)> wanted)
    {
        if (!frozen)
        {
            return Encode(wanted);
        }

        if (_known.Count > Capacity)
        {
            _known.Clear();
        }

        (Scene, int)[] missing = [.. wanted.Where(w => !_known.ContainsKey(w)).Distinct(new ByReference())];
        if (missing.Length > 0)
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable noGrad = no_grad();
            float[] values = Encode(missing).contiguous().data<float>().ToArray();
            int start = 0;
            foreach ((Scene scene, int variant) in missing)
            {
                int count = Cells(scene) * (values.Length / missing.Sum(m => Cells(m.Item1)));
                _known[(scene, variant)] = values[start..(start + count)];
                start += count;
            }
        }

        float[][] parts = [.. wanted.Select(w => _known[w])];
        float[] all = new float[parts.Sum(p => p.Length)];
        int position = 0;
        foreach (float[] part in parts)
        {
            part.CopyTo(all, position);
            position += part.Length;
        }

        int cells = wanted.Sum(w => Cells(w.Scene));
        return tensor(all).view(cells, -1);
    }

    private Tensor Encode(IReadOnlyList<(Scene Scene, int Variant)> wanted)
    {
        ImagePatches[] patches = [.. wanted.Select(w => Patches(w.Scene, w.Variant))];
        float[] rows = new float[patches.Sum(p => p.Rows.Length)];
        int position = 0;
        foreach (ImagePatches part in patches)
        {
            part.Rows.CopyTo(rows, position);
            position += part.Rows.Length;
        }

        return model.Vision.Forward(tensor(rows).view(-1, pictures.Processor.RowSize), [.. patches.Select(p => (p.GridHeight, p.GridWidth))]);
    }

    private ImagePatches Patches(Scene scene, int variant)
    {
        if (variant == 0)
        {
            return pictures.Patches(scene);
        }

        // The drawing must not depend on when it is asked for, so its generator is seeded by what the scene shows.
        int content = scene.Objects.Aggregate(scene.Width, (hash, o) => (hash * 31) + o.Box[0] + (o.Box[1] * 7) + o.Concept.Length);
        PictureAugmentation augmentation = new(new Random(TrainingLoop.StepSeed(seed + variant, content)));
        (int shiftX, int shiftY) = augmentation.Shift();
        byte[] pixels = PictureAugmentation.Move(pictures.Draw(scene), scene.Width, scene.Height, shiftX / 2, shiftY / 2);
        augmentation.Redraw(pixels, scene.Width, scene.Height);
        return pictures.Processor.Process(new RgbImage(scene.Width, scene.Height, pixels));
    }

    private static int Cells(Scene scene) => scene.Width / SceneTargets.CellSize * (scene.Height / SceneTargets.CellSize);

    private sealed class ByReference : IEqualityComparer<(Scene Scene, int Variant)>
    {
        public bool Equals((Scene Scene, int Variant) a, (Scene Scene, int Variant) b) => ReferenceEquals(a.Scene, b.Scene) && a.Variant == b.Variant;

        public int GetHashCode((Scene Scene, int Variant) key) =>
            HashCode.Combine(System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(key.Scene), key.Variant);
    }
}

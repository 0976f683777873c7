using Emova.Training.Modules;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Stages.Vision;

/// <summary>Linear read-outs of the merged features, used only while the encoder is pretrained.</summary>
public sealed class VisionHeads : CheckpointModule
{
    private const int CellOutputs = 5; // holds a center, box
    private const double BackgroundWeight = 0.3;

    private readonly SceneLabels _labels;
    private readonly MixedLinear _concept;
    private readonly MixedLinear _color;
    private readonly MixedLinear _geometry;
    private readonly MixedLinear _count;
    private readonly MixedLinear _present;
    private readonly MixedLinear _bars;

    public VisionHeads(int featureSize, SceneLabels labels)
        : base(nameof(VisionHeads))
    {
        _labels = labels;
        TwinOptions exact = TwinOptions.Exact;
        _concept = new MixedLinear(featureSize, labels.Concepts, bias: true, exact);
        _color = new MixedLinear(featureSize, labels.Colors, bias: true, exact);
        _geometry = new MixedLinear(featureSize, CellOutputs, bias: true, exact);
        _count = new MixedLinear(featureSize, SceneTargets.MaxCount + 1, bias: true, exact);
        _present = new MixedLinear(featureSize, labels.Concepts, bias: true, exact);
        _bars = new MixedLinear(featureSize, 2L * labels.Colors, bias: true, exact);
        register_module("concept", _concept);
        register_module("color", _color);
        register_module("geometry", _geometry);
        register_module("count", _count);
        register_module("present", _present);
        register_module("bars", _bars);
    }

    /// <summary>Loss and accuracies of a batch.</summary>
    /// <param name="features">(cells of all pictures, D)</param>
    /// <param name="targets">one per picture, in the same order</param>
    public VisionScore Score(Tensor features, IReadOnlyList<SceneTargets> targets)
    {
        Tensor concept = tensor(targets.SelectMany(t => t.Concept).ToArray());
        Tensor color = tensor(targets.SelectMany(t => t.Color).ToArray());
        Tensor holdsCenter = tensor(targets.SelectMany(t => t.HoldsCenter).ToArray());
        Tensor box = tensor(targets.SelectMany(t => t.Box).ToArray()).view(-1, 4);
        Tensor count = tensor(targets.Select(t => (long)t.Count).ToArray());
        Tensor tallest = tensor(targets.Select(t => t.TallestBar).ToArray());
        Tensor shortest = tensor(targets.Select(t => t.ShortestBar).ToArray());
        float[] presence = new float[targets.Count * _labels.Concepts];
        foreach ((int i, SceneTargets target) in targets.Index())
        {
            foreach (int c in target.Present)
            {
                presence[(i * _labels.Concepts) + c] = 1;
            }
        }

        Tensor present = tensor(presence).view(targets.Count, _labels.Concepts);

        Tensor pooled = Pool(features, targets); // (B, D)
        Tensor conceptLogits = _concept.Forward(features);
        Tensor colorLogits = _color.Forward(features);
        Tensor geometry = _geometry.Forward(features);
        Tensor countLogits = _count.Forward(pooled);
        Tensor presentLogits = _present.Forward(pooled);
        Tensor bars = _bars.Forward(pooled);
        Tensor occupied = tensor(targets.SelectMany(t => t.Concept).Select(c => c == 0 ? 0f : 1f).ToArray());

        // Most cells are background: an equal weight per cell would teach little else at first.
        Tensor weight = occupied.Times(1 - BackgroundWeight).Plus(BackgroundWeight);
        Tensor conceptLoss = (F.cross_entropy(conceptLogits, concept, reduction: nn.Reduction.None) * weight).sum() / weight.sum();
        Tensor colorLoss = (F.cross_entropy(colorLogits, color, reduction: nn.Reduction.None) * weight).sum() / weight.sum();
        Tensor centerLoss = F.binary_cross_entropy_with_logits(geometry.select(1, 0), holdsCenter);
        Tensor boxLoss = (F.smooth_l1_loss(geometry.narrow(1, 1, 4), box, nn.Reduction.None, 0.3).sum(1) * occupied).sum() / occupied.sum().clamp_min(Arithmetic.Constant(1));
        Tensor countLoss = F.cross_entropy(countLogits, count);
        Tensor presentLoss = F.binary_cross_entropy_with_logits(presentLogits, present, reduction: nn.Reduction.Sum).Times(1.0 / (8 * targets.Count));
        Tensor barLoss = F.cross_entropy(bars.narrow(1, 0, _labels.Colors), tallest).Plus(F.cross_entropy(bars.narrow(1, _labels.Colors, _labels.Colors), shortest));
        Tensor loss = conceptLoss.Plus(colorLoss.Times(0.7)).Plus(centerLoss).Plus(boxLoss)
            .Plus(countLoss.Times(0.3)).Plus(presentLoss.Times(0.3)).Plus(barLoss.Times(0.2));

        using IDisposable noGrad = no_grad();
        Tensor right = conceptLogits.argmax(1).eq(concept).to(ScalarType.Float32);
        Tensor centers = holdsCenter;
        return new VisionScore(
            loss,
            right.mean(),
            (right * centers).sum() / centers.sum().clamp_min(Arithmetic.Constant(1)),
            colorLogits.argmax(1).eq(color).to(ScalarType.Float32).mean(),
            geometry.select(1, 0).gt(Arithmetic.Constant(0)).to(ScalarType.Float32).eq(centers).to(ScalarType.Float32).mean(),
            boxLoss.detach(),
            countLogits.argmax(1).eq(count).to(ScalarType.Float32).mean());
    }

    private static Tensor Pool(Tensor features, IReadOnlyList<SceneTargets> targets)
    {
        Tensor[] means = new Tensor[targets.Count];
        long start = 0;
        for (int i = 0; i < means.Length; i++)
        {
            long cells = (long)targets[i].Rows * targets[i].Columns;
            means[i] = features.narrow(0, start, cells).mean([0]);
            start += cells;
        }

        return stack(means);
    }
}

/// <summary>Loss and measures of a batch of pictures, each a scalar tensor.</summary>
/// <param name="Loss">Differentiable.</param>
/// <param name="CellAccuracy">Part of the cells whose concept is right.</param>
/// <param name="ConceptRecall">Part of the objects named right at their center.</param>
/// <param name="ColorAccuracy">Part of the cells whose color is right.</param>
/// <param name="CenterAccuracy">Part of the cells for which "holds a center" is right.</param>
/// <param name="BoxError">Loss of position and size, in cells.</param>
/// <param name="CountAccuracy">Part of the pictures whose number of objects is right.</param>
public sealed record VisionScore(
    Tensor Loss, Tensor CellAccuracy, Tensor ConceptRecall, Tensor ColorAccuracy, Tensor CenterAccuracy, Tensor BoxError, Tensor CountAccuracy)
{
    /// <summary>The measures with their names in the metrics log.</summary>
    public IReadOnlyList<KeyValuePair<string, Tensor>> Metrics =>
    [
        new("cell_accuracy", CellAccuracy), new("concept_recall", ConceptRecall), new("color_accuracy", ColorAccuracy),
        new("center_accuracy", CenterAccuracy), new("box_error", BoxError), new("count_accuracy", CountAccuracy),
    ];
}

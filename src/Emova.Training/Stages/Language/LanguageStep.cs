using Emova.Training.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Stages.Language;

/// <summary>Loss of a batch: embeds the ids, puts the projected pictures in their places and scores the targets.</summary>
/// <param name="model">the model</param>
/// <param name="pictures">features of pictures</param>
/// <param name="names">what the cells of drawn pictures show, for <see cref="LossesAndNaming"/>; null = not needed</param>
public sealed class LanguageStep(OmniModel model, PictureFeatures pictures, PictureNames? names = null)
{
    /// <summary>Cosines between a projected cell and the embeddings are scaled by this before the softmax: about e^9 between 0.5 and 0.</summary>
    private const double CosineScale = 18;

    /// <summary>Most cells show nothing; an equal weight would teach little else.</summary>
    private const float BlankWeight = 0.2f;

    private const double Tiny = 1e-6;

    /// <summary>Negative log likelihood of every target, (number of targets).</summary>
    public Tensor Losses(LanguageBatch batch)
    {
        return Losses(batch, Project(batch));
    }

    /// <summary>The same, and how far the projected cells are from the embeddings of their words, a scalar; null without drawn pictures.</summary>
    public (Tensor Losses, Tensor? Naming) LossesAndNaming(LanguageBatch batch)
    {
        Tensor? projected = Project(batch);
        return (Losses(batch, projected), projected is null || names is null || !batch.Pictures.Any(p => p is DrawnPicture) ? null : NamingLoss(batch, projected, names));
    }

    /// <summary>Inputs of the language model, (B, T, D).</summary>
    public Tensor Embeddings(LanguageBatch batch) => Embeddings(batch, Project(batch));

    private Tensor Losses(LanguageBatch batch, Tensor? projected)
    {
        Tensor hidden = model.Language.Hidden(Embeddings(batch, projected), mask: batch.Segments is null ? null : SegmentMask(batch));
        return model.Language.Loss(hidden, tensor(batch.TargetRows), tensor(batch.Targets), nn.Reduction.None);
    }

    /// <summary>(B, 1, T, T): 0 where a position may look, minus infinity at later ones and at other samples of its row.</summary>
    private static Tensor SegmentMask(LanguageBatch batch)
    {
        using Tensor segments = tensor(batch.Segments!).view(batch.Rows, batch.Columns);
        using Tensor other = segments.unsqueeze(2).not_equal(segments.unsqueeze(1)); // (B, T, T)
        using Tensor later = ones(batch.Columns, batch.Columns, dtype: ScalarType.Bool).triu(1);
        return zeros(batch.Rows, batch.Columns, batch.Columns).masked_fill(other.logical_or(later), Arithmetic.Constant(double.NegativeInfinity)).unsqueeze(1);
    }

    private Tensor NamingLoss(LanguageBatch batch, Tensor projected, PictureNames words)
    {
        List<long> places = [];
        List<float> weights = [];
        long cell = 0, vocabulary = model.Language.VocabularySize;
        int drawnPictures = batch.Pictures.Count(p => p is DrawnPicture);
        foreach (SamplePicture picture in batch.Pictures)
        {
            if (picture is not DrawnPicture drawn)
            {
                cell += picture.Cells; // what a read picture shows is not known
                continue;
            }

            int[][] cells = words.Of(drawn.Scene);
            foreach (int[] name in cells)
            {
                float weight = (ReferenceEquals(name, words.Blank) ? BlankWeight : 1) / (name.Length * (float)cells.Length);
                places.AddRange(name.Select(word => (cell * vocabulary) + word));
                weights.AddRange(name.Select(_ => weight / drawnPictures));
                cell++;
            }
        }

        using Tensor table = model.Language.EmbeddingTable.detach();
        Tensor directions = nn.functional.normalize(projected, p: 2, dim: 1, eps: Tiny);
        Tensor cosines = directions.matmul(nn.functional.normalize(table, p: 2, dim: 1, eps: Tiny).t());
        Tensor likelihoods = nn.functional.log_softmax(cosines.Times(CosineScale), 1).flatten().index_select(0, tensor(places.ToArray()));
        return (likelihoods * tensor(weights.ToArray())).sum().neg();
    }

    /// <summary>All cells of the batch's pictures as the language model sees them, (cells, D); null without pictures.</summary>
    private Tensor? Project(LanguageBatch batch) => batch.Pictures.Length == 0 ? null : model.Projector.Forward(pictures.Of(batch.Pictures));

    private Tensor Embeddings(LanguageBatch batch, Tensor? projected)
    {
        Tensor embeddings = model.Language.Embed(tensor(batch.Ids).view(batch.Rows, batch.Columns));
        if (projected is null)
        {
            return embeddings;
        }

        long width = embeddings.shape[2];
        return embeddings.view(-1, width).index_copy(0, tensor(batch.PictureRows), projected).view(batch.Rows, batch.Columns, width);
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Stages.Language;

/// <summary>Loss of a batch: embeds the ids, puts the projected pictures in their places and scores the targets.</summary>
public sealed class LanguageStep(OmniModel model, PictureFeatures pictures)
{
    /// <summary>Negative log likelihood of every target, (number of targets).</summary>
    public Tensor Losses(LanguageBatch batch)
    {
        Tensor hidden = model.Language.Hidden(Embeddings(batch));
        return model.Language.Loss(hidden, tensor(batch.TargetRows), tensor(batch.Targets), nn.Reduction.None);
    }

    /// <summary>(B, T, D)</summary>
    public Tensor Embeddings(LanguageBatch batch)
    {
        Tensor embeddings = model.Language.Embed(tensor(batch.Ids).view(batch.Rows, batch.Columns));
        if (batch.Pictures.Length == 0)
        {
            return embeddings;
        }

        Tensor projected = model.Projector.Forward(pictures.Of(batch.Pictures));
        long width = embeddings.shape[2];
        return embeddings.view(-1, width).index_copy(0, tensor(batch.PictureRows), projected).view(batch.Rows, batch.Columns, width);
    }
}

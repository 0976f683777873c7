using Emova.Training.Modules;
using Emova.Training.Stages;
using Emova.Training.Stages.Language;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests.Modules;

/// <summary>Computing layers again in the backward pass gives the gradients of keeping everything.</summary>
public sealed class RecomputeTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(0.2)]
    public void Gradients_are_the_same(double dropout)
    {
        (float[][] kept, double loss) = Gradients(recompute: false, dropout);
        (float[][] again, double lossAgain) = Gradients(recompute: true, dropout);
        if (dropout == 0)
        {
            Assert.Equal(loss, lossAgain);
            Assert.Equal(kept.Length, again.Length);
            Assert.All(kept.Zip(again), pair => Assert.Equal(pair.First, pair.Second));
        }

        // With dropout each layer draws from a seed of its own, so it is the backward pass that must fit its forward pass.
        (float[][] repeated, _) = Gradients(recompute: true, dropout);
        Assert.All(again.Zip(repeated), pair => Assert.Equal(pair.First, pair.Second));
        Assert.All(again, gradient => Assert.All(gradient, value => Assert.True(float.IsFinite(value))));
    }

    [Fact]
    public void The_dropped_elements_are_those_of_the_forward_pass()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(2);
        Tensor x = ones(1000).requires_grad_(true);
        Tensor y = Recompute.Run(input => nn.functional.dropout(input, 0.5, training: true), x);
        y.sum().backward();
        Assert.Equal(y.data<float>().ToArray(), x.grad!.data<float>().ToArray());
        Assert.InRange(y.mean().item<float>(), 0.8f, 1.2f);
    }

    private static (float[][] Gradients, double Loss) Gradients(bool recompute, double dropout)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(5);
        TinyModelConfig config = new(
            new Emova.Models.Vision.Qwen2VisionConfig { Depth = 2, EmbedDim = 16, HiddenSize = 16, NumHeads = 2, MinPixels = 1, MaxPixels = 1 << 20 },
            new Emova.Models.Language.DenseDecoderConfig
            {
                VocabSize = 40, HiddenSize = 32, IntermediateSize = 48, NumHiddenLayers = 2, NumAttentionHeads = 4, NumKeyValueHeads = 2,
                RopeTheta = 10000, MaxPositionEmbeddings = 64,
            },
            2);
        using OmniModel model = new(config, new TwinOptions(Dropout: dropout, Recompute: recompute));
        model.Language.train();
        random.manual_seed(6);
        Tensor ids = randint(0, 40, [2, 12], ScalarType.Int64);
        Tensor pixels = randn(16, config.Vision.PatchDim);
        Tensor features = model.Projector.Forward(model.Vision.Forward(pixels, [(4, 4)])); // (4, 32)
        Tensor embeddings = model.Language.Embed(ids).view(-1, 32).index_copy(0, arange(4, ScalarType.Int64), features).view(2, 12, 32);
        Tensor loss = model.Language.Loss(model.Language.Hidden(embeddings), arange(24, ScalarType.Int64), ids.flatten());
        loss.backward();
        Assert.All(model.Store.Parameters, p => Assert.False(p.Value.grad is null, p.Key));
        return ([.. model.Store.Parameters.Select(p => p.Value.grad!.contiguous().data<float>().ToArray())], loss.item<float>());
    }
}

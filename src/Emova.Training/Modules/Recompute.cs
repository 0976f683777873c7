using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules;

/// <summary>
/// Gradient checkpointing (arXiv 1604.06174): a block keeps only its input until the backward pass, which computes the block again. Costs
/// one more forward pass and saves everything in between. The random numbers of both passes are the same, so gradients are, too.
/// </summary>
internal static class Recompute
{
    /// <summary>Runs a block of a network.</summary>
    /// <param name="block">a function of its input and of parameters, with no other effect</param>
    /// <param name="input">(…)</param>
    public static Tensor Run(Func<Tensor, Tensor> block, Tensor input)
    {
        if (!is_grad_enabled())
        {
            return block(input);
        }

        // The output has a gradient only if an input has one, whatever the parameters say.
        Tensor tracked = input.requires_grad ? input : input.detach().requires_grad_(true);
        long seed = randint(0, int.MaxValue, 1).data<long>()[0];
        return Block.apply(tracked, block, seed);
    }

    private sealed class Block : autograd.SingleTensorFunction<Block>
    {
        private const string Function = "function", Seed = "seed";

        public override string Name => nameof(Recompute);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            (Tensor input, Func<Tensor, Tensor> block, long seed) = ((Tensor)vars[0], (Func<Tensor, Tensor>)vars[1], (long)vars[2]);
            ctx.save_for_backward([input]);
            ctx.save_data(Function, block);
            ctx.save_data(Seed, seed);
            using DisposeScope scope = NewDisposeScope();
            random.manual_seed(seed);
            return block(input).MoveToOuterDisposeScope();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable grad = enable_grad();
            Tensor input = ctx.get_saved_variables()[0].detach().requires_grad_(true);
            random.manual_seed((long)ctx.get_data(Seed));
            ((Func<Tensor, Tensor>)ctx.get_data(Function))(input).backward([grad_output]);
            return [input.grad!.MoveToOuterDisposeScope(), null!, null!];
        }
    }
}

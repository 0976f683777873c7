using System.Text.Json;
using Emova.Models.Language;
using Emova.Training.Modules;
using Emova.Training.Modules.Language;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests.Modules;

public sealed class Qwen2TwinTests
{
    private const double Tolerance = 5e-5;

    [Fact]
    public void Reproduces_the_reference_logits_hidden_states_and_loss()
    {
        using GoldenCase golden = new("llm_qwen2_tied");
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Qwen2ForCausalLM model = Load(golden);
        Tensor ids = golden.Input("ids");
        Tensor hidden = model.Hidden(model.Embed(ids));
        GoldenCase.AssertClose(golden.Output("hidden.0"), model.Embed(ids), Tolerance);
        GoldenCase.AssertClose(golden.Output("hidden.2"), hidden, Tolerance);
        GoldenCase.AssertClose(golden.Output("logits"), model.Logits(hidden), Tolerance);
        GoldenCase.AssertClose(
            golden.Output("inputs_embeds.logits"), model.Logits(model.Hidden(golden.Input("inputs_embeds"))), Tolerance);

        Tensor labels = golden.Input("labels").flatten();
        Tensor rows = labels.narrow(0, 1, labels.shape[0] - 1).ne(-100).nonzero().flatten();
        GoldenCase.AssertClose(golden.Output("loss"), model.Loss(hidden, rows, labels.index_select(0, rows + 1)).view(1), Tolerance);
    }

    [Fact]
    public void Right_padding_needs_no_mask_and_left_padding_works_with_one()
    {
        using GoldenCase golden = new("llm_qwen2_tied");
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Qwen2ForCausalLM model = Load(golden);
        Tensor right = model.Logits(model.Hidden(model.Embed(golden.Input("right.ids"))));
        Tensor rightMask = golden.Input("right.attention_mask").unsqueeze(-1);
        GoldenCase.AssertClose(golden.Output("right.logits") * rightMask, right * rightMask, Tolerance);

        // Only differences of positions matter to rotary attention, so padded rows may keep the plain column numbers.
        Tensor mask = golden.Input("left.attention_mask");
        Tensor additive = GreedyDecoder.PaddingMask(mask.sum(1), mask.shape[1]);
        Tensor left = model.Logits(model.Hidden(model.Embed(golden.Input("left.ids")), mask: additive));
        Tensor kept = mask.unsqueeze(-1);
        GoldenCase.AssertClose(golden.Output("left.logits") * kept, left * kept, Tolerance);
    }

    [Fact]
    public void Greedy_decoding_with_a_cache_writes_the_reference_tokens()
    {
        using GoldenCase golden = new("llm_qwen2_tied");
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Qwen2ForCausalLM model = Load(golden);
        long[] prompt = golden.Input("ids").data<long>().ToArray();
        long[] expected = golden.Output("decode.tokens").data<long>().ToArray();

        // A shorter prompt beside it makes the batch left-padded.
        Tensor[] prompts = [model.Embed(tensor(prompt)), model.Embed(tensor(prompt[..4]))];
        int[][] written = GreedyDecoder.Decode(model, prompts, endToken: -1, maxTokens: expected.Length);
        int[] alone = GreedyDecoder.Decode(model, [prompts[1]], endToken: -1, maxTokens: expected.Length)[0];
        Assert.Equal(expected, written[0].Select(t => (long)t));
        Assert.Equal(alone, written[1]);
    }

    [Fact]
    public void Bfloat16_changes_the_result_only_by_rounding()
    {
        using GoldenCase golden = new("llm_qwen2_tied");
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Qwen2ForCausalLM model = Load(golden, new TwinOptions(BFloat16: true));
        Tensor logits = model.Logits(model.Hidden(model.Embed(golden.Input("ids"))));
        Tensor expected = golden.Output("logits");
        double relative = ((logits - expected).norm() / expected.norm()).item<float>();
        Assert.InRange(relative, 1e-5, 0.03);
    }

    private static Qwen2ForCausalLM Load(GoldenCase golden, TwinOptions? options = null)
    {
        JsonElement config = golden.Config;
        Qwen2ForCausalLM model = new(
            new DenseDecoderConfig
            {
                VocabSize = config.GetProperty("vocab_size").GetInt32(),
                HiddenSize = config.GetProperty("hidden_size").GetInt32(),
                IntermediateSize = config.GetProperty("intermediate_size").GetInt32(),
                NumHiddenLayers = config.GetProperty("num_hidden_layers").GetInt32(),
                NumAttentionHeads = config.GetProperty("num_attention_heads").GetInt32(),
                NumKeyValueHeads = config.GetProperty("num_key_value_heads").GetInt32(),
                RopeTheta = config.GetProperty("rope_theta").GetDouble(),
                RmsNormEps = config.GetProperty("rms_norm_eps").GetSingle(),
                MaxPositionEmbeddings = 64,
                TieWordEmbeddings = config.GetProperty("tie_word_embeddings").GetBoolean(),
            },
            options ?? TwinOptions.Exact);
        golden.Load(model);
        model.eval();
        return model;
    }
}

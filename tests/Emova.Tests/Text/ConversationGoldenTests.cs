using System.Text.Json;
using Emova.Checkpoints;
using Emova.Models;
using Emova.Text;
using Xunit;

namespace Emova.Tests.Text;

/// <summary>Prompts, labels and image tokens against the reference's own output (cases "conversation").</summary>
[Trait("Category", "Golden")]
public sealed class ConversationGoldenTests
{
    public static TheoryData<string> Cases => Fixtures.Cases("conversation");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Templates_AllFields_EqualTheReference(string name)
    {
        foreach (JsonProperty entry in Read(name, "templates.json").EnumerateObject())
        {
            ConversationTemplate template = ConversationTemplate.Get(entry.Name);
            JsonElement expected = entry.Value;
            Assert.Equal(expected.GetProperty("system").GetString(), template.System);
            Assert.Equal(expected.GetProperty("roles")[0].GetString(), template.UserRole);
            Assert.Equal(expected.GetProperty("roles")[1].GetString(), template.AssistantRole);
            Assert.Equal(expected.GetProperty("sep").GetString(), template.Separator);
            Assert.Equal(expected.GetProperty("sep2").GetString(), template.Separator2);
            Assert.Equal(expected.GetProperty("version").GetString(), template.Version);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Render_EveryTemplateAndDialog_EqualsTheReference(string name)
    {
        int rendered = 0;
        foreach (JsonElement expected in Read(name, "prompts.json").EnumerateArray())
        {
            ConversationTemplate template = ConversationTemplate.Get(expected.GetProperty("template").GetString()!);
            ConversationMessage[] messages = [.. expected.GetProperty("messages").EnumerateArray().Select(ReadMessage)];
            if (expected.GetProperty("error").ValueKind == JsonValueKind.Null)
            {
                Assert.Equal(expected.GetProperty("prompt").GetString(), template.Render(messages));
                rendered++;
            }
            else
            {
                Assert.Throws<EmovaException>(() => template.Render(messages));
            }
        }

        Assert.True(rendered > (Fixtures.IsDefault ? 90 : 0));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Labels_EveryTemplateAndSource_EqualTheReference(string name)
    {
        JsonElement file = Read(name, "labels.json");
        int compared = 0;
        foreach (JsonElement expected in file.GetProperty("cases").EnumerateArray())
        {
            JsonElement variant = file.GetProperty("tokenizer").GetProperty("variants").GetProperty(expected.GetProperty("tokenizer").GetString()!);
            ToyTextEncoder encoder = new(file.GetProperty("tokenizer"), variant.GetProperty("add_bos").GetBoolean());
            ConversationTemplate template = ConversationTemplate.Get(expected.GetProperty("template").GetString()!);
            JsonElement source = file.GetProperty("sources").GetProperty(expected.GetProperty("source").GetString()!);
            ConversationMessage[] messages = [.. source.GetProperty("conversations").EnumerateArray().Select(turn => new ConversationMessage(
                turn.GetProperty("from").GetString() == "human" ? ConversationRole.User : ConversationRole.Assistant, turn.GetProperty("value").GetString()))];
            ConversationLabels Build() => ConversationLabels.Build(template, messages, encoder, !variant.GetProperty("legacy").GetBoolean());

            if (expected.GetProperty("error").ValueKind != JsonValueKind.Null)
            {
                Assert.Throws<EmovaException>(Build);
                continue;
            }

            ConversationLabels labels = Build();
            string context = $"{template.Key} {expected.GetProperty("source").GetString()} {expected.GetProperty("tokenizer").GetString()}";
            Assert.True(Flatten(expected.GetProperty("input_ids")).SequenceEqual(labels.Ids), context);
            Assert.True(Flatten(expected.GetProperty("labels")).SequenceEqual(labels.Labels), context);
            Assert.Equal(expected.GetProperty("mismatch_warning").GetBoolean(), labels.LengthsDisagree);
            compared++;
        }

        Assert.True(compared >= (Fixtures.IsDefault ? 75 : 1));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void EncodeWithImage_EveryCase_EqualsTheReference(string name)
    {
        JsonElement toy = Read(name, "labels.json").GetProperty("tokenizer");
        foreach (JsonElement expected in Read(name, "tokenizer_image_token.json").EnumerateArray())
        {
            ToyTextEncoder encoder = new(toy, expected.GetProperty("add_bos").GetBoolean());
            Assert.Equal(Flatten(expected.GetProperty("ids")), ImagePlaceholder.Encode(expected.GetProperty("text").GetString()!, encoder));
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void MoveToFront_EveryCase_EqualsTheReference(string name)
    {
        foreach (JsonElement expected in Read(name, "preprocess_multimodal.json").EnumerateArray())
        {
            Assert.Equal(
                expected.GetProperty("result").GetString(),
                ImagePlaceholder.MoveToFront(expected.GetProperty("value").GetString()!, expected.GetProperty("mm_use_im_start_end").GetBoolean()));
        }
    }

    /// <summary>What the reference's collator does to a batch is what the splice does to one without pictures: cut, pad on the right, mask.</summary>
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void CuttingAndPaddingABatch_EqualsTheCollator(string name)
    {
        using SafetensorsFile inputs = SafetensorsFile.Open(Fixtures.File(name, "collator_inputs.safetensors"));
        using SafetensorsFile outputs = SafetensorsFile.Open(Fixtures.File(name, "collator_outputs.safetensors"));
        int rows = (int)outputs.Tensors["input_ids"].Shape[0], length = (int)outputs.Tensors["input_ids"].Shape[1];
        int[][] Read(string field) => [.. Enumerable.Range(0, rows).Select(i => inputs.ReadInt64($"{i}.{field}").Select(id => (int)id).ToArray())];
        SplicedBatch batch = ImageSplice.Plan(Read("input_ids"), null, Read("labels"), [], maxLength: length);
        Assert.Equal(outputs.ReadInt64("input_ids"), batch.Tokens.Select(token => Math.Max(token, 0L))); // the pad id of the case is 0
        Assert.Equal(outputs.ReadInt64("labels"), batch.Labels.Select(label => (long)label));
        Assert.Equal(outputs.ReadInt64("attention_mask"), batch.Mask.Zip(batch.Tokens, (real, token) => real && token != 0 ? 1L : 0));
    }

    [Fact]
    public void Get_UnknownTemplate_ListsTheKnownOnes() =>
        Assert.Contains("qwen2_demo", Assert.Throws<EmovaException>(() => ConversationTemplate.Get("qwen3")).Message, StringComparison.Ordinal);

    private static ConversationMessage ReadMessage(JsonElement message)
    {
        ConversationRole role = message.GetProperty("role").GetInt32() == 0 ? ConversationRole.User : ConversationRole.Assistant;
        JsonElement tuple = message.GetProperty("tuple");
        return tuple.ValueKind == JsonValueKind.Null
            ? new ConversationMessage(role, message.GetProperty("text").GetString())
            : new ConversationMessage(role, tuple[0].GetString(), HasImage: true);
    }

    private static int[] Flatten(JsonElement ids) =>
        [.. ids.EnumerateArray().SelectMany(item => item.ValueKind == JsonValueKind.Array ? item.EnumerateArray().ToArray() : [item]).Select(item => item.GetInt32())];

    private static JsonElement Read(string name, string file) => JsonDocument.Parse(File.ReadAllText(Fixtures.File(name, file))).RootElement;
}

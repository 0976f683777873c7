using System.Text;

namespace Emova.Text;

/// <summary>How a conversation becomes one prompt string.</summary>
/// <param name="Key">The name it is looked up by.</param>
/// <param name="Version">The family that decides how labels are made (<see cref="ConversationLabels"/>).</param>
/// <param name="Style">The rendering rule.</param>
/// <param name="System">The system text, with its markers.</param>
/// <param name="UserRole">What is written before a user message.</param>
/// <param name="AssistantRole">What is written before an assistant message.</param>
/// <param name="Separator">Written after a message (after user messages where <paramref name="Separator2"/> is set).</param>
/// <param name="Separator2">Written after assistant messages, or null.</param>
public sealed record ConversationTemplate(
    string Key, string Version, SeparatorStyle Style, string System, string UserRole, string AssistantRole, string Separator, string? Separator2 = null)
{
    private const string VicunaSystem =
        "A chat between a curious user and an artificial intelligence assistant. " +
        "The assistant gives helpful, detailed, and polite answers to the user's questions.";

    private const string HumanSystem =
        "A chat between a curious human and an artificial intelligence assistant. " +
        "The assistant gives helpful, detailed, and polite answers to the human's questions.";

    private const string Llama2System =
        "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe.  " +
        "Your answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. " +
        "Please ensure that your responses are socially unbiased and positive in nature.\n\n" +
        "If a question does not make any sense, or is not factually coherent, explain why instead of answering something not correct. " +
        "If you don't know the answer to a question, please don't share false information.";

    private const string MptSystem =
        "<|im_start|>system\nA conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers.";

    private static readonly Dictionary<string, ConversationTemplate> ByKey = new ConversationTemplate[]
    {
        ChatMarkup("qwen2", "qwen2", "<|im_start|>system\nYou are a helpful assistant.", "<|im_end|>\n"),
        ChatMarkup("qwen2_demo", "qwen2_demo",
            "<|im_start|>system\nYou are a helpful assistant. Your name is emova, and you are purely developed by the emova Team.", "<|im_end|>\n"),
        new("llama3", "llama3", SeparatorStyle.Mpt, "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n" + VicunaSystem,
            "<|start_header_id|>user<|end_header_id|>\n\n", "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        new("deepseek", "deepseek", SeparatorStyle.TwoSeparators, VicunaSystem, "<|User|>", "<|Assistant|>", "\n\n", "<\uFF5Cend\u2581of\u2581sentence\uFF5C>"),
        new("v1", "v1", SeparatorStyle.TwoSeparators, VicunaSystem, "USER", "ASSISTANT", " ", "</s>"),
        new("vicuna_v1", "v1", SeparatorStyle.TwoSeparators, VicunaSystem, "USER", "ASSISTANT", " ", "</s>"),
        new("vicuna_v1_demo", "v1_demo", SeparatorStyle.TwoSeparators, VicunaSystem, "USER", "ASSISTANT", " ", "</s>"),
        new("plain", "plain", SeparatorStyle.Plain, "", "", "", "\n"),
        ChatMarkup("mpt", "mpt", MptSystem, "<|im_end|>"),
        ChatMarkup("chatml_direct", "mpt", "<|im_start|>system\nAnswer the questions.", "<|im_end|>"),
        ChatMarkup("mistral_direct", "mpt", "<|im_start|>system\nAnswer the questions.", "<|im_end|>"),
        new("phi3", "phi3", SeparatorStyle.Mpt, "<|system|>\n" + VicunaSystem, "<|user|>\n", "<|assistant|>\n", "<|end|>\n"),
        new("glm4", "glm4", SeparatorStyle.Glm4, "[gMASK]<sop>", "<|user|>\n", "<|assistant|>", "\n"),
        new("llama_2", "llama_v2", SeparatorStyle.Llama2, Llama2System, "USER", "ASSISTANT", "<s>", "</s>"),
        new("mistral_instruct", "llama_v2", SeparatorStyle.Llama2, "", "USER", "ASSISTANT", "", "</s>"),
        new("v0", "Unknown", SeparatorStyle.OneSeparator, HumanSystem, "Human", "Assistant", "###"),
        new("default", "Unknown", SeparatorStyle.OneSeparator, HumanSystem, "Human", "Assistant", "###"),
    }.ToDictionary(template => template.Key, StringComparer.Ordinal);

    /// <summary>The template of the released Qwen2.5 models and of EMOVA-Tiny.</summary>
    public static ConversationTemplate Qwen2 => ByKey["qwen2"];

    /// <summary>What the model writes at the end of an answer.</summary>
    public string EndToken => (Separator2 ?? Separator).TrimEnd('\n');

    /// <summary>The names of all templates.</summary>
    public static IReadOnlyCollection<string> Keys => ByKey.Keys;

    /// <summary>The template called <paramref name="key"/>.</summary>
    /// <exception cref="EmovaException">There is none of that name.</exception>
    public static ConversationTemplate Get(string key) =>
        ByKey.GetValueOrDefault(key) ?? throw new EmovaException($"conversation template '{key}' is unknown; known: {string.Join(", ", ByKey.Keys)}");

    /// <summary>The system text without the markers before it.</summary>
    public string SystemText => Style == SeparatorStyle.Glm4 ? "" : System[SystemStart..];

    /// <summary>Where the system text begins behind its markers.</summary>
    private int SystemStart => ((string[])["<|im_start|>system\n", "<|end_header_id|>\n\n", "<|system|>\n"])
        .Max(marker => System.IndexOf(marker, StringComparison.Ordinal) is >= 0 and int index ? index + marker.Length : 0);

    /// <summary>The same template with another system text; the markers before it stay.</summary>
    public ConversationTemplate WithSystem(string text) =>
        this with { System = (Style == SeparatorStyle.Glm4 ? System + "<|system|>\n" : System[..SystemStart]) + text };

    /// <summary>
    /// The prompt of a conversation. A last message without text leaves the assistant's turn open for generation.
    /// When the first message carries an image, its placeholder is moved to the front.
    /// </summary>
    /// <exception cref="EmovaException">The template cannot show that many messages (<c>plain</c> has no second separator).</exception>
    public string Render(IReadOnlyList<ConversationMessage> messages)
    {
        ArgumentNullException.ThrowIfNull(messages);
        if (Style == SeparatorStyle.Plain && messages.Skip(1).Any(message => message.Text is not null))
            throw new EmovaException("conversation template 'plain' holds one message only");

        StringBuilder prompt = new();
        if (Style == SeparatorStyle.Glm4)
            prompt.Append(System).Append(UserRole);
        else if (Style is SeparatorStyle.Mpt or SeparatorStyle.TwoSeparators or SeparatorStyle.OneSeparator)
            prompt.Append(System).Append(Separator);

        for (int i = 0; i < messages.Count; i++)
        {
            ConversationMessage message = messages[i];
            string role = message.Role == ConversationRole.User ? UserRole : AssistantRole;
            string? text = i == 0 && message.HasImage && message.Text is not null
                ? ImagePlaceholder.MoveToFront(ImagePlaceholder.Text + message.Text) : message.Text;
            prompt.Append(Style switch
            {
                SeparatorStyle.Mpt => role + text + (text is null ? "" : Separator),
                SeparatorStyle.TwoSeparators => text is null ? role + ":" : $"{role}: {text}{(i % 2 == 0 ? Separator : Separator2)}",
                SeparatorStyle.OneSeparator => text is null ? role + ":" : $"{role}: {text}{Separator}",
                SeparatorStyle.Plain => text is null ? "" : text + Separator,
                SeparatorStyle.Llama2 => text is null ? "" : i % 2 == 0
                    ? $"{(i == 0 ? "" : Separator)}[INST] {(i == 0 ? SystemBlock() : "")}{text} [/INST]"
                    : $" {text} {Separator2}",
                // The reference writes single characters of the role strings around the messages; kept, since it is what that model saw.
                _ => text is null ? "" : $"{(i == 0 ? "" : Separator)}{text}{AssistantRole[1 - i % 2]}",
            });
        }

        return prompt.ToString();
    }

    private string SystemBlock() => System.Length == 0 ? "" : $"<<SYS>>\n{System}\n<</SYS>>\n\n";

    private static ConversationTemplate ChatMarkup(string key, string version, string system, string separator) =>
        new(key, version, SeparatorStyle.Mpt, system, "<|im_start|>user\n", "<|im_start|>assistant\n", separator);
}

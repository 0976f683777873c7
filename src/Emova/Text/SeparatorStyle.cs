namespace Emova.Text;

/// <summary>The rendering rule of a <see cref="ConversationTemplate"/>.</summary>
public enum SeparatorStyle
{
    /// <summary>Role, message and separator directly after each other.</summary>
    Mpt,

    /// <summary>Role, colon, message; one separator after user messages and another after the assistant's.</summary>
    TwoSeparators,

    /// <summary>Role, colon, message; the same separator everywhere.</summary>
    OneSeparator,

    /// <summary>One message and a separator, no roles.</summary>
    Plain,

    /// <summary>The bracketed form of LLaMA 2 and Mistral.</summary>
    Llama2,

    /// <summary>GLM-4 as the reference renders it.</summary>
    Glm4,
}

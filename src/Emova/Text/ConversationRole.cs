namespace Emova.Text;

/// <summary>Who speaks.</summary>
public enum ConversationRole
{
    /// <summary>The person.</summary>
    User,

    /// <summary>The model.</summary>
    Assistant,
}

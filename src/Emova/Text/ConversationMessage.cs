namespace Emova.Text;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Text">What is said, or null for the turn to be generated.</param>
/// <param name="HasImage">Whether an image belongs to the message without its text naming the placeholder.</param>
public readonly record struct ConversationMessage(ConversationRole Role, string? Text, bool HasImage = false);

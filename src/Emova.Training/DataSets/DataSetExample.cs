using Emova.Text;

namespace Emova.Training.DataSets;

/// <summary>A conversation to learn from, before it is tokenized.</summary>
/// <param name="Id">id in its data set</param>
/// <param name="Messages">user and assistant in turn</param>
/// <param name="Picture">what <see cref="ImagePlaceholder.Text"/> in the messages stands for, or null</param>
/// <param name="Language">language the data set names, or null</param>
public sealed record DataSetExample(string Id, IReadOnlyList<ConversationMessage> Messages, PictureReference? Picture = null, string? Language = null);

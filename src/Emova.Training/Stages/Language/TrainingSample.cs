namespace Emova.Training.Stages.Language;

/// <summary>Token ids and labels of one conversation.</summary>
/// <param name="Task">what it trains</param>
/// <param name="Ids">token ids; <see cref="Emova.Text.ImagePlaceholder.Id"/> where the picture's features go</param>
/// <param name="Labels">the same ids where they are to be predicted, else <see cref="Emova.Text.ConversationLabels.Ignore"/></param>
/// <param name="Picture">the picture, if the ids have a placeholder</param>
public sealed record TrainingSample(LanguageTask Task, int[] Ids, int[] Labels, SamplePicture? Picture = null)
{
    /// <summary>Number of feature rows the picture contributes.</summary>
    public int PictureTokens => Picture?.Cells ?? 0;

    /// <summary>Length after the picture took its placeholder's place.</summary>
    public int Length => Ids.Length + (Picture is null ? 0 : PictureTokens - 1);
}

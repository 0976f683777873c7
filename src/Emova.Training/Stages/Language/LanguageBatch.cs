using Emova.Text;
using Emova.Training.Data;

namespace Emova.Training.Stages.Language;

/// <summary>A padded batch: pictures already have as many columns as they have features.</summary>
/// <param name="Ids">(B, T) row-major; 0 under pictures and in the padding on the right</param>
/// <param name="Rows">B</param>
/// <param name="Columns">T</param>
/// <param name="TargetRows">flat positions whose next token is predicted</param>
/// <param name="Targets">those next tokens</param>
/// <param name="TargetTasks">task of each target</param>
/// <param name="PictureRows">flat positions of the pictures' features, picture by picture</param>
/// <param name="Pictures">the pictures in that order</param>
/// <param name="Tokens">positions that are not padding</param>
public sealed record LanguageBatch(
    long[] Ids, int Rows, int Columns, long[] TargetRows, long[] Targets, LanguageTask[] TargetTasks,
    long[] PictureRows, (Scene Scene, int Variant)[] Pictures, int Tokens)
{
    /// <summary>Pads and splices samples.</summary>
    public static LanguageBatch Create(IReadOnlyList<TrainingSample> samples)
    {
        // The last token predicts nothing, so it is not an input.
        int columns = samples.Max(s => s.Length) - 1;
        long[] ids = new long[samples.Count * columns];
        List<long> targetRows = [], targets = [], pictureRows = [];
        List<LanguageTask> tasks = [];
        List<(Scene, int)> pictures = [];
        for (int row = 0; row < samples.Count; row++)
        {
            TrainingSample sample = samples[row];
            long start = (long)row * columns;
            int column = 0;
            for (int i = 0; i < sample.Ids.Length; i++)
            {
                if (sample.Labels[i] != ConversationLabels.Ignore && column > 0)
                {
                    targetRows.Add(start + column - 1);
                    targets.Add(sample.Labels[i]);
                    tasks.Add(sample.Task);
                }

                int width = sample.Ids[i] == ImagePlaceholder.Id ? sample.PictureTokens : 1;
                for (int k = 0; k < width && column + k < columns; k++)
                {
                    if (width > 1)
                    {
                        pictureRows.Add(start + column + k);
                    }
                    else
                    {
                        ids[start + column] = sample.Ids[i];
                    }
                }

                column += width;
            }

            if (sample.Scene is not null)
            {
                pictures.Add((sample.Scene, sample.Variant));
            }
        }

        return new LanguageBatch(
            ids, samples.Count, columns, [.. targetRows], [.. targets], [.. tasks], [.. pictureRows], [.. pictures], samples.Sum(s => s.Length));
    }
}

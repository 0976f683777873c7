using Emova.Text;

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
/// <param name="Segments">(B, T): which sample a position belongs to, −1 in the padding; null where every row is one sample</param>
public sealed record LanguageBatch(
    long[] Ids, int Rows, int Columns, long[] TargetRows, long[] Targets, LanguageTask[] TargetTasks,
    long[] PictureRows, SamplePicture[] Pictures, int Tokens, int[]? Segments = null)
{
    /// <summary>Pads and splices samples, one per row.</summary>
    public static LanguageBatch Create(IReadOnlyList<TrainingSample> samples) => Place([.. samples.Select(s => new[] { s })], packed: false);

    /// <summary>
    /// Several samples per row, each seeing only itself: long samples first, each into the first row that still has room. Rotary positions
    /// count differences only, so a sample's place in its row changes nothing for it.
    /// </summary>
    /// <param name="samples">the samples</param>
    /// <param name="columns">wanted length of a row; a longer sample gets a row of its own</param>
    public static LanguageBatch Pack(IReadOnlyList<TrainingSample> samples, int columns)
    {
        List<(List<TrainingSample> Samples, int Used)> rows = [];
        foreach (TrainingSample sample in samples.OrderByDescending(s => s.Length))
        {
            int width = sample.Length - 1, row = rows.FindIndex(r => r.Used + width <= columns);
            if (row < 0)
            {
                row = rows.Count;
                rows.Add(([], 0));
            }

            rows[row].Samples.Add(sample);
            rows[row] = (rows[row].Samples, rows[row].Used + width);
        }

        return Place([.. rows.Select(r => r.Samples.ToArray())], packed: rows.Any(r => r.Samples.Count > 1));
    }

    private static LanguageBatch Place(TrainingSample[][] rows, bool packed)
    {
        // The last token of a sample predicts nothing, so it is not an input.
        int columns = rows.Max((TrainingSample[] row) => row.Sum((TrainingSample s) => s.Length - 1));
        long[] ids = new long[rows.Length * columns];
        int[]? segments = packed ? new int[ids.Length] : null;
        if (segments is not null)
        {
            Array.Fill(segments, -1);
        }

        List<long> targetRows = [], targets = [], pictureRows = [];
        List<LanguageTask> tasks = [];
        List<SamplePicture> pictures = [];
        int number = 0;
        for (int row = 0; row < rows.Length; row++)
        {
            long start = (long)row * columns;
            foreach (TrainingSample sample in rows[row])
            {
                segments?.AsSpan((int)start, sample.Length - 1).Fill(number);
                number++;
                int column = 0, room = packed ? sample.Length - 1 : columns;
                for (int i = 0; i < sample.Ids.Length; i++)
                {
                    if (sample.Labels[i] != ConversationLabels.Ignore && column > 0)
                    {
                        targetRows.Add(start + column - 1);
                        targets.Add(sample.Labels[i]);
                        tasks.Add(sample.Task);
                    }

                    bool picture = sample.Ids[i] == ImagePlaceholder.Id && sample.Picture is not null;
                    int width = picture ? sample.PictureTokens : 1;
                    for (int k = 0; k < width && column + k < room; k++)
                    {
                        if (picture)
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

                start += sample.Length - 1;
                if (sample.Picture is not null)
                {
                    pictures.Add(sample.Picture);
                }
            }
        }

        return new LanguageBatch(
            ids, rows.Length, columns, [.. targetRows], [.. targets], [.. tasks], [.. pictureRows], [.. pictures], rows.Sum((TrainingSample[] row) => row.Sum((TrainingSample s) => s.Length)), segments);
    }
}

using System.Globalization;
using System.Text.RegularExpressions;
using Emova.Media;
using Emova.Text;
using Emova.Training.Stages.Language;

namespace Emova.Training.DataSets;

/// <summary>Examples to tokens and labels, with the runtime's own templates and picture processing. Safe for several threads.</summary>
public sealed partial class ExampleEncoder
{
    private readonly HuggingFaceTokenizer _tokenizer;
    private readonly ConversationTemplate _template;
    private readonly Qwen2ImageProcessor _pictures;
    private readonly SpeechVocabulary? _speech;
    private readonly int _maxLength;

    /// <param name="tokenizer">tokenizer of the model</param>
    /// <param name="template">template of the stage</param>
    /// <param name="pictures">picture processing of the model</param>
    /// <param name="maxLength">longest sequence, pictures included</param>
    public ExampleEncoder(HuggingFaceTokenizer tokenizer, ConversationTemplate template, Qwen2ImageProcessor pictures, int maxLength)
    {
        (_tokenizer, _template, _pictures, _maxLength) = (tokenizer, template, pictures, maxLength);
        _speech = Enumerable.Range(0, 4096).Any(unit => tokenizer.FindToken(SpeechVocabulary.ToText(unit)) is not null) ? new SpeechVocabulary(tokenizer) : null;
    }

    /// <summary>What an example trains.</summary>
    public static LanguageTask TaskOf(DataSetExample example)
    {
        string first = example.Messages[0].Text!;
        bool speech = example.Messages.Any(m => m.Text!.Contains(UnitPrefix, StringComparison.Ordinal));
        return example.Picture is not null ? (speech ? LanguageTask.SpokenPicture : LanguageTask.Picture)
            : !speech ? LanguageTask.Conversation
            : first.StartsWith(SpeechPrompts.Transcribe, StringComparison.Ordinal) ? LanguageTask.Transcribe
            : first.StartsWith(SpeechPrompts.Speak, StringComparison.Ordinal) ? LanguageTask.Speak
            : LanguageTask.SpokenReply;
    }

    /// <summary>About how many tokens an example takes, units and picture counted exactly, without tokenizing it.</summary>
    /// <exception cref="DefectException">The picture is missing or no picture.</exception>
    public int EstimateLength(DataSetExample example) =>
        example.Messages.Sum(m => EstimateTokens(m.Text!)) + (example.Picture is null ? 0 : Cells(example.Picture));

    /// <summary>Units count one each, Chinese characters too; other text a token per four bytes.</summary>
    public static int EstimateTokens(string text)
    {
        int tokens = 0, bytes = 0;
        for (int i = 0; i < text.Length;)
        {
            if (text[i] == '<' && text.AsSpan(i).StartsWith(UnitPrefix) && text.IndexOf("|>", i, StringComparison.Ordinal) is > 0 and int end && end - i <= UnitPrefix.Length + 4)
            {
                (tokens, i) = (tokens + 1, end + 2);
                continue;
            }

            if (text[i] is >= '\u2E80' and < '\uFB00')
            {
                tokens++;
            }
            else
            {
                bytes++;
            }

            i++;
        }

        return tokens + ((bytes + 3) / 4);
    }

    /// <summary>The tokens and labels of an example, cut to the longest sequence.</summary>
    /// <exception cref="DefectException">It cannot be used, or nothing to learn is left of it.</exception>
    public TrainingSample Encode(DataSetExample example)
    {
        ConversationMessage[] messages = [.. example.Messages.Select(m => m with { Text = LegalUnits(example.Id, m.Text!) })];
        ConversationLabels labels;
        try
        {
            labels = ConversationLabels.Build(_template, messages, _tokenizer);
        }
        catch (EmovaException e)
        {
            throw new DefectException(DefectKind.BadRecord, $"{example.Id}: {e.Message}");
        }

        if (labels.LengthsDisagree)
        {
            throw new DefectException(DefectKind.BadRecord, $"{example.Id}: the template's own markers stand in the text, so its labels do not add up");
        }

        CheckUnits(example.Id, messages, labels.Ids);
        ReadPicture? picture = example.Picture is null ? null : Read(example.Picture);
        int length = _maxLength - (picture is null ? 0 : picture.Cells - 1);
        int place = Array.IndexOf(labels.Ids, ImagePlaceholder.Id);
        (int[] ids, int[] targets) = labels.Ids.Length <= length ? (labels.Ids, labels.Labels) : (labels.Ids[..Math.Max(0, length)], labels.Labels[..Math.Max(0, length)]);
        if (place >= ids.Length || !targets.Skip(1).Any(label => label != ConversationLabels.Ignore))
        {
            throw new DefectException(DefectKind.TooLong, $"{example.Id}: {labels.Ids.Length + (picture?.Cells ?? 0)} tokens; nothing to learn is left of the first {_maxLength}");
        }

        return new TrainingSample(_template.Key == "plain" ? LanguageTask.Caption : TaskOf(example), ids, targets, picture);
    }

    private const string UnitPrefix = "<|speech_";

    [GeneratedRegex(@"<\|speech_(\d{1,9})\|>")]
    private static partial Regex UnitPattern();

    /// <summary>Small models have tokens for some units only; the others take the nearest one.</summary>
    private string LegalUnits(string id, string text)
    {
        if (!text.Contains(UnitPrefix, StringComparison.Ordinal))
        {
            return text;
        }

        SpeechVocabulary speech = _speech ?? throw new DefectException(DefectKind.BadUnits, $"{id}: the tokenizer has no speech units");
        return UnitPattern().Replace(text, match =>
        {
            int unit = int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
            return unit < speech.UnitCount
                ? SpeechVocabulary.ToText(Nearest(speech, unit))
                : throw new DefectException(DefectKind.BadUnits, $"{id}: unit {unit}, there are 0 to {speech.UnitCount - 1}");
        });
    }

    private static int Nearest(SpeechVocabulary speech, int unit)
    {
        lock (speech)
        {
            return speech.Nearest(unit); // it remembers what it finds
        }
    }

    /// <summary>The reference's unit tokens are whole words: beside a letter they fall apart into text.</summary>
    private void CheckUnits(string id, ConversationMessage[] messages, int[] ids)
    {
        if (_speech is null)
        {
            return;
        }

        int written = messages.Sum(m => UnitPattern().Count(m.Text!)), seen = ids.Count(token => _speech.UnitOf(token) >= 0);
        if (_template.Key != "plain" && written != seen)
        {
            throw new DefectException(DefectKind.BadUnits, $"{id}: {written} units are written, the tokenizer sees {seen}; letters right beside a unit hide it");
        }
    }

    private int Cells(PictureReference picture)
    {
        (int width, int height) = picture.Size();
        try
        {
            int cell = _pictures.PatchSize * _pictures.SpatialMergeSize;
            (int rows, int columns) = SmartResize.Compute(height, width, cell, _pictures.MinPixels, _pictures.MaxPixels);
            return rows / cell * (columns / cell);
        }
        catch (EmovaException e)
        {
            throw new DefectException(DefectKind.BrokenPicture, $"{picture.Name}: {e.Message}");
        }
    }

    private ReadPicture Read(PictureReference picture)
    {
        RgbImage image = picture.Load();
        try
        {
            ImagePatches patches = _pictures.Process(image);
            return new ReadPicture(patches, patches.Count / (_pictures.SpatialMergeSize * _pictures.SpatialMergeSize));
        }
        catch (EmovaException e)
        {
            throw new DefectException(DefectKind.BrokenPicture, $"{picture.Name}: {e.Message}");
        }
    }
}

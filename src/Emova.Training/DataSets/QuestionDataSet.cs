using System.Text.Json;
using System.Text.Json.Serialization;

namespace Emova.Training.DataSets;

/// <summary>
/// VQAv2 and OK-VQA as their authors publish them: a file with questions, one with the answers of ten people each, and COCO's pictures.
/// The answer that most people gave is the target.
/// </summary>
public sealed class QuestionDataSet : IExampleSource
{
    private readonly string _questions;
    private readonly string _annotations;
    private readonly string _pictures;
    private readonly List<(long Id, string Question, string Answer, string? Picture)> _entries = [];

    /// <param name="path">a folder with one file of questions (<c>*questions*.json</c>) and one of annotations (<c>*annotations*.json</c>), or the file of questions</param>
    /// <param name="pictures">folder of the pictures; null = the folder itself, where <c>train2014/</c> or <c>val2014/</c> lies</param>
    /// <exception cref="EmovaException">The files are not there, or there are several.</exception>
    public QuestionDataSet(string path, string? pictures = null)
    {
        Path = path;
        string folder = Directory.Exists(path) ? path : System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        _questions = Directory.Exists(path) ? Only(folder, "*questions*.json") : path;

        // "v2_OpenEnded_mscoco_train2014_questions.json" belongs to "v2_mscoco_train2014_annotations.json".
        string split = ((string[])["train2014", "val2014", "train", "val"]).FirstOrDefault(s => System.IO.Path.GetFileName(_questions).Contains(s, StringComparison.Ordinal)) ?? "";
        _annotations = Only(folder, $"*{split}*annotations*.json");
        _pictures = pictures ?? folder;
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public IEnumerable<(long Key, DataSetExample Example)> Scan(DefectList defects)
    {
        QuestionFile questions = Read<QuestionFile>(_questions);
        Dictionary<long, string> answers = [];
        foreach (Annotation annotation in Read<AnnotationFile>(_annotations).Annotations ?? [])
        {
            answers[annotation.QuestionId] = annotation.Common ?? QuestionPrompt.MostCommon((annotation.Answers ?? []).Select(a => a.Text));
        }

        HashSet<long> known = [];
        foreach (Question question in questions.Questions ?? [])
        {
            string item = $"question {question.QuestionId}";
            if (!known.Add(question.QuestionId))
            {
                defects.Add(DefectKind.DuplicateId, item, "an earlier question has this id");
                continue;
            }

            _entries.Add((question.QuestionId, question.Text ?? "", answers.GetValueOrDefault(question.QuestionId, ""), PictureOf(question, questions.Subtype)));
            DataSetExample example;
            try
            {
                example = Read(_entries.Count - 1);
            }
            catch (DefectException e)
            {
                defects.Add(item, e);
                continue;
            }

            yield return (_entries.Count - 1, example);
        }
    }

    /// <inheritdoc/>
    public DataSetExample Read(long key)
    {
        (long id, string question, string answer, string? picture) = _entries[(int)key];
        return ConversationRecord.Create(
            $"{id}", [("human", QuestionPrompt.Of(question), false), ("gpt", answer, false)],
            new PictureReference(picture!, System.IO.Path.Combine(_pictures, picture!)), "en");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static string PictureOf(Question question, string? subtype)
    {
        string split = subtype is "train2014" or "val2014" or "test2015" ? subtype : "train2014";
        return System.IO.Path.Combine(split, $"COCO_{split}_{question.ImageId:D12}.jpg");
    }

    private static string Only(string folder, string pattern) => Directory.GetFiles(folder, pattern) switch
    {
        [string only] => only,
        [] => throw new EmovaException($"{folder}: no {pattern}"),
        string[] several => throw new EmovaException($"{folder}: {several.Length} files {pattern}; give the file of questions as the path"),
    };

    private static T Read<T>(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            return JsonSerializer.Deserialize<T>(stream) ?? throw new EmovaException($"{path}: null");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private sealed record QuestionFile(
        [property: JsonPropertyName("questions")] List<Question>? Questions, [property: JsonPropertyName("data_subtype")] string? Subtype);

    private sealed record Question(
        [property: JsonPropertyName("question_id")] long QuestionId, [property: JsonPropertyName("image_id")] long ImageId,
        [property: JsonPropertyName("question")] string? Text);

    private sealed record AnnotationFile([property: JsonPropertyName("annotations")] List<Annotation>? Annotations);

    private sealed record Annotation(
        [property: JsonPropertyName("question_id")] long QuestionId, [property: JsonPropertyName("multiple_choice_answer")] string? Common,
        [property: JsonPropertyName("answers")] List<Answer>? Answers);

    private sealed record Answer([property: JsonPropertyName("answer")] string? Text);
}

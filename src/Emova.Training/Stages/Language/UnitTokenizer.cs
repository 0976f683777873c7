using Emova.Models.Speech;
using Emova.Training.Data;

namespace Emova.Training.Stages.Language;

/// <summary>
/// Adds the speech units in use to the corpus tokenizer. Units get ids after all text tokens, so that text ids, and with them the rows a
/// language model has learned, stay where they are.
/// </summary>
public static class UnitTokenizer
{
    /// <summary>Name of the extended tokenizer in the run folder.</summary>
    public const string FileName = "tokenizer.json";

    /// <summary>
    /// Writes the tokenizer with a token for every unit of the canonical training utterances and for those that other training utterances
    /// use at least so often; rarer ones are mapped to their nearest neighbor.
    /// </summary>
    public static void Write(TinyCorpus corpus, SpeechUnitsTable units, int minOccurrences, string path)
    {
        Dictionary<int, int> counts = [];
        foreach (Utterance utterance in corpus.Utterances.Where(u => u.Split == "train" && u.Kind != "unseen"))
        {
            if (!units.Contains(utterance.Id))
            {
                continue;
            }

            int weight = utterance.Kind == "canonical" ? minOccurrences : 1;
            foreach (int unit in SpeechUnits.Collapse(units[utterance.Id]).Units)
            {
                counts[unit] = counts.GetValueOrDefault(unit) + weight;
            }
        }

        int[] used = [.. counts.Where(c => c.Value >= minOccurrences).Select(c => c.Key).Order()];
        if (used.Length == 0)
        {
            throw new EmovaException($"{corpus.Folder}: no training utterance has units; run `emova-train encode` first");
        }

        TokenizerFile.Load(Path.Combine(corpus.Folder, "tokenizer.json")).WithUnits(used).Save(path);
    }
}

using System.Text.Json;

namespace Emova.Training.Data;

/// <summary>Builds the text side of the corpus and the speech plan, checks that the splits are disjoint, and writes them.</summary>
public sealed class CorpusBuilder
{
    private static readonly JsonSerializerOptions Indented = new(CorpusJson.Options) { WriteIndented = true };

    private readonly DataConfig _config;
    private readonly int _seed;
    private readonly SplitRule _rule;

    public CorpusBuilder(DataConfig config, int seed)
    {
        (_config, _seed) = (config, seed);
        _rule = SplitRule.Of(seed);
        Concepts = ConceptTable.Load();
        var pools = new CombinationPools(Concepts, _rule, config.Pools, new DeterministicRandom((ulong)seed));
        Dialogues = SplitRule.Splits.ToDictionary(split => split, split => Generate(split, pools));
        var wide = new CombinationPools(Concepts, _rule, config.TypedPools, new DeterministicRandom(DeterministicRandom.Hash("typed pools", (ulong)seed)));
        var painted = new CombinationPools(
            Concepts, _rule, config.PaintedPools, new DeterministicRandom(DeterministicRandom.Hash("painted pools", (ulong)seed)), painted: true);
        TypedDialogues =
        [
            .. new DialogueGenerator(SplitRule.Train, Concepts, wide, _rule, (ulong)seed, "typed").GenerateTyped(config.TypedDialogues),
            .. new DialogueGenerator(SplitRule.Train, Concepts, painted, _rule, (ulong)seed, "painted").GeneratePainted(config.PaintedDialogues),
        ];
        Jobs = SpeechPlan.Create(Dialogues, Concepts, config, _rule, (ulong)seed);
        AssertDisjoint();
    }

    public IReadOnlyList<Concept> Concepts { get; }

    public IReadOnlyDictionary<string, List<Dialogue>> Dialogues { get; }

    /// <summary>Training conversations about pictures that are not spoken.</summary>
    public IReadOnlyList<Dialogue> TypedDialogues { get; }

    public List<RenderJob> Jobs { get; }

    /// <summary>All words said anywhere, sorted.</summary>
    public string[] Vocabulary => [.. Jobs.SelectMany(j => j.Text.Split(' ')).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Writes everything but the speech.</summary>
    public void Write(string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, "text"));
        foreach ((string split, List<Dialogue> dialogues) in Dialogues)
        {
            CorpusJson.WriteLines(Path.Combine(folder, "dialogue", split + ".jsonl"), dialogues);
            File.WriteAllLines(Path.Combine(folder, "text", $"sentences-{split}.txt"),
                Jobs.Where(j => j.Split == split).Select(j => j.Text).Distinct().Order(StringComparer.Ordinal));
        }
        CorpusJson.WriteLines(Path.Combine(folder, "dialogue", TinyCorpus.TypedFile), TypedDialogues);
        File.WriteAllLines(Path.Combine(folder, "text", "sentences.txt"), Jobs.Select(j => $"{j.Split}\t{j.Text}").Distinct().Order(StringComparer.Ordinal));
        File.WriteAllLines(Path.Combine(folder, "vocabulary.txt"), Vocabulary);
        TrainTokenizer().Save(Path.Combine(folder, "tokenizer.json"));
        File.WriteAllText(Path.Combine(folder, "concepts.json"), JsonSerializer.Serialize(Concepts, CorpusJson.Options));
    }

    /// <summary>The text tokenizer, from training sentences and the words around them in prompts. Units are added once they are known.</summary>
    public TokenizerFile TrainTokenizer()
    {
        // Words of the chat format are in every sample: they must be single tokens however rarely answers use them.
        string[] format = ["system\n", "user\n", "assistant\n", "You are a helpful assistant.", "<image>\n", .. VoiceStyle.Emotions, .. VoiceStyle.Pitches];
        return TokenizerFile.Train(
            Jobs.Where(j => j.Split == SplitRule.Train && j.Kind != "stranger" && !SpeechPlan.IsAnswer(j)).Select(j => (j.Text, 1L))
                // Rare words would otherwise stay in pieces, and every piece is one more step for the language model.
                .Concat(Vocabulary.Select(word => (" " + word, 20L)))
                .Concat(format.Select(f => (f, 10_000L))),
            _config.TokenizerEntries);
    }

    /// <summary>Records what the finished corpus holds; its presence says that everything is there.</summary>
    public void WriteSummary(string folder)
    {
        var summary = new
        {
            Seed = _seed,
            Vocabulary = Vocabulary.Length,
            Concepts = Concepts.Count,
            Dialogues = Dialogues.ToDictionary(d => d.Key, d => d.Value.Count),
            TypedDialogues = TypedDialogues.Count,
            Utterances = Jobs.Count,
            ByKind = Jobs.GroupBy(j => $"{j.Kind} {j.Split}").ToDictionary(g => g.Key, g => g.Count()),
            Config = _config,
        };
        File.WriteAllText(Path.Combine(folder, "corpus.json"), JsonSerializer.Serialize(summary, Indented));
    }

    private List<Dialogue> Generate(string split, CombinationPools pools)
    {
        var generator = new DialogueGenerator(split, Concepts, pools, _rule, (ulong)_seed);
        List<Dialogue> dialogues = [.. generator.Generate(CountOf(split))];
        if (split == SplitRule.Train)
            dialogues.AddRange([.. generator.TopUp(dialogues, Concepts, _config.MinimumPictures)]);
        return dialogues;
    }

    private int CountOf(string split) => split switch
    {
        SplitRule.Train => _config.TrainDialogues,
        SplitRule.Validation => _config.ValidationDialogues,
        _ => _config.TestDialogues,
    };

    /// <summary>The promise of the corpus, checked on what was actually generated.</summary>
    private void AssertDisjoint()
    {
        foreach (string kind in new[] { "canonical", "question" })
        {
            var owner = new Dictionary<string, string>();
            foreach (RenderJob job in Jobs.Where(j => j.Kind == kind))
            {
                if (!owner.TryAdd(job.Text, job.Split) && owner[job.Text] != job.Split)
                    throw new InvalidOperationException($"'{job.Text}' ({kind}) is in both {owner[job.Text]} and {job.Split}");
            }
        }
        HashSet<string> heldOutReplies = [.. Jobs.Where(j => j.Kind == "canonical" && j.Split != SplitRule.Train).Select(j => j.Text)];
        if (TypedDialogues.SelectMany(d => d.Turns).FirstOrDefault(t => heldOutReplies.Contains(t.Reply.Text)) is { } leaked)
            throw new InvalidOperationException($"'{leaked.Reply.Text}' is typed in training and also held out");
        var heldOut = Dialogues.Where(d => d.Key != SplitRule.Train).SelectMany(d => d.Value)
            .Where(d => d.Scene is not null).Select(d => SceneSignature.Of(d.Scene!)).ToHashSet();
        foreach (Dialogue dialogue in Dialogues[SplitRule.Train].Concat(TypedDialogues).Where(d => d.Scene is not null))
        {
            string signature = SceneSignature.Of(dialogue.Scene!);
            if (heldOut.Contains(signature))
                throw new InvalidOperationException($"scene '{signature}' of {dialogue.Id} is also held out");
        }
    }
}

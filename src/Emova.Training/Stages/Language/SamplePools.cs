using Emova.Training.Data;
using Emova.Training.Stages.Vision;

namespace Emova.Training.Stages.Language;

/// <summary>The corpus entries each task draws from.</summary>
public static class SamplePools
{
    /// <summary>Random draws for the given tasks; a task without entries is left out.</summary>
    /// <param name="tasks">the tasks wanted</param>
    /// <param name="corpus">the corpus</param>
    /// <param name="units">units, or null before they exist</param>
    /// <param name="factory">builds samples of the split</param>
    /// <param name="split">train, validation or test</param>
    /// <param name="maxSamples">entries per task, 0 = all</param>
    /// <param name="crowdedCaptions">see <see cref="LanguageSettings.CrowdedCaptions"/></param>
    public static Dictionary<LanguageTask, Func<Random, TrainingSample>> Create(
        IEnumerable<LanguageTask> tasks, TinyCorpus corpus, SpeechUnitsTable? units, SampleFactory factory, string split, int maxSamples = 0,
        double crowdedCaptions = 0)
    {
        Dictionary<LanguageTask, Func<Random, TrainingSample>> pools = [];
        Utterance[] spoken = [.. corpus.Utterances.Where(u => u.Split == split && u.Kind != "unseen" && units?.Contains(u.Id) == true)];
        foreach (LanguageTask task in tasks)
        {
            switch (task)
            {
                case LanguageTask.Sentence:
                    string path = Path.Combine(corpus.Folder, "text", $"sentences-{split}.txt");
                    Add(task, [.. File.ReadLines(path)], line => line.Length > 0, (s, _) => factory.Sentence(s));
                    break;
                case LanguageTask.Conversation:
                    Add(task, corpus.TypedDialogues(split), BothAnswers, (d, _) => factory.Conversation(d));
                    break;
                case LanguageTask.Caption:
                    CrowdedScenes? crowds = crowdedCaptions > 0 ? new([.. corpus.Dialogues(split).Where(d => d.Scene is not null).Select(d => d.Scene!)]) : null;
                    Add(task, corpus.Dialogues(split), IsCaption, (d, random) =>
                        crowds is not null && random.NextDouble() < crowdedCaptions ? factory.Inventory(crowds.Compose(random), random) : factory.Caption(d, random));
                    break;
                case LanguageTask.Picture:
                    Add(task, corpus.TypedDialogues(split), d => d.Scene is not null && BothAnswers(d), factory.Picture);
                    break;
                case LanguageTask.Transcribe:
                    Add(task, spoken, u => u.Kind != "canonical", factory.Transcribe);
                    break;
                case LanguageTask.Speak:
                    Add(task, spoken, u => u.Kind == "canonical", (u, _) => factory.Speak(u));
                    break;
                case LanguageTask.SpokenReply:
                    Add(task, corpus.Dialogues(split), d => d.Scene is null && factory.IsSpoken(d), factory.Spoken);
                    break;
                case LanguageTask.SpokenPicture:
                    Add(task, corpus.Dialogues(split), d => d.Scene is not null && factory.IsSpoken(d) && BothAnswers(d), factory.Spoken);
                    break;
            }
        }

        return pools;

        // What is held out for testing must not turn into a one-sided question of training.
        bool BothAnswers(Dialogue dialogue) => split != SplitRule.Train || Alternatives.InTraining(dialogue, corpus.Rule);

        void Add<T>(LanguageTask task, IReadOnlyList<T> entries, Func<T, bool> fits, Func<T, Random, TrainingSample> build)
        {
            IEnumerable<int> fitting = Enumerable.Range(0, entries.Count).Where(i => fits(entries[i]));
            int[] all = maxSamples > 0 ? [.. fitting.Take(maxSamples)] : [.. fitting];
            if (all.Length > 0)
            {
                pools[task] = random => build(entries[all[random.Next(all.Length)]], random);
            }
        }
    }

    /// <summary>Answers that tell what the whole picture shows.</summary>
    private static bool IsCaption(Dialogue dialogue) => dialogue.Scene is not null && dialogue.Task == "caption";
}

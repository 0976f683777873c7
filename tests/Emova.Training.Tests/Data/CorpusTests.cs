using System.Text.RegularExpressions;
using Emova.Training.Data;
using Xunit;

namespace Emova.Training.Tests.Data;

/// <summary>The whole corpus as it is shipped, built once.</summary>
public sealed class FullCorpus
{
    public CorpusBuilder Corpus { get; } = new(new DataConfig(), seed: 1);
}

public sealed class CorpusTests(FullCorpus full) : IClassFixture<FullCorpus>
{
    private CorpusBuilder Corpus => full.Corpus;

    private IEnumerable<DialogueTurn> Turns(string split) => (split == "train" ? Trained : Corpus.Dialogues[split]).SelectMany(d => d.Turns);

    /// <summary>Spoken and typed.</summary>
    private IEnumerable<Dialogue> Trained => Corpus.Dialogues["train"].Concat(Corpus.TypedDialogues);

    [Theory]
    [InlineData("validation")]
    [InlineData("test")]
    public void Held_out_questions_and_answers_are_never_trained_on(string split)
    {
        var questions = Turns("train").Select(t => t.User.Text).ToHashSet();
        var replies = Turns("train").Select(t => t.Reply.Text).ToHashSet();
        Assert.DoesNotContain(Turns(split), t => questions.Contains(t.User.Text));
        Assert.DoesNotContain(Turns(split), t => replies.Contains(t.Reply.Text));
    }

    [Theory]
    [InlineData("validation")]
    [InlineData("test")]
    public void Held_out_pictures_are_never_trained_on(string split)
    {
        var trained = Trained.Where(d => d.Scene is not null).Select(d => SceneSignature.Of(d.Scene!)).ToHashSet();
        var heldOut = Corpus.Dialogues[split].Where(d => d.Scene is not null).ToList();
        Assert.NotEmpty(heldOut);
        Assert.DoesNotContain(heldOut, d => trained.Contains(SceneSignature.Of(d.Scene!)));
    }

    [Fact]
    public void Held_out_pairs_of_things_are_on_no_training_picture()
    {
        static IEnumerable<string> Pairs(Dialogue d)
        {
            string[] names = [.. d.Scene!.Objects.Where(o => o.Class is "emoji").Select(o => o.Concept).Distinct().Order(StringComparer.Ordinal)];
            return from i in Enumerable.Range(0, names.Length) from j in Enumerable.Range(i + 1, names.Length - i - 1) select names[i] + "+" + names[j];
        }

        var trained = Trained.Where(d => d.Scene is not null).SelectMany(Pairs).ToHashSet();
        var tested = Corpus.Dialogues["test"].Where(d => d.Scene?.Objects.Count(o => o.Class == "emoji") == 2).SelectMany(Pairs).ToHashSet();
        Assert.True(tested.Count > 50, $"only {tested.Count} test pairs");
        Assert.Empty(tested.Intersect(trained));
    }

    [Fact]
    public void A_colored_shape_held_out_for_testing_is_neither_drawn_nor_named_in_training()
    {
        Assert.DoesNotContain(Trained, d => d.Scene?.Objects.Any(o => o is { Concept: "star", Color: "purple" }) == true);
        Assert.DoesNotContain(Corpus.Jobs, j => j.Split == "train" && j.Text.Contains("purple star", StringComparison.Ordinal));
        Assert.Contains(Corpus.Dialogues["test"], d => d.Scene?.Objects.Any(o => o is { Concept: "star", Color: "purple" }) == true);
    }

    [Fact]
    public void Every_sentence_of_a_dialogue_is_rendered_in_its_split()
    {
        var spoken = Corpus.Jobs.Select(j => (j.Kind, j.Split, j.Text)).ToHashSet();
        foreach (string split in SplitRule.Splits)
        {
            DialogueTurn[] turns = [.. Corpus.Dialogues[split].SelectMany(d => d.Turns)];
            Assert.DoesNotContain(turns, t => !spoken.Contains(("question", split, t.User.Text)) || !spoken.Contains(("canonical", split, t.Reply.Text)));
        }
    }

    [Fact]
    public void Sentences_are_plain_lower_case_words_and_held_out_words_are_all_trained()
    {
        Assert.All(Corpus.Jobs, j => Assert.Matches(new Regex("^[a-z]+( [a-z]+)*$"), j.Text));
        var trained = Corpus.Jobs.Where(j => j.Split == "train").SelectMany(j => j.Text.Split(' ')).ToHashSet();
        Assert.Subset(trained, Corpus.Vocabulary.ToHashSet());
        Assert.InRange(Corpus.Vocabulary.Length, 400, 560);
    }

    [Fact]
    public void Every_concept_is_seen_and_spoken_of_often_enough()
    {
        Assert.True(Corpus.Concepts.Count >= 160);
        var replies = Turns("train").Select(t => t.Reply.Text).Distinct().Select(t => $" {t} ").ToList();
        foreach (Concept concept in Corpus.Concepts)
        {
            int pictures = Corpus.Dialogues["train"].Count(d => d.Scene?.Objects.Any(o => o.Concept == concept.Name) == true);
            Assert.True(pictures >= 150, $"{concept.Name}: {pictures} pictures");
            int sentences = replies.Count(r => r.Contains($" {concept.Name} ", StringComparison.Ordinal)
                || (concept.Plural.Length > 0 && r.Contains($" {concept.Plural} ", StringComparison.Ordinal)));
            Assert.True(sentences >= 12, $"{concept.Name}: {sentences} answers");
        }
    }

    [Fact]
    public void The_plan_balances_styles_and_stays_within_the_rendering_budget()
    {
        var styled = Corpus.Jobs.Where(j => j.Kind == "styled").GroupBy(j => (j.Style, j.Split)).ToDictionary(g => g.Key, g => g.Count());
        Assert.All(VoiceStyle.All, s => Assert.Equal(130, styled[(s.Name, "train")]));
        Assert.All(VoiceStyle.All, s => Assert.Equal(20, styled[(s.Name, "test")]));
        Assert.InRange(Corpus.Jobs.Count, 26_000, 36_000);
        Assert.Equal(Corpus.Jobs.Count, Corpus.Jobs.Select(j => j.Id).Distinct().Count());
    }

    [Fact]
    public void Typed_conversations_ask_several_things_about_one_picture_and_need_no_recording()
    {
        Assert.Equal(new DataConfig().TypedDialogues, Corpus.TypedDialogues.Count);
        Assert.All(Corpus.TypedDialogues, d => Assert.InRange(d.Turns.Count, 2, 5));
        Assert.All(Corpus.TypedDialogues, d => Assert.NotNull(d.Scene));
        HashSet<string> rendered = [.. Corpus.Jobs.Select(j => j.Text)];
        HashSet<string> words = [.. Corpus.Vocabulary];
        Assert.Contains(Corpus.TypedDialogues, d => d.Turns.Any(t => !rendered.Contains(t.User.Text)));
        Assert.DoesNotContain(Corpus.TypedDialogues.SelectMany(d => d.Turns), t => $"{t.User.Text} {t.Reply.Text}".Split(' ').Any(word => !words.Contains(word)));
    }

    [Fact]
    public void Answers_to_learn_speaking_from_are_new_and_bring_no_new_words()
    {
        RenderJob[] answers = [.. Corpus.Jobs.Where(SpeechPlan.IsAnswer)];
        HashSet<string> others = [.. Corpus.Jobs.Where(j => !SpeechPlan.IsAnswer(j)).Select(j => j.Text)];
        HashSet<string> words = [.. others.SelectMany(text => text.Split(' '))];
        Assert.Equal(answers.Length, answers.Select(j => j.Text).Distinct().Count());
        Assert.DoesNotContain(answers, j => others.Contains(j.Text) || j.Split != SplitRule.Train || j.Kind != "canonical");
        Assert.Empty(answers.SelectMany(j => j.Text.Split(' ')).Where(word => !words.Contains(word)).Distinct());
        Assert.Equal(answers, Corpus.Jobs.TakeLast(answers.Length));
    }

    [Theory]
    [InlineData("is there an anchor", "yes there is an anchor", "no i do not see an anchor")]
    [InlineData("are there grapes", "no i do not see grapes", "yes there are grapes")]
    [InlineData("is there an owl", "no i do not see an owl", "yes there is an owl")]
    [InlineData("is the red bar taller than the blue bar", "no the red bar is shorter than the blue bar", "yes the red bar is taller than the blue bar")]
    [InlineData("is this a door my friend", "no this is a basketball", "yes this is a basketball|yes this is a door")]
    [InlineData("where is the ice cream say it in a low voice", "the ice cream is on the left", "i do not see ice cream in the picture")]
    [InlineData("what do you see", "i see a cat", "")]
    public void Other_answers_of_a_question(string question, string reply, string others) =>
        Assert.Equal(others, string.Join('|', Alternatives.Of(question, reply)));

    [Fact]
    public void Typed_training_never_answers_a_question_one_way_because_the_other_is_held_out() => Assert.All(
        Corpus.TypedDialogues.SelectMany(d => d.Turns).Take(20_000),
        turn => Assert.DoesNotContain(Alternatives.Of(turn.User.Text, turn.Reply.Text), other => SplitRule.Of(1).OfSentence(other) != SplitRule.Train));

    [Fact]
    public void Objects_lie_on_the_canvas()
    {
        foreach (Scene scene in Corpus.Dialogues["test"].Where(d => d.Scene is not null).Select(d => d.Scene!))
            Assert.All(scene.Objects, o => Assert.True(o.Box[0] >= -4 && o.Box[1] >= -4 && o.Box[2] <= scene.Width + 4 && o.Box[3] <= scene.Height + 4, $"{o.Concept} {string.Join(',', o.Box)}"));
    }

    [Fact]
    public void The_same_seed_gives_the_same_corpus_and_another_seed_another()
    {
        var small = new DataConfig { TrainDialogues = 300, ValidationDialogues = 20, TestDialogues = 20, ExtraSentences = 50, MinimumPictures = 0, TypedDialogues = 50 };
        string[] Texts(int seed) => [.. new CorpusBuilder(small, seed).Jobs.Select(j => $"{j.Text}|{j.Style}|{j.Split}")];
        Assert.Equal(Texts(1), Texts(1));
        Assert.NotEqual(Texts(1), Texts(2));
    }
}

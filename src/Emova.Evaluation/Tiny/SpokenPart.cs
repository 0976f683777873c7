using Emova.Evaluation.Data;
using Emova.Evaluation.Judges;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Reports;

namespace Emova.Evaluation.Tiny;

/// <summary>Spoken questions with spoken answers: is the question understood, the answer right, in the right manner, and audible?</summary>
internal static class SpokenPart
{
    private sealed record Exchange(TestTurn Turn, Reply Reply)
    {
        public bool IsRight => Answers.Same(Turn.Reply.Text, Reply.Text);

        public bool HasEmotion => Reply.Emotion == Turn.Reply.Emotion;

        public bool HasPitch => Reply.Pitch == Turn.Reply.Pitch;
    }

    public static async Task RunAsync(TinyRun run)
    {
        TestDialogue[] dialogues = run.Choose(run.Dialogues.Where(dialogue => IsRecorded(run, dialogue)));
        Exchange[][] conversations = run.Map("asking aloud", dialogues, dialogue =>
        {
            IReadOnlyList<Reply> replies = run.Model.Converse(run.Corpus.ReadPicture(dialogue), [.. dialogue.Turns.Select(turn => Recording(run, turn))], 0, run.Options.Seed);
            return dialogue.Turns.Select((turn, i) => new Exchange(turn, replies[i])).ToArray();
        });
        Exchange[] exchanges = [.. conversations.SelectMany(c => c)];

        run.Add("questions heard without a wrong word", run.Share(exchanges.Select(e => Answers.Same(e.Turn.User.Text, e.Reply.Heard ?? ""))));
        run.Add("exact answers about pictures, spoken", Right(withPicture: true), Target.Min(90));
        run.Add("exact answers without a picture, spoken", Right(withPicture: false));
        run.Note("exact answers, spoken", dialogues.Zip(conversations).SelectMany(pair => pair.Second.Select(e =>
            (pair.First.Id, $"{e.Turn.User.Text} | heard: {e.Reply.Heard}", e.Turn.Reply.Text, e.Reply.Text))));
        run.Add("emotion and pitch of the reply as labelled", run.Share(exchanges.Select(e => e.HasEmotion && e.HasPitch)), Target.Min(95));
        run.Add("emotion of the reply as labelled", run.Share(exchanges.Select(e => e.HasEmotion)));
        if (PocketsphinxJudge.WhyMissing() is { } reason) run.Skip("words of the spoken answer", reason);
        else await AddRoundTripAsync(run, exchanges).ConfigureAwait(false);

        // The turns of a conversation stay together when resampling.
        Estimate Right(bool withPicture) => run.Rate(conversations.Where((_, i) => dialogues[i].HasPicture == withPicture)
            .Select(turns => new ErrorRate(turns.Count(e => e.IsRight), turns.Length)));
    }

    /// <summary>Whether every question of a conversation was recorded.</summary>
    internal static bool IsRecorded(TinyRun run, TestDialogue dialogue) => dialogue.Turns.All(turn => run.Corpus.Saying(turn.User.Text, "question").Count > 0);

    /// <summary>The recording of a question in the emotion of its words.</summary>
    internal static SpokenOrTyped Recording(TinyRun run, TestTurn turn) => new(null, run.Corpus.Read(run.Corpus.Saying(turn.User.Text, "question")[0]));

    private static async Task AddRoundTripAsync(TinyRun run, Exchange[] exchanges)
    {
        ErrorRate[] errors = await run.ListenAsync("listening to the answers",
            [.. exchanges.Select(e => (Answers.Plain(e.Reply.Text), e.Reply.Audio?.Samples ?? []))]).ConfigureAwait(false);
        run.Add("word errors, judge's transcript of the answer against its text", run.Rate(errors), Target.Max(10));
    }
}

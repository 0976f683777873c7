using Emova.Generation;
using Emova.Media;
using Emova.Models.Language;
using Emova.Tests.Models;
using Emova.Text;
using Xunit;

namespace Emova.Tests.Generation;

/// <summary>Replies made side by side, and what conversations share, on a folder with random weights.</summary>
public sealed class DecodeLoopTests : IDisposable
{
    private static readonly ConversationOptions Short = new() { Limits = new GrammarLimits(TextBytes: 24, Units: 30) };

    private readonly RandomModelFolder _folder = new();
    private readonly Assistant _assistant;

    public DecodeLoopTests() => _assistant = Assistant.Load(_folder.Folder);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(256, 64)]
    [InlineData(7, 3)]
    [InlineData(2, 1)] // fewer rows than conversations
    public void RepliesMadeSideBySideAreThoseMadeAlone(int maxRows, int promptRows)
    {
        RgbImage picture = RandomModelFolder.Picture();
        UserTurn[] turns =
        [
            new() { Audio = RandomModelFolder.Tone() },
            new() { Audio = RandomModelFolder.Tone(seconds: 0.4), Image = picture },
            new() { Text = "what is the cat", Image = picture },
            new() { Text = "the cat", Speak = true },
        ];
        ConversationOptions hot = Short with { Sampling = new SamplingOptions { Temperature = 1, Seed = 4 } };
        Reply[] expected = [.. turns.Select(turn => Assistant.Load(_folder.Folder).StartConversation(hot).Respond(turn))];

        DecodeLoop loop = new(_assistant.Model.Language, maxRows, promptRows);
        List<PendingReply> running = [];
        int next = 0, steps = 0;
        do
        {
            // They come one after the other, into the middle of those before.
            if (steps++ % 20 == 0 && next < turns.Length)
                running.Add(_assistant.StartConversation(hot).Begin(turns[next++]));
            foreach (PendingReply reply in running.Where(reply => reply.HasVoiceWork))
                reply.Voice();
        }
        while (loop.Step(running) | next < turns.Length | running.Any(reply => reply.HasVoiceWork));

        for (int i = 0; i < turns.Length; i++)
        {
            Reply actual = running[i].Finish();
            Assert.Equal(expected[i].Raw, actual.Raw);
            Assert.Equal(expected[i].Text, actual.Text);
            Assert.Equal(expected[i].Units, actual.Units);
            Assert.Equal(expected[i].TokenCount, actual.TokenCount);
            Assert.Equal(expected[i].Audio?.Samples, actual.Audio?.Samples);
        }
    }

    [Fact]
    public void AFailingReplyLeavesTheOthersAlone()
    {
        Reply expected = _assistant.StartConversation(Short).Respond(new UserTurn { Text = "what is the cat" });
        DecodeLoop loop = new(_assistant.Model.Language);
        Conversation failing = _assistant.StartConversation(Short);
        PendingReply bad = failing.Begin(new UserTurn { Text = "what" }, _ => throw new InvalidOperationException("the listener fell over"));
        PendingReply good = _assistant.StartConversation(Short).Begin(new UserTurn { Text = "what is the cat" });
        while (loop.Step([bad, good]))
            continue;
        Assert.Equal(expected.Raw, good.Finish().Raw);
        Assert.True(bad.IsComplete);
        Assert.Equal("the listener fell over", Assert.Throws<InvalidOperationException>(bad.Finish).Message);
        Assert.Empty(failing.Messages);
        Assert.Equal(expected.Raw, failing.Respond(new UserTurn { Text = "what is the cat" }).Raw);
    }

    [Fact]
    public void ACancelledReplyIsForgotten()
    {
        Conversation conversation = _assistant.StartConversation(Short);
        DecodeLoop loop = new(_assistant.Model.Language);
        UserTurn turn = new() { Audio = RandomModelFolder.Tone() };
        PendingReply given = conversation.Begin(turn);
        Assert.Throws<InvalidOperationException>(() => conversation.Begin(turn));
        for (int i = 0; i < 5; i++)
            loop.Step([given]);
        Assert.Throws<InvalidOperationException>(given.Finish);
        given.Cancel();
        Assert.True(given.HasEnded);
        Assert.False(loop.Step([given]));
        Assert.Empty(conversation.Messages);
        Assert.Equal(_assistant.StartConversation(Short).Respond(turn).Raw, conversation.Respond(turn).Raw);
    }

    [Fact]
    public void ASecondConversationDoesNotReadTheCommonPromptAgain()
    {
        UserTurn turn = new() { Audio = RandomModelFolder.Tone() };
        Reply first = _assistant.StartConversation(Short).Respond(turn);
        Assert.Equal(0, _assistant.Prefixes.SharedPositions);

        DecodeLoop loop = new(_assistant.Model.Language);
        PendingReply same = _assistant.StartConversation(Short).Begin(turn), other = _assistant.StartConversation(Short).Begin(new UserTurn { Audio = RandomModelFolder.Tone(seconds: 0.5) });
        while (loop.Step([same, other]) | same.HasVoiceWork | other.HasVoiceWork)
        {
            same.Voice();
            other.Voice();
        }

        Assert.True(same.ReusedPositions >= 2 * PrefixStore.BlockLength, $"{same.ReusedPositions} positions were reused");
        Assert.True(other.ReusedPositions >= PrefixStore.BlockLength, $"{other.ReusedPositions} positions were reused");
        Assert.Equal(same.ReusedPositions + other.ReusedPositions, _assistant.Prefixes.SharedPositions);
        Assert.Equal(first.Raw, same.Finish().Raw);
        Assert.Equal(
            Assistant.Load(_folder.Folder).StartConversation(Short).Respond(new UserTurn { Audio = RandomModelFolder.Tone(seconds: 0.5) }).Raw, other.Finish().Raw);
    }

    [Fact]
    public void PicturesAreSharedAsObjectsOnly()
    {
        LanguageModel model = _assistant.Model.Language;
        PrefixStore store = new(1 << 20);
        PromptImage picture = _assistant.EncodeImage(RandomModelFolder.Picture()), same = _assistant.EncodeImage(RandomModelFolder.Picture());
        List<int> ids = [.. Enumerable.Repeat(1, 40), ImagePlaceholder.Id, .. Enumerable.Repeat(2, 70)];
        int Reused(PromptImage image)
        {
            SequenceCache memory = new(model, 300, store);
            TokenWriter writer = new(memory, new Prompt(ids, [image], model.Config.HiddenSize), _assistant.TextGrammar.Start(), 10, new Sampler(SamplingOptions.Greedy, model.Config.VocabSize), _ => { });
            DecodeLoop loop = new(model);
            while (writer.TokenCount == 0)
                loop.Step([writer]);
            return writer.ReusedPositions;
        }

        Assert.Equal(0, Reused(picture));
        Assert.True(Reused(picture) >= 96);
        Assert.Equal(32, Reused(same)); // what comes before the picture
    }

    [Fact]
    public void TheStoreForgetsTheOldestAndKeepsWhatOthersFollow()
    {
        LanguageModel model = _assistant.Model.Language;
        long block = KvCache.SizeFor(model.Config, PrefixStore.BlockLength);
        PrefixStore store = new(4 * block + block / 2);
        int[] Text(int seed) => [.. Enumerable.Range(0, 96).Select(i => i < 32 ? 1 : seed)]; // the first block is common
        KvCache Read(int[] text)
        {
            KvCache cache = model.CreateCache(100);
            model.Forward(cache, text, []);
            store.Keep(cache, text);
            return cache;
        }

        int Known(int[] text)
        {
            KvCache cache = model.CreateCache(100);
            store.CopyTo(cache, text);
            return cache.Length;
        }

        Read(Text(2));
        Assert.Equal(3 * block, store.SizeInBytes);
        Read(Text(3)); // two blocks more: one of the older text has to go, its last
        Assert.Equal(4 * block, store.SizeInBytes);
        Assert.Equal(96, Known(Text(3)));
        Assert.Equal(64, Known(Text(2)));
        Assert.Equal(32, Known(Text(4)));
        Assert.Equal(0, Known([.. Enumerable.Repeat(9, 96)]));

        // What comes from the store is what would have been computed; what the conversation holds already is not copied.
        KvCache computed = Read(Text(3)), copied = model.CreateCache(100);
        model.Forward(copied, Text(3).AsSpan(0, 40), []);
        store.CopyTo(copied, Text(3));
        Assert.Equal(96, copied.Length);
        byte[] expected = new byte[KvCache.SizeFor(model.Config, 96)], actual = new byte[expected.Length];
        computed.Export(0, expected);
        copied.Export(0, actual);
        Assert.Equal(expected, actual);
        Assert.Equal(0, new PrefixStore(0).SizeInBytes);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void GuessingChangesNoToken(float temperature)
    {
        int drafted = 0, accepted = 0;
        foreach (int seed in (int[])[1, 2, 3])
        {
            List<int>[] written = [[], []];
            for (int i = 0; i < 2; i++)
            {
                // Room runs out before the units do, so that the end depends on counting it right.
                Prompt prompt = _assistant.PromptOf([new(ConversationRole.User, "the cat the cat"), new(ConversationRole.Assistant, null)], []);
                TokenWriter writer = new(
                    new SequenceCache(_assistant.Model.Language, prompt.Length + 400), prompt, _assistant.DialogueGrammar.Start(new GrammarLimits(TextBytes: 24)), 120,
                    new Sampler(new SamplingOptions { Temperature = temperature, SpeechTemperature = 0, Seed = (ulong)seed }, _assistant.Model.Language.Config.VocabSize), written[i].Add)
                { DraftTokens = 5 * i };
                DecodeLoop loop = new(_assistant.Model.Language);
                while (loop.Step([writer]))
                    continue;
                Assert.Null(writer.Failure);
                drafted += writer.DraftedTokens;
                accepted += writer.AcceptedTokens;
            }

            Assert.Equal(written[0], written[1]);
        }

        Assert.InRange(accepted, 1, drafted);
    }

    [Fact]
    public void StepsOfAReplyAllocateNothing()
    {
        LanguageModel model = _assistant.Model.Language;
        DecodeLoop loop = new(model);
        ISequence[] writers = [.. Enumerable.Range(0, 3).Select(i => new TokenWriter(
            new SequenceCache(model, 400), new Prompt([1, 2, 3], [], model.Config.HiddenSize), _assistant.TextGrammar.Start(new GrammarLimits(TextBytes: 100000)), 10,
            new Sampler(new SamplingOptions { Temperature = 1, TopP = 0.9f, Seed = (ulong)i }, model.Config.VocabSize), _ => { }))];
        for (int i = 0; i < 200; i++)
            loop.Step(writers);
        int written = writers.Sum(writer => ((TokenWriter)writer).TokenCount);
        long allocated = long.MaxValue; // the least of some rounds: a lock that is fought over allocates once
        for (int round = 0; round < 5; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 10; i++)
                loop.Step(writers);
            allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.True(writers.Sum(writer => ((TokenWriter)writer).TokenCount) > written, "the replies ended too early to say anything");
        Assert.Equal(0, allocated);
    }
}

using System.Text;
using System.Text.Json;
using Emova.Text;
using Xunit;

namespace Emova.Tests.Text;

public sealed class ReplyGrammarTests
{
    private static readonly GrammarLimits Limits = new(TextBytes: 40, Units: 30);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Dialogue_ThousandRandomWalks_AllParseWithLegalUnits(bool phrases)
    {
        HuggingFaceTokenizer tokenizer = ToyTokenizer.Create(phrases);
        SpeechVocabulary speech = new(tokenizer);
        ReplyGrammar grammar = ReplyGrammar.ForDialogue(tokenizer, speech);
        int end = tokenizer.RequireToken("<|im_end|>");
        Random random = new(20240918);
        HashSet<string> emotions = [];
        int escapes = 0;
        for (int walk = 0; walk < 1000; walk++)
        {
            // Every other walk ignores forced tokens: then every spelling of the fixed parts has to be readable too.
            List<int> tokens = Walk(grammar, Limits, random, useForced: walk % 2 == 0);
            Assert.Equal(end, tokens[^1]);
            string text = tokenizer.Decode(tokens.SkipLast(1));
            Assert.True(ReplyFormat.IsComplete(text), text);
            JsonElement root = JsonDocument.Parse(text).RootElement;
            Assert.Equal(ReplyFormat.Keys, root.EnumerateObject().Select(property => property.Name));
            byte[] bytes = [.. tokens.SelectMany(token => tokenizer.BytesOf(token).ToArray())];
            Assert.StartsWith(text, new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes), StringComparison.Ordinal);
            ParsedReply parsed = ReplyFormat.Parse(text);
            Assert.Contains(parsed.Emotion, ReplyFormat.Emotions);
            Assert.Contains(parsed.UserEmotion, ReplyFormat.Emotions);
            Assert.Contains(parsed.Pitch, ReplyFormat.Pitches);
            Assert.Contains(parsed.UserPitch, ReplyFormat.Pitches);
            Assert.NotEmpty(parsed.ResponseText!);
            Assert.InRange(parsed.Units.Length, 1, Limits.Units);
            Assert.All(parsed.Units, unit => Assert.Contains(unit, speech.Units));
            Assert.Equal(parsed.Units, tokens.Select(speech.UnitOf).Where(unit => unit >= 0));
            emotions.Add(parsed.Emotion);
            escapes += text.Contains('\\', StringComparison.Ordinal) ? 1 : 0;
        }

        Assert.Equal(7, emotions.Count);
        Assert.True(escapes > 0);
    }

    [Fact]
    public void Dialogue_RealReply_IsAcceptedTokenByToken()
    {
        HuggingFaceTokenizer tokenizer = ToyTokenizer.Create();
        SpeechVocabulary speech = new(tokenizer);
        GrammarCursor cursor = ReplyGrammar.ForDialogue(tokenizer, speech).Start();
        string reply = ReplyFormat.Write("what is the \"cat\" 好\n?", "happy", "high", "é a cat.", "surprised", "low", speech.ToLegalText([0, 9, 9, 4095])) + "<|im_end|>";
        List<int> forcedSeen = [];
        foreach (int token in tokenizer.Encode(reply))
        {
            Assert.True(cursor.IsAllowed(token), tokenizer.Decode([token]));
            if (cursor.Forced is [var first, ..])
            {
                Assert.Equal(first, token);
                forcedSeen.Add(token);
            }

            cursor.Accept(token);
        }

        Assert.True(cursor.IsComplete);
        // Opening, the three phrases after a finished word, the closing brace's end marker … and nothing that carries information.
        Assert.Contains(tokenizer.RequireToken("{\"user question text\": \""), forcedSeen);
        Assert.Contains(tokenizer.RequireToken("\", \"assistant response speech\": \""), forcedSeen);
        Assert.Contains(tokenizer.RequireToken("<|im_end|>"), forcedSeen);
        Assert.DoesNotContain(forcedSeen, token => speech.UnitOf(token) >= 0);
    }

    [Theory]
    [InlineData("<|im_end|>")]
    [InlineData("<|speech_9|>")]
    [InlineData("the")]
    [InlineData("\"}")]
    public void Dialogue_WrongStart_IsRefused(string piece)
    {
        HuggingFaceTokenizer tokenizer = ToyTokenizer.Create();
        GrammarCursor cursor = ReplyGrammar.ForDialogue(tokenizer, new SpeechVocabulary(tokenizer)).Start();
        int token = tokenizer.RequireToken(piece);
        Assert.False(cursor.IsAllowed(token));
        Assert.Throws<ArgumentException>(() => cursor.Accept(token));
    }

    [Fact]
    public void Dialogue_InHurry_EndsWithinTheBound()
    {
        foreach (bool phrases in (bool[])[true, false])
        {
            HuggingFaceTokenizer tokenizer = ToyTokenizer.Create(phrases);
            SpeechVocabulary speech = new(tokenizer);
            ReplyGrammar grammar = ReplyGrammar.ForDialogue(tokenizer, speech);
            Random random = new(1);
            for (int walk = 0; walk < 50; walk++)
            {
                GrammarCursor cursor = grammar.Start();
                cursor.Hurry = true;
                List<int> tokens = Walk(cursor, random, useForced: true, tokenizer.VocabularySize);
                Assert.InRange(tokens.Count, 1, grammar.TokensToFinish);
                Assert.True(ReplyFormat.IsComplete(tokenizer.Decode(tokens.SkipLast(1))));
            }
        }
    }

    [Fact]
    public void Text_RandomWalks_AreValidTextWithoutUnits()
    {
        HuggingFaceTokenizer tokenizer = ToyTokenizer.Create();
        ReplyGrammar grammar = ReplyGrammar.ForText(tokenizer);
        Random random = new(3);
        for (int walk = 0; walk < 300; walk++)
        {
            List<int> tokens = Walk(grammar, Limits, random, useForced: true);
            string text = tokenizer.Decode(tokens.SkipLast(1));
            Assert.NotEmpty(text);
            Assert.All(tokens.SkipLast(1), token => Assert.Equal(TokenKind.Text, tokenizer.KindOf(token)));
            Assert.DoesNotContain(text, character => char.IsControl(character) && character is not '\n' and not (>= '\u007f' and < '\u00a0'));
        }
    }

    [Fact]
    public void Speech_RandomWalks_AreUnitsOnly()
    {
        HuggingFaceTokenizer tokenizer = ToyTokenizer.Create();
        SpeechVocabulary speech = new(tokenizer);
        ReplyGrammar grammar = ReplyGrammar.ForSpeech(tokenizer, speech);
        Random random = new(3);
        for (int walk = 0; walk < 100; walk++)
        {
            List<int> tokens = Walk(grammar, Limits, random, useForced: true);
            Assert.All(tokens.SkipLast(1), token => Assert.True(speech.UnitOf(token) >= 0));
            Assert.InRange(tokens.Count, 2, Limits.Units + 1);
        }
    }

    [Fact]
    public void Cursor_SteadyState_AllocatesNothing()
    {
        HuggingFaceTokenizer tokenizer = ToyTokenizer.Create();
        SpeechVocabulary speech = new(tokenizer);
        ReplyGrammar grammar = ReplyGrammar.ForDialogue(tokenizer, speech);
        int[] tokens = [.. Walk(grammar, Limits, new Random(5), useForced: true)];
        void Replay()
        {
            GrammarCursor cursor = grammar.Start(Limits);
            foreach (int token in tokens)
            {
                _ = cursor.Forced.Length + cursor.Allowed.Length;
                cursor.Accept(token);
            }
        }

        Replay();
        Replay();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Replay();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 400); // the cursor and the closure only
    }

    [Fact]
    public void Reader_AnyChunking_ReportsTheSameValues()
    {
        string reply = ReplyFormat.Write("say \"hi\"\\", "sad", "low", "line\none é好", "happy", "high", "<|speech_5|>").Replace("é", "\\u00e9", StringComparison.Ordinal);
        ParsedReply expected = ReplyFormat.Parse(reply);
        Random random = new(4);
        for (int round = 0; round < 50; round++)
        {
            Dictionary<string, string> values = [];
            List<string> finished = [];
            ReplyReader reader = new((key, piece, done) =>
            {
                values[key] = values.GetValueOrDefault(key) + piece;
                if (done)
                    finished.Add(key);
            });
            for (int position = 0; position < reply.Length;)
            {
                int length = Math.Min(random.Next(1, 9), reply.Length - position);
                reader.Read(reply.AsSpan(position, length));
                position += length;
            }

            Assert.Equal(ReplyFormat.Keys, finished);
            Assert.Equal(expected.UserText, values[ReplyFormat.UserText]);
            Assert.Equal(expected.ResponseText, values[ReplyFormat.ResponseText]);
            Assert.Equal("happy", values[ReplyFormat.ResponseEmotion]);
        }
    }

    private static List<int> Walk(ReplyGrammar grammar, GrammarLimits limits, Random random, bool useForced) =>
        Walk(grammar.Start(limits), random, useForced, int.MaxValue);

    private static List<int> Walk(GrammarCursor cursor, Random random, bool useForced, int vocabularySize)
    {
        List<int> tokens = [];
        List<int> allowed = [];
        while (!cursor.IsComplete)
        {
            Assert.True(tokens.Count < 5000, "the walk does not end");
            if (useForced && !cursor.Forced.IsEmpty)
            {
                foreach (int token in cursor.Forced.ToArray())
                {
                    tokens.Add(token);
                    cursor.Accept(token);
                }

                continue;
            }

            allowed.Clear();
            for (int word = 0; word < cursor.Allowed.Length; word++)
            {
                for (int bit = 0; bit < 32; bit++)
                {
                    if ((cursor.Allowed[word] >> bit & 1) != 0)
                        allowed.Add(32 * word + bit);
                }
            }

            Assert.NotEmpty(allowed);
            Assert.True(allowed[^1] < vocabularySize);
            int choice = allowed[random.Next(allowed.Count)];
            tokens.Add(choice);
            cursor.Accept(choice);
        }

        return tokens;
    }
}

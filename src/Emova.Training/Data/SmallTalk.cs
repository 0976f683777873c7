namespace Emova.Training.Data;

/// <summary>Conversation without a picture: greetings, identity, feelings, news, likes, and what nobody can know.</summary>
public sealed class SmallTalk(IReadOnlyList<Concept> concepts, DeterministicRandom random)
{
    private static readonly HashSet<string> Pets = ["animal", "bird"];
    private static readonly HashSet<string> Eaten = ["food", "fruit", "vegetable", "drink", "plant"];
    private readonly Concept[] _owned = [.. concepts.Where(c => c.Owned)];
    private readonly Concept[] _counted = [.. concepts.Where(c => c.Plural.Length > 0)];

    // question, emotion of the question, answer, emotion of the answer
    private static readonly (string Question, string UserEmotion, string Reply, string Emotion)[] Closed =
    [
        ("hello", "happy", "hello it is so nice to meet you", "happy"),
        ("good morning", "happy", "good morning i hope you feel great", "happy"),
        ("good evening", "neutral", "good evening it is nice to hear you", "happy"),
        ("how are you", "neutral", "i am fine thank you", "happy"),
        ("who are you", "neutral", "my name is nova", "neutral"),
        ("what is your name", "neutral", "my name is nova", "neutral"),
        ("what can you do", "neutral", "i can see and hear and talk", "neutral"),
        ("can you see", "neutral", "yes i can see your picture", "neutral"),
        ("can you hear me", "neutral", "yes i can hear you very well", "neutral"),
        ("can you help me", "neutral", "yes i am happy to help you", "happy"),
        ("are you a person", "neutral", "no i am a small computer program", "neutral"),
        ("are you a robot", "neutral", "i am a small computer program", "neutral"),
        ("can you sing", "neutral", "i am sorry i can not sing", "neutral"),
        ("thank you", "happy", "you are welcome my friend", "happy"),
        ("you are great", "happy", "thank you that makes me happy", "happy"),
        ("you sound nice", "happy", "thank you that makes me happy", "happy"),
        ("goodbye", "neutral", "goodbye and see you soon", "neutral"),
        ("good night", "neutral", "good night and sleep well", "neutral"),
        ("see you tomorrow", "happy", "goodbye i will be happy to see you", "happy"),
        ("i am so happy today", "happy", "that is wonderful i am happy for you", "happy"),
        ("today is my birthday", "happy", "happy birthday i wish you a great day", "happy"),
        ("i won the game", "happy", "that is wonderful news well done", "happy"),
        ("i passed my test", "happy", "that is wonderful news well done", "happy"),
        ("i made a new friend", "happy", "how nice a new friend is wonderful", "happy"),
        ("we go on a trip tomorrow", "happy", "how wonderful have a great trip", "happy"),
        ("i feel very sad", "sad", "i am so sorry i am here for you", "sad"),
        ("i am sad today", "sad", "i am so sorry i am here for you", "sad"),
        ("i feel alone", "sad", "you are not alone i am here", "sad"),
        ("i am sick", "sad", "i am sorry i hope you get well soon", "sad"),
        ("my friend is sick", "sad", "i am sorry i hope your friend gets well soon", "sad"),
        ("i lost the game", "sad", "i am sorry you will do better soon", "sad"),
        ("nobody likes me", "sad", "that is not true i like you", "sad"),
        ("my friend moved away", "sad", "i am so sorry you must miss your friend", "sad"),
        ("i am so angry", "angry", "i am sorry please tell me what happened", "sad"),
        ("you are wrong", "angry", "i am sorry i will try again", "sad"),
        ("this is not good", "angry", "i am sorry i will try again", "sad"),
        ("i am tired", "neutral", "please sleep and feel better soon", "neutral"),
        ("i am hungry", "neutral", "please eat something you like", "neutral"),
        ("i am afraid", "sad", "do not be afraid i am here", "sad"),
        ("i am bored", "neutral", "show me a picture and ask me something", "happy"),
        ("tell me a number", "neutral", "my number is seven", "neutral"),
        ("how do i feel", "neutral", "i do not know please tell me", "neutral"),
        ("what time is it", "neutral", "i am sorry i do not know the time", "neutral"),
        ("what day is today", "neutral", "i am sorry i do not know the day", "neutral"),
        ("where do i live", "neutral", "i do not know where you live", "neutral"),
        ("what is my name", "neutral", "i do not know your name", "neutral"),
        ("how old am i", "neutral", "i do not know how old you are", "neutral"),
        ("will it rain tomorrow", "neutral", "i do not know what happens tomorrow", "neutral"),
        ("what happens tomorrow", "neutral", "i do not know what happens tomorrow", "neutral"),
        ("who won the game", "neutral", "i am sorry i do not know that", "neutral"),
        ("what does my friend think", "neutral", "i am sorry i do not know that", "neutral"),
        ("what do you see without a picture", "neutral", "i do not see a picture", "neutral"),
    ];

    /// <summary>Talk that names nothing, from a fixed list.</summary>
    public Exchange FromList()
    {
        (string question, string userEmotion, string reply, string emotion) = random.Pick(Closed);
        return new(question, reply)
        {
            Task = reply.Contains("do not know", StringComparison.Ordinal) ? "unknown" : "chat",
            UserEmotion = userEmotion,
            Emotion = emotion,
            Pinned = true,
        };
    }

    /// <summary>News and likes about one of the concepts.</summary>
    public Exchange AboutThings()
    {
        if (random.Chance(0.25))
        {
            Concept liked = random.Pick(_counted);
            return random.Chance(0.5)
                ? Say($"do you like {liked.Plural}", "neutral", $"yes i like {liked.Plural} very much", "happy")
                : Say($"i love {liked.Plural}", "happy", $"i love {liked.Plural} too", "happy");
        }
        Concept c = random.Pick(_owned);
        string a = Lexicon.WithArticle(c.Name);
        switch (random.Next(6))
        {
            case 0:
                return Eaten.Contains(c.Group)
                    ? Say($"i will have {a} today", "happy", $"how wonderful enjoy your {c.Name}", "happy")
                    : Say($"i got {New(c)}", "happy", $"how wonderful enjoy your new {c.Name}", "happy");
            case 1:
                return Say($"my friend gave me {a}", "happy", $"what a nice gift i like your {c.Name}", "happy");
            case 2:
                return Say($"i found my {c.Name}", "happy", $"great you have your {c.Name} again", "happy");
            case 3:
                return Say($"i lost my {c.Name}", "sad", $"i am so sorry that you lost your {c.Name}", "sad");
            case 4:
                return Say($"someone took my {c.Name}", "angry", $"i am sorry that your {c.Name} {Lexicon.Is(c.Name)} gone", "sad");
            default:
                string trouble = Pets.Contains(c.Group) ? "sick" : Eaten.Contains(c.Group) ? "bad" : "broken";
                return Say($"my {c.Name} {Lexicon.Is(c.Name)} {trouble}", "sad", $"i am sorry about your {c.Name}", "sad");
        }
    }

    private static string New(Concept c) => Lexicon.WithArticle(c.Name) == c.Name ? "new " + c.Name : "a new " + c.Name;

    private static Exchange Say(string question, string userEmotion, string reply, string emotion) =>
        new(question, reply) { Task = "chat", UserEmotion = userEmotion, Emotion = emotion, Open = true };
}

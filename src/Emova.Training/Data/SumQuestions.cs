namespace Emova.Training.Data;

/// <summary>Sums and differences of small numbers, drawn or only spoken.</summary>
public static class SumQuestions
{
    public static List<Exchange> OnPicture(Picture picture)
    {
        int a = picture.Items[0].Value, b = picture.Items[1].Value;
        string sign = picture.Items[1].Noun;
        string answer = Answer(a, sign, Math.Abs(b));
        return
        [
            new("how much is it", answer) { Weight = 2, Combinations = picture.Combinations },
            new("what is the answer", answer) { Combinations = picture.Combinations },
            new("can you solve this", answer) { Combinations = picture.Combinations },
        ];
    }

    /// <summary>Any sum or difference of two numbers up to ten, never below zero.</summary>
    public static (int A, bool Plus, int B) Draw(DeterministicRandom random)
    {
        bool plus = random.Chance(0.6);
        int a = random.Next(11), b = random.Next(11);
        return plus || a >= b ? (a, plus, b) : (b, plus, a);
    }

    /// <summary>Combination key of a sum.</summary>
    public static string Key(int a, bool plus, int b) => $"{a}{(plus ? '+' : '-')}{b}";

    public static Exchange Spoken(DeterministicRandom random)
    {
        (int a, bool plus, int b) = Draw(random);
        string sign = plus ? "plus" : "minus";
        string sum = $"{Lexicon.Number(a)} {sign} {Lexicon.Number(b)}";
        return new(random.Chance(0.6) ? $"what is {sum}" : $"how much is {sum}", Answer(a, sign, b)) { Open = true, Combinations = [Key(a, plus, b)] };
    }

    private static string Answer(int a, string sign, int b) =>
        $"{Lexicon.Number(a)} {sign} {Lexicon.Number(b)} is {Lexicon.Number(sign == "plus" ? a + b : a - b)}";
}

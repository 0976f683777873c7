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
            new("how much is it", answer) { Weight = 2 },
            new("what is the answer", answer),
            new("can you solve this", answer),
        ];
    }

    public static Exchange Spoken(DeterministicRandom random)
    {
        bool plus = random.Chance(0.6);
        int a = random.Next(11), b = random.Next(plus ? 11 : a + 1);
        string sign = plus ? "plus" : "minus";
        string sum = $"{Lexicon.Number(a)} {sign} {Lexicon.Number(b)}";
        return new(random.Chance(0.6) ? $"what is {sum}" : $"how much is {sum}", Answer(a, sign, b)) { Open = true };
    }

    private static string Answer(int a, string sign, int b) =>
        $"{Lexicon.Number(a)} {sign} {Lexicon.Number(b)} is {Lexicon.Number(sign == "plus" ? a + b : a - b)}";
}

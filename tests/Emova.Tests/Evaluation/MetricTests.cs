using CsCheck;
using Emova.Evaluation.Metrics;
using Xunit;

namespace Emova.Tests.Evaluation;

public sealed class MetricTests
{
    [Theory]
    [InlineData("kitten", "sitting", 3)]
    [InlineData("", "abc", 3)]
    [InlineData("abc", "", 3)]
    [InlineData("same", "same", 0)]
    public void Edit_distance_of_known_pairs(string a, string b, int expected) => Assert.Equal(expected, EditDistance.Between<char>(a, b));

    [Fact]
    public void Edit_distance_is_symmetric_and_obeys_the_triangle_inequality()
    {
        Gen<string> word = Gen.Char['a', 'd'].Array[0, 8].Select(letters => new string(letters));
        Gen.Select(word, word, word).Sample((a, b, c) =>
        {
            int ab = EditDistance.Between<char>(a, b), ba = EditDistance.Between<char>(b, a);
            int bc = EditDistance.Between<char>(b, c), ac = EditDistance.Between<char>(a, c);
            return ab == ba && ac <= ab + bc && (ab == 0) == (a == b) && ab <= Math.Max(a.Length, b.Length);
        });
    }

    [Fact]
    public void Hypotheses_above_a_thousand_characters_do_not_count()
    {
        (string, string)[] pairs = [("one two", "one"), ("three", new string('x', 1001))];
        Assert.Equal(new ErrorRate(1, 2), ErrorRate.OfCorpus(pairs, ErrorRate.OfWords));
    }

    [Fact]
    public void The_interval_contains_the_value_narrows_with_more_items_and_repeats_with_the_seed()
    {
        bool[] few = [.. Enumerable.Range(0, 40).Select(i => i % 4 != 0)], many = [.. Enumerable.Range(0, 4000).Select(i => i % 4 != 0)];
        Estimate small = Bootstrap.Share(few, seed: 1), large = Bootstrap.Share(many, seed: 1);
        Assert.Equal(0.75, small.Value);
        Assert.InRange(small.Value, small.Low, small.High);
        // The normal approximation for 40 items is +-.134, for 4,000 items +-.0134.
        Assert.InRange(small.High - small.Low, 0.2, 0.32);
        Assert.InRange(large.High - large.Low, 0.02, 0.032);
        Assert.Equal(small, Bootstrap.Share(few, seed: 1));
    }

    [Fact]
    public void A_rate_is_total_errors_over_total_length_and_an_empty_set_has_none()
    {
        Assert.Equal(0.2, Bootstrap.Rate([new ErrorRate(1, 2), new ErrorRate(0, 3)], 0).Value);
        Assert.True(double.IsNaN(Bootstrap.Rate([], 0).Value));
        Assert.Equal(2.5, Bootstrap.Median([4, 1, 2, 3], 0).Value);
    }
}

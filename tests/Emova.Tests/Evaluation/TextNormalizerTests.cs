using System.Text.Json;
using Emova.Evaluation.Metrics;
using Emova.Evaluation.Text;
using Xunit;

namespace Emova.Tests.Evaluation;

[Trait("Category", "Golden")]
public sealed class TextNormalizerTests
{
    public static TheoryData<string> Cases => Fixtures.Cases("text_normalizers");

    private static readonly (string Name, Func<string, string> Normalize)[] Normalizers =
    [
        ("english", EnglishNormalizer.Normalize),
        ("english_numbers_only", EnglishNumberNormalizer.Normalize),
        ("english_spelling_only", EnglishSpelling.Americanize),
        ("basic", text => BasicNormalizer.Normalize(text)),
        ("basic_remove_diacritics", text => BasicNormalizer.Normalize(text, removeDiacritics: true)),
        ("basic_split_letters", text => BasicNormalizer.Normalize(text, splitLetters: true)),
        ("clean_text", TextCleaning.LowerWithoutPunctuation),
        ("chinese", ChineseNormalizer.Normalize),
    ];

    private static readonly (string Name, Func<string, string, ErrorRate> Compare)[] Rates =
    [
        ("eval_wer_cer.WER", ErrorRate.OfWords),
        ("eval_wer_cer.CER", ErrorRate.OfCharacters),
        ("extract_speech_json.WER", (reference, hypothesis) => ErrorRate.OfWords(TextCleaning.LowerWithoutPunctuation(reference), TextCleaning.LowerWithoutPunctuation(hypothesis))),
        ("extract_speech_json.CER", ErrorRate.OfChinese),
        ("english_normalized.WER", ErrorRate.OfEnglish),
    ];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Every_normalizer_gives_the_reference_strings(string name)
    {
        int checkedStrings = 0;
        foreach (JsonElement pair in Read(name).GetProperty("pairs").EnumerateArray())
            foreach ((string normalizer, Func<string, string> normalize) in Normalizers)
            {
                JsonElement expected = pair.GetProperty(normalizer);
                if (expected.ValueKind != JsonValueKind.Array) continue; // the reference itself failed here
                Check(normalizer, pair.GetProperty("reference").GetString()!, expected[0], normalize);
                Check(normalizer, pair.GetProperty("hypothesis").GetString()!, expected[1], normalize);
                checkedStrings += 2;
            }
        Assert.True(checkedStrings > (Fixtures.IsDefault ? 500 : 0));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void English_numbers_and_chinese_numbers_are_read_as_the_reference_reads_them(string name)
    {
        foreach (JsonElement item in Read(name).GetProperty("english_numbers").EnumerateArray())
        {
            string input = item.GetProperty("input").GetString()!;
            Check("numbers", input, item.GetProperty("output"), EnglishNumberNormalizer.Normalize);
            Check("full", input, item.GetProperty("full"), EnglishNormalizer.Normalize);
        }
        foreach (JsonElement item in Read(name).GetProperty("chinese_extra").EnumerateArray())
            Check("chinese", item.GetProperty("input").GetString()!, item.GetProperty("output"), ChineseNormalizer.Normalize);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Error_rates_of_every_pair_equal_the_reference(string name)
    {
        foreach (JsonElement pair in Read(name).GetProperty("pairs").EnumerateArray())
            foreach ((string metric, Func<string, string, ErrorRate> compare) in Rates)
            {
                JsonElement expected = pair.GetProperty(metric);
                if (!expected.TryGetProperty("rate", out JsonElement rate)) continue;
                ErrorRate actual = compare(pair.GetProperty("reference").GetString()!, pair.GetProperty("hypothesis").GetString()!);
                Assert.Equal(expected.GetProperty("errors").GetDouble(), actual.Errors);
                Assert.Equal(expected.GetProperty("count").GetDouble(), actual.Count);
                Assert.Equal(rate.GetDouble(), actual.Rate, 1e-12);
            }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Corpus_rates_equal_the_reference(string name)
    {
        JsonElement corpus = Read(name).GetProperty("corpus");
        (string, string)[] english = [.. Pairs("en")], chinese = [.. Pairs("zh")];
        Assert.Equal(Expected("en_raw_WER"), ErrorRate.OfCorpus(english, ErrorRate.OfWords));
        Assert.Equal(Expected("en_raw_CER"), ErrorRate.OfCorpus(english, ErrorRate.OfCharacters));
        Assert.Equal(Expected("zh_raw_CER"), ErrorRate.OfCorpus(chinese, ErrorRate.OfCharacters));
        Assert.Equal(Expected("zh_norm_CER"), ErrorRate.OfCorpus(chinese, ErrorRate.OfChinese));
        if (Fixtures.IsDefault)
            Assert.Equal(new ErrorRate(11, 100), ErrorRate.OfCorpus(english, ErrorRate.OfEnglish));

        IEnumerable<(string, string)> Pairs(string language) =>
            from pair in Read(name).GetProperty("pairs").EnumerateArray()
            where pair.GetProperty("lang").GetString() == language
            select (pair.GetProperty("reference").GetString()!, pair.GetProperty("hypothesis").GetString()!);

        ErrorRate Expected(string rate) => new((int)corpus.GetProperty(rate)[1].GetDouble(), (int)corpus.GetProperty(rate)[2].GetDouble());
    }

    [Theory]
    [InlineData("Mr. Brown won't pay $20 million and twenty five cents.", "mister brown will not pay ¢20000025")]
    [InlineData("I've got twenty-one apples, one hundred and five pears.", "i have got 21 apples 105 pears")]
    [InlineData("The colour of the aeroplane isn't grey [noise] (laughs)", "the color of the airplane is not gray")]
    [InlineData("double oh seven", "007")]
    [InlineData("he'd been there in the nineteen nineties", "he had been there in the 1990s")]
    [InlineData("three point one four percent", "3.14%")]
    [InlineData("1,000,000 dollars", "$1000000")]
    [InlineData("uh hmm it's one", "it is one")]
    public void Known_english_sentences(string input, string expected) => Assert.Equal(expected, EnglishNormalizer.Normalize(input).Trim());

    [Theory]
    [InlineData("固话：0595-23865596或23880880。", "固话零五九五二三八六五五九六或二三八八零八八零")]
    [InlineData("手机：+86 19859213959或15659451527。", "手机八六一九八五九二一三九五九或一五六五九四五一五二七")]
    [InlineData("分数：32477/76391。", "分数七万六千三百九十一分之三万两千四百七十七")]
    [InlineData("百分数：80.03%。", "百分数百分之八十点零三")]
    [InlineData("编号：31520181154418。", "编号三一五二零一八一一五四四一八")]
    [InlineData("纯数：2983.07克或12345.60米。", "纯数二九八三零七克或一二三四五六十米")]
    [InlineData("日期：1999年2月20日或09年3月15号。", "日期一九九九年二月二十日或零九年三月十五号")]
    [InlineData("金钱：12块5，34.5元，20.1万", "金钱十二块五三十四点五元二十点一万")]
    [InlineData("你好，world! 我有2个 apple pie。", "你好world我有二个apple pie")]
    [InlineData("B2C 和 O2O", "B2C和O2O")]
    [InlineData("今天是2024年5月1日", "今天是二零二四年五月一日")]
    [InlineData("共有200人参加，3.14", "共有两百人参加三点一四")]
    public void Known_chinese_sentences(string input, string expected) => Assert.Equal(expected, ChineseNormalizer.Normalize(input));

    [Theory]
    [InlineData("colourful neighbours organised marvellous theatres", "colorful neighbors organized marvelous theaters")]
    [InlineData("our four hours were wise", "our four hours were wise")]
    public void British_spelling_becomes_american_and_other_words_stay(string input, string expected) =>
        Assert.Equal(expected, EnglishSpelling.Americanize(input));

    private static JsonElement Read(string name) => JsonDocument.Parse(File.ReadAllText(Fixtures.File(name, "cases.json"))).RootElement;

    private static void Check(string name, string input, JsonElement expected, Func<string, string> normalize)
    {
        string actual = normalize(input);
        Assert.True(expected.GetString() == actual, $"{name}('{input}'): expected '{expected.GetString()}', got '{actual}'");
    }
}

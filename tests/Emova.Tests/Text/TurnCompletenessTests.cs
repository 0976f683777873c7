using Emova.Text;
using Xunit;

namespace Emova.Tests.Text;

public sealed class TurnCompletenessTests
{
    [Theory]
    [InlineData("where is the strawberry")]
    [InlineData("answer happily how many tigers are there")]
    [InlineData("hey nova can you solve this my friend")]
    [InlineData("What time is it?")]
    [InlineData("how are you")]
    [InlineData("yes please")]
    [InlineData("what is this for")]
    [InlineData("tell me where it is")]
    [InlineData("what are you looking at")]
    [InlineData("Who")]
    [InlineData("stop.")]
    public void Finished_sentences(string transcript) => Assert.True(TurnCompleteness.IsComplete(transcript));

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("where is the")]
    [InlineData("I would like to")]
    [InlineData("um")]
    [InlineData("show me a cat and")]
    [InlineData("the first one,")]
    [InlineData("well ...")]
    [InlineData("because")]
    [InlineData("please")]
    [InlineData("what is")]
    [InlineData("give it to my")]
    public void Unfinished_sentences(string transcript) => Assert.False(TurnCompleteness.IsComplete(transcript));
}

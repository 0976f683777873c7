using Emova.Text;
using Emova.Training.Data;
using Emova.Training.Stages.Language;
using Xunit;

namespace Emova.Training.Tests.Stages;

public sealed class LanguageBatchTests
{
    private const int Ignore = ConversationLabels.Ignore;

    [Fact]
    public void A_picture_takes_the_place_of_its_placeholder_and_targets_follow_their_positions()
    {
        Scene scene = new(56, 28, new SceneBackground([0, 0, 0], "plain", 1), []); // 2 cells
        TrainingSample pictured = new(LanguageTask.Picture, [11, ImagePlaceholder.Id, 12, 13, 14], [Ignore, Ignore, Ignore, 13, 14], scene);
        TrainingSample plain = new(LanguageTask.Conversation, [21, 22, 23], [Ignore, 22, 23]);
        LanguageBatch batch = LanguageBatch.Create([pictured, plain]);

        Assert.Equal((2, 5), (batch.Rows, batch.Columns)); // 6 positions, the last of which predicts nothing
        Assert.Equal([11, 0, 0, 12, 13, 21, 22, 23, 0, 0], batch.Ids);
        Assert.Equal([1, 2], batch.PictureRows);
        Assert.Same(scene, Assert.Single(batch.Pictures).Scene);
        Assert.Equal([3, 4, 5, 6], batch.TargetRows); // the position before each target
        Assert.Equal([13, 14, 22, 23], batch.Targets);
        Assert.Equal([LanguageTask.Picture, LanguageTask.Picture, LanguageTask.Conversation, LanguageTask.Conversation], batch.TargetTasks);
        Assert.Equal(9, batch.Tokens);
    }
}

namespace Emova.Training.Data;

/// <summary>How much of everything the corpus holds (configs/training/data.yaml).</summary>
public sealed class DataConfig
{
    public int TrainDialogues { get; set; } = 40000;

    /// <summary>Training conversations about pictures beyond the spoken ones; they cost no rendering.</summary>
    public int TypedDialogues { get; set; } = 60000;

    /// <summary>Typed conversations about colored shapes and things painted in one color.</summary>
    public int PaintedDialogues { get; set; }

    public int ValidationDialogues { get; set; } = 1000;

    public int TestDialogues { get; set; } = 1500;

    /// <summary>Training pictures that show each concept, at least; dialogues are added until there are so many.</summary>
    public int MinimumPictures { get; set; } = 150;

    /// <summary>Renderings of each question, the first in the emotion of its words, the others in any style.</summary>
    public int QuestionRenderings { get; set; } = 2;

    /// <summary>Digit strings, sums and long combinations beyond the dialogues.</summary>
    public int ExtraSentences { get; set; } = 1200;

    /// <summary>Answers about random things, in the canonical voice only, to learn speaking from.</summary>
    public int AnswerSentences { get; set; } = 6000;

    /// <summary>Training sentences in strangers' voices, which the encoder and the language model only listen to; they need further packages.</summary>
    public int StrangerUtterances { get; set; }

    public int StyledTrainPerStyle { get; set; } = 130;

    public int StyledTestPerStyle { get; set; } = 20;

    public int UnseenTestPerVoice { get; set; } = 100;

    /// <summary>Size of the text vocabulary, 256 bytes included, without added tokens.</summary>
    public int TokenizerEntries { get; set; } = 1500;

    public PoolSizes Pools { get; set; } = new();

    /// <summary>
    /// The same for typed conversations, which nobody has to say: as many as there are, or the model learns the few spoken combinations by
    /// heart and answers with one of them.
    /// </summary>
    public PoolSizes TypedPools { get; set; } = new()
    {
        Pairs = 8000, ShapePairs = 700, MixedPairs = 4000, Relations = 6000, ShapeRelations = 500, Comparisons = 5000, Groups = 5000, Rows = 9000,
        DigitStrings = 800, Meetings = 550, HeldOut = 0,
    };

    /// <summary>The same for conversations about painted things.</summary>
    public PoolSizes PaintedPools { get; set; } = new()
    {
        Pairs = 0, ShapePairs = 9000, MixedPairs = 5000, Relations = 0, ShapeRelations = 8000, Comparisons = 0, Groups = 5000, Rows = 0,
        DigitStrings = 0, Meetings = 0, HeldOut = 0,
    };
}

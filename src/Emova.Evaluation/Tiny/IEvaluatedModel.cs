using Emova.Media;

namespace Emova.Evaluation.Tiny;

/// <summary>What the suite asks of a model.</summary>
public interface IEvaluatedModel
{
    /// <summary>Units of 16 kHz speech, 25 per second, repetitions included.</summary>
    int[] Encode(float[] samples);

    /// <summary>Phone logits of units: (units, labels + 1), the blank last.</summary>
    float[] PhoneLogits(int[] units);

    /// <summary>Speech of collapsed units in a style such as <c>female-happy-high</c>, 16 kHz.</summary>
    float[] Speak(int[] units, string style);

    /// <summary>The same as <see cref="Speak"/>, made piece by piece while the units arrive.</summary>
    float[] SpeakStreamed(int[] units, string style);

    /// <summary>Transcript of 16 kHz speech.</summary>
    string Transcribe(float[] samples);

    /// <summary>Answers the turns of one conversation, each after the replies before it.</summary>
    /// <param name="picture">Shown with the first turn, or null.</param>
    /// <param name="turns">Typed text, or speech.</param>
    /// <param name="temperature">0: the most probable reply; 1: a sample.</param>
    /// <param name="seed">Of the sampling.</param>
    IReadOnlyList<Reply> Converse(RgbImage? picture, IReadOnlyList<SpokenOrTyped> turns, float temperature, int seed);
}

/// <summary>What the user says in one turn: exactly one of the two.</summary>
public readonly record struct SpokenOrTyped(string? Text, float[]? Speech);

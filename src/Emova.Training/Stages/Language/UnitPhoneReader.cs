using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Stages.Language;

/// <summary>
/// Reads phones from written units with the speech encoder's own phone head: a quick judge of spoken answers that needs no audio.
/// </summary>
public static class UnitPhoneReader
{
    /// <summary>The reader, with the newest weights of the speech encoder; null where it was not trained in these runs.</summary>
    public static Func<int[], string[]>? Open(string runs, string stage, string modelConfig)
    {
        if (RunFolder.StateOf(runs, stage) is null)
        {
            return null;
        }

        SpeechEncoderModel model = SpeechEncoderModel.Load(modelConfig, runs, stage);
        return units => Read(model, units);
    }

    private static string[] Read(SpeechEncoderModel model, int[] units)
    {
        if (units.Length == 0)
        {
            return [];
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        int[] levels = model.Dimensions.Levels;
        float[] values = new float[units.Length * levels.Length];
        for (int i = 0; i < units.Length; i++)
        {
            int rest = units[i];
            for (int d = 0; d < levels.Length; d++)
            {
                values[(i * levels.Length) + d] = (rest % levels[d]) - (levels[d] / 2);
                rest /= levels[d];
            }
        }

        Tensor quantized = tensor(values).view(1, units.Length, levels.Length);
        long[] labels = model.Encoder.Phones(quantized, [units.Length]).argmax(-1).flatten().data<long>().ToArray();
        return [.. labels.Where((l, i) => l < model.Phones.Count && (i == 0 || l != labels[i - 1])).Select(l => model.Phones[(int)l])];
    }
}

using Emova.Training.Commands;
using Emova.Training.Data;
using Emova.Training.Experiments;
using Emova.Training.Infrastructure;
using Emova.Training.Stages;
using Emova.Training.Stages.Language;
using Emova.Training.Stages.Vision;
using Xunit;

namespace Emova.Training.Tests.Stages;

/// <summary>Every file in configs/training is what its stage reads.</summary>
public sealed class ShippedConfigTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "configs", "training");

    public static TheoryData<string> Files => [.. Directory.EnumerateFiles(Folder, "*.yaml", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(Folder, path))];

    [Theory]
    [MemberData(nameof(Files))]
    public void A_shipped_file_is_read_by_its_stage(string file)
    {
        string path = Path.Combine(Folder, file);
        object settings = Path.GetFileNameWithoutExtension(file) switch
        {
            "tiny" or "micro" => StageConfig.Load<AllSettings>(path),
            "loop" => StageConfig.Load<SpeechDurationSettings>(path), // what all stages of `micro` have
            "omni-vs-bimodal" or "semantic-units" => StageConfig.Load<ExperimentSettings>(path),
            "data" => StageConfig.Load<DataConfig>(path),
            "export" => StageConfig.Load<ExportSettings>(path),
            "voice" => StageConfig.Load<Emova.Training.Voices.OwnVoiceSettings>(path),
            ['s', 'p', 'e', 'e', 'c', 'h', '-', 'v', ..] => StageConfig.Load<SpeechVitsSettings>(path),
            ['v', 'i', 's', ..] => StageConfig.Load<VisionSettings>(path),
            "speech-duration" => StageConfig.Load<SpeechDurationSettings>(path),
            ['s', 'p', 'e', 'e', 'c', 'h', '-', 'e', ..] => StageConfig.Load<SpeechEncoderSettings>(path),
            ['s', 'p', 'e', 'e', 'c', 'h', '-', 'd', ..] => StageConfig.Load<SpeechDecoderSettings>(path),
            _ => StageConfig.Load<LanguageSettings>(path),
        };
        if (settings is AllSettings all)
        {
            Assert.NotEmpty(all.Stages);
            Assert.All(all.Stages.Where(stage => stage.Config is not null), stage => Assert.True(File.Exists(Path.Combine(Folder, stage.Config!)), stage.Config));
        }
        if (settings is LoopSettings loop)
        {
            loop.Validate();
            Assert.InRange(loop.LearningRate, 1e-6, 1e-2);
        }
        if (settings is LanguageSettings { Mixture.Count: > 0 } language)
            Assert.All(language.Mixture.SelectMany(phase => phase.Tasks.Keys), task => Assert.True(Enum.TryParse<LanguageTask>(task.Replace("_", ""), ignoreCase: true, out _), task));
    }
}

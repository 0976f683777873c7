using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;
using Emova.Training.Stages;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Reading = Emova.Models.Speech;

namespace Emova.Training.Tests;

public sealed class ModelExportTests : IDisposable
{
    private const string Template = """
        {"architectures": ["EmovaForConditionalGeneration"], "text_config": {"vocab_size": 0},
         "speech_encoder_config": {"type": "SpiralFsqCtc", "sample_rate": 16000, "features": 80, "levels": [8, 8, 8, 8], "dec_filters": 8, "n_labels": 0,
           "blocks": [{"filters": [8, 16, 16], "conv_pos": 4, "conv_pos_groups": 4, "layers": 1, "ffn": 16, "heads": 2},
                      {"filters": [16, 16], "conv_pos": 4, "conv_pos_groups": 4, "layers": 1, "ffn": 16, "heads": 2}]},
         "speech_decoder_config": {"type": "SourceFilterVocoder", "sample_rate": 16000, "levels": [8, 8, 8, 8], "hidden_size": 16, "intermediate_size": 16,
           "style_dim": 8, "kernel_size": 7, "encoder_layers": 1, "duration_layers": 1, "max_run": 12, "frame_layers": 1, "prosody_layers": 1,
           "decoder_layers": 1, "frames_per_unit": 4, "hop": 160, "n_fft": 512}}
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("emova-export").FullName;
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void TheFolderLoadsInTheRuntimeWithNothingMissingOrLeftOver()
    {
        string runs = Path.Combine(_folder, "runs"), template = Path.Combine(_folder, "template.json"), output = Path.Combine(_folder, "model");
        File.WriteAllText(template, Template);
        string[] phones = ["aa", "b", "k"];
        SpeechEncoderModel encoder = SpeechEncoderModel.Create(template, phones, 0);
        encoder.Store.Root.Push(SpeechEncoderModel.AuxiliaryName).Normal("weight", 1, 4, 16);
        encoder.Store.Root.Push(SpeechEncoderModel.AuxiliaryName).Full("bias", 0, 4);
        Checkpoint(runs, SpeechEncoderStage.Name, encoder.Store);
        File.WriteAllLines(Path.Combine(runs, SpeechEncoderStage.Name, SpeechEncoderModel.PhonesFile), phones);
        SpeechDecoderModel decoder = new(VocoderDimensions.Parse(ModelConfig.Section(template, "speech_decoder_config")));
        Checkpoint(runs, SpeechDurationStage.Name, decoder.Store);
        ParameterStore language = new();
        language.Root.Normal("model.embed_tokens.weight", 1, 321, 4);
        Checkpoint(runs, "finetune", language);
        File.WriteAllText(Path.Combine(runs, "finetune", "tokenizer.json"), "{}");

        string[] report = [.. ModelExport.Run(new ExportSettings { Model = template, Output = output }, runs)];
        Assert.Equal(4, report.Length);

        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(output, "config.json")))!;
        Assert.Equal(321, config["text_config"]!["vocab_size"]!.GetValue<int>());
        using ModelFolder folder = ModelFolder.Open(output);
        WeightLoader weights = new(folder.OpenWeights());
        Reading.SpiralConfig encoderConfig = Reading.SpiralConfig.Read(folder.Config.Section("speech_encoder_config"));
        Assert.Equal(3, encoderConfig.LabelCount);
        Reading.SpiralEncoder.Load(encoderConfig, weights.Push("speech_encoder"));
        Reading.SourceFilterVocoder vocoder = Reading.SourceFilterVocoder.Load(Reading.VocoderConfig.Read(folder.Config.Section("speech_decoder_config")), weights.Push("speech_decoder"));
        weights.Get("model.embed_tokens.weight", 321, 4);
        weights.Finish();

        Reading.StyleTable styles = Reading.StyleTable.Load(folder, vocoder.Config.StyleDim);
        Assert.Equal(VoiceStyle.All.Select(style => style.Name).Order(StringComparer.Ordinal), styles.Names);
        using (no_grad())
        {
            float[] expected = decoder.Styles([17]).data<float>().ToArray();
            Assert.Equal(expected, folder.ReadStyles(8)[VoiceStyle.All[17].Name]);
        }
    }

    [Fact]
    public void AMissingRunIsNamed()
    {
        EmovaException error = Assert.Throws<EmovaException>(() => ModelExport.Run(new ExportSettings(), Path.Combine(_folder, "none")).ToList());
        Assert.Contains("emova-train finetune", error.Message);
    }

    private static void Checkpoint(string runs, string name, ParameterStore store) =>
        new RunFolder(runs, name).Save(store, new AdamW(store), new RunFolder.State(1, 1, 1, 0));
}

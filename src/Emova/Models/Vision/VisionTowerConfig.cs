using Emova.Checkpoints;

namespace Emova.Models.Vision;

/// <summary>Dimensions of a vision encoder, which the configuration calls a tower.</summary>
public abstract record VisionTowerConfig
{
    /// <summary>Width of the features that go into the projector.</summary>
    public abstract int FeatureSize { get; }

    /// <summary>Reads the section <c>vision_config</c> (origin format: <c>mm_vision_tower</c>) of the type it names.</summary>
    /// <exception cref="EmovaException">A value is out of range or not supported.</exception>
    public static VisionTowerConfig Read(ConfigSection section) =>
        section.Text("type", "Qwen2VisionTower", "Qwen2VisionTower", "InternVisionTower", "CLIPVisionTower", "SigLipVisionTower") switch
        {
            "InternVisionTower" => InternVisionConfig.Read(section),
            "CLIPVisionTower" => ClipVisionConfig.Read(section),
            "SigLipVisionTower" => SiglipVisionConfig.Read(section),
            _ => Qwen2VisionConfig.Read(section),
        };
}

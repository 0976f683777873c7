namespace Emova.Training.Stages.Language;

/// <summary>Trains an adapter beside the language model, which itself, the projector and the vision encoder stay as they are.</summary>
public sealed record LoraSettings
{
    private static readonly string[] Known = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

    /// <summary>Inner dimension of the updates, 1 to 1024; 0 = no adapter, the weights themselves learn.</summary>
    public int Rank { get; set; }

    /// <summary>Updates are scaled by alpha / rank.</summary>
    public double Alpha { get; set; } = 16;

    /// <summary>Probability of dropping an input of an update while training, 0 to 1 (exclusive).</summary>
    public double Dropout { get; set; } = 0.05;

    /// <summary>Train the lengths of the outputs apart from their directions (DoRA).</summary>
    public bool Dora { get; set; }

    /// <summary>Linear layers that get an update.</summary>
    public List<string> Targets { get; set; } = [.. Known];

    /// <summary>Rejects what no adapter can have.</summary>
    /// <exception cref="EmovaException">Names the key and its range.</exception>
    public void Validate()
    {
        if (Rank is < 0 or > 1024) throw new EmovaException($"lora.rank {Rank}: expected 1 to 1024, or 0 for none");
        if (!(Alpha > 0)) throw new EmovaException($"lora.alpha {Alpha}: expected more than 0");
        if (Dropout is not (>= 0 and < 1)) throw new EmovaException($"lora.dropout {Dropout}: expected 0 to 1 (exclusive)");
        if (Targets.Count == 0 || Targets.Except(Known).FirstOrDefault() is { } unknown && unknown.Length >= 0)
            throw new EmovaException($"lora.targets: expected some of {string.Join(", ", Known)}, not '{string.Join(", ", Targets)}'");
    }
}

using System.CommandLine;
using Emova.Generation;

namespace Emova.Cli;

/// <summary>Options about the choice of tokens.</summary>
internal sealed class SamplingArguments
{
    private readonly Option<float> _temperature = new("--temperature") { Description = "0 takes the most likely token; up to 10.", HelpName = "T" };
    private readonly Option<float?> _speechTemperature = new("--speech-temperature") { Description = "Temperature for speech units. Default: 0.", HelpName = "T" };
    private readonly Option<int> _topK = new("--top-k") { Description = "Choose among the K most likely tokens; 0 means all.", HelpName = "K" };
    private readonly Option<float> _topP = new("--top-p") { Description = "Choose among the most likely tokens that together have probability P.", HelpName = "P", DefaultValueFactory = _ => 1 };
    private readonly Option<int> _maxUnits = new("--max-units") { Description = "Longest spoken answer in units (at most 25 per second).", HelpName = "N", DefaultValueFactory = _ => 1000 };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_temperature, _speechTemperature, _topK, _topP, _maxUnits])
            command.Options.Add(option);
    }

    public ConversationOptions Apply(ParseResult parsed, ConversationOptions options)
    {
        int maxUnits = parsed.GetValue(_maxUnits);
        if (maxUnits is < 1 or > 100_000)
            throw new EmovaException($"--max-units is {maxUnits}, allowed is 1 to 100000");
        return options with
        {
            Sampling = (options.Sampling with
            {
                Temperature = parsed.GetValue(_temperature),
                SpeechTemperature = parsed.GetValue(_speechTemperature) ?? 0,
                TopK = parsed.GetValue(_topK),
                TopP = parsed.GetValue(_topP),
            }).Validate(),
            Limits = options.Limits with { Units = maxUnits },
        };
    }
}

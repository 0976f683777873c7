using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Emova.Training.Data;
using Emova.Training.DataSets;

namespace Emova.Training.Commands;

/// <summary><c>emova-train units</c>: a speech corpus as units, to train the language model with.</summary>
public static class UnitsCommand
{
    public static Command Create()
    {
        Option<string> corpus = new("--in") { Description = "The corpus: a folder, a .tsv file of Common Voice, or Parquet.", Required = true };
        Option<string> format = new("--format") { Description = "librispeech, common-voice, speech-folder, parquet or auto.", DefaultValueFactory = _ => DataSetFormat.Auto };
        Option<string> model = new("--model") { Description = "Model folder with the speech encoder.", DefaultValueFactory = _ => "models/emova-tiny" };
        Option<string> output = new("--out") { Description = "Folder for the units.", Required = true };
        Option<int> threads = new("--threads") { Description = "Threads, 1 to 64.", DefaultValueFactory = _ => Math.Min(2, Environment.ProcessorCount) };
        Option<int> shard = new("--shard") { Description = "Recordings per file, 1 to 100000.", DefaultValueFactory = _ => UnitConversion.DefaultPerShard };
        Option<double> longest = new("--max-seconds") { Description = "Longest recording that is used, 1 to 600.", DefaultValueFactory = _ => SpeechRecording.DefaultLongest.TotalSeconds };
        Command command = new(
            "units", "Turn a speech corpus into units; goes on where it stopped. Example: emova-train units --in data/LibriSpeech/dev-clean --out data/units/dev-clean")
        { corpus, format, model, output, threads, shard, longest };
        command.SetAction((parsed, cancellation) =>
        {
            int count = Within("--threads", parsed.GetValue(threads), 1, 64), perShard = Within("--shard", parsed.GetValue(shard), 1, 100000);
            double seconds = parsed.GetValue(longest);
            if (!(seconds is >= 1 and <= 600))
                throw new EmovaException(string.Create(CultureInfo.InvariantCulture, $"--max-seconds {seconds}: expected 1 to 600"));
            string source = parsed.GetValue(corpus)!, folder = parsed.GetValue(output)!, resolved = DataSetFormat.Resolve(source, parsed.GetValue(format)!);
            if (!DataSetFormat.HoldsRecordings(source, resolved))
                throw new EmovaException($"{source}: a data set of format {resolved} holds no recordings");
            Stopwatch sinceLine = Stopwatch.StartNew();
            double encoded = 0;
            TimeSpan elapsed = TimeSpan.Zero;
            bool complete = new UnitConversion(parsed.GetValue(model)!)
            {
                Threads = count,
                PerShard = perShard,
                Longest = TimeSpan.FromSeconds(seconds),
                Progress = (done, all, audio, time) =>
                {
                    (encoded, elapsed) = (audio, time);
                    if (sinceLine.Elapsed.TotalSeconds < 10 && done < all)
                        return;
                    sinceLine.Restart();
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.Now:HH:mm:ss} {done} of {all} recordings, {audio / 3600:F2} h in {time.TotalSeconds:F0} s: {audio / Math.Max(1e-3, time.TotalSeconds):F1} times real time"));
                },
            }.Run(source, resolved, folder, cancellation);
            if (!complete)
            {
                Console.WriteLine($"{folder}: stopped; run the same command again to go on");
                return Task.FromResult(1);
            }

            Defect[] defects = [.. CorpusJson.ReadLines<Defect>(Path.Combine(folder, UnitShards.DefectsFile))];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{folder}: complete; {encoded / 3600:F2} h encoded in {elapsed.TotalSeconds:F0} s, {defects.Length} recordings left out{(defects.Length > 0 ? $" ({Path.Combine(folder, UnitShards.DefectsFile)})" : "")}"));
            return Task.FromResult(0);
        });
        return command;
    }

    private static int Within(string option, int value, int least, int most) =>
        value >= least && value <= most ? value : throw new EmovaException($"{option} {value}: expected {least} to {most}");
}

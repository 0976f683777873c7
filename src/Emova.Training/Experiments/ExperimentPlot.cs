using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace Emova.Training.Experiments;

/// <summary>Draws the measures of an experiment with their confidence intervals, arm beside arm, as SVG.</summary>
public static class ExperimentPlot
{
    private const double Width = 760, Height = 380;

    /// <summary>The library takes words for narrower than browsers draw them, and cuts them off there.</summary>
    private const string Room = "\u00A0\u00A0\u00A0\u00A0\u00A0\u00A0";

    /// <summary>Room between the measures of one arm, as part of the room of an arm.</summary>
    private const double Spread = 0.18;

    /// <summary>The SVG text.</summary>
    public static string Draw(Experiment experiment, IReadOnlyList<Experiment.Result> results)
    {
        ExperimentSettings settings = experiment.Settings;
        PlotModel model = new() { Title = settings.Title, Background = OxyColors.White, DefaultFont = "sans-serif", TitleFontSize = 14 };
        model.Legends.Add(new Legend { LegendPosition = LegendPosition.BottomCenter, LegendPlacement = LegendPlacement.Outside, LegendOrientation = LegendOrientation.Horizontal, LegendColumnSpacing = 40 });
        CategoryAxis arms = new() { Position = AxisPosition.Bottom, IsTickCentered = true };
        arms.Labels.AddRange(settings.Arms.Select(arm => arm.Label));
        model.Axes.Add(arms);
        model.Axes.Add(new LinearAxis { Position = AxisPosition.Left, Title = "loss per token (lower is better)", AxisTitleDistance = 16, MajorGridlineStyle = LineStyle.Solid, MajorGridlineColor = OxyColors.LightGray });

        (double low, double high) = Range(settings, results);
        model.Axes[1].Minimum = low;
        model.Axes[1].Maximum = high;
        ExperimentScore[] shown = [.. settings.Scores.Where(score => score.Plot)];
        OxyColor[] colors = [OxyColor.FromRgb(0x00, 0x72, 0xB2), OxyColor.FromRgb(0xD5, 0x5E, 0x00), OxyColor.FromRgb(0x00, 0x9E, 0x73), OxyColor.FromRgb(0xCC, 0x79, 0xA7)]; // told apart by the color-blind
        for (int k = 0; k < shown.Length; k++)
        {
            OxyColor color = colors[k % colors.Length];
            ScatterErrorSeries means = new() { Title = shown[k].Label + Room, MarkerType = MarkerType.Circle, MarkerSize = 5, MarkerFill = color, ErrorBarColor = color, ErrorBarStopWidth = 6, ErrorBarStrokeThickness = 1.5 };
            ScatterSeries seeds = new() { MarkerType = MarkerType.Circle, MarkerSize = 2, MarkerFill = OxyColor.FromAColor(120, color) };
            for (int a = 0; a < settings.Arms.Count; a++)
            {
                Experiment.Result[] runs = [.. results.Where(result => result.Arm == settings.Arms[a])];
                if (runs.Length == 0) continue;
                SeedInterval interval = ExperimentReport.Interval(runs, shown[k]);
                double x = a + ((k - ((shown.Length - 1) / 2.0)) * Spread);
                means.Points.Add(new ScatterErrorPoint(x, interval.Mean, 0, double.IsNaN(interval.HalfWidth) ? 0 : 2 * interval.HalfWidth));
                seeds.Points.AddRange(runs.Select(run => new ScatterPoint(x + (Spread / 4), run.Measured[shown[k].Metric])));
            }
            model.Series.Add(means);
            model.Series.Add(seeds);
        }
        return new SvgExporter { Width = Width, Height = Height, IsDocument = true }.ExportToString(model);
    }

    /// <summary>Room for every interval: the library itself fits the means only.</summary>
    private static (double Low, double High) Range(ExperimentSettings settings, IReadOnlyList<Experiment.Result> results)
    {
        double[] ends =
        [
            .. from score in settings.Scores where score.Plot
               from arm in results.GroupBy(result => result.Arm)
               let interval = ExperimentReport.Interval(arm, score)
               let half = double.IsNaN(interval.HalfWidth) ? 0 : interval.HalfWidth
               from end in new[] { interval.Mean - half, interval.Mean + half }
               select end,
        ];
        double margin = Math.Max(0.01, (ends.Max() - ends.Min()) / 20);
        return (ends.Min() - margin, ends.Max() + margin);
    }
}

using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace Emova.Training.Experiments;

/// <summary>Draws the measures of an experiment with their confidence intervals, arm beside arm, as SVG.</summary>
public static class ExperimentPlot
{
    private const double Width = 760, Height = 380;

    /// <summary>Room between the measures of one arm, as part of the room of an arm.</summary>
    private const double Spread = 0.18;

    /// <summary>The SVG text.</summary>
    public static string Draw(Experiment experiment, IReadOnlyList<Experiment.Result> results)
    {
        ExperimentSettings settings = experiment.Settings;
        PlotModel model = new() { Title = settings.Title, Background = OxyColors.White, DefaultFont = "sans-serif", TitleFontSize = 14 };
        model.Legends.Add(new Legend { LegendPosition = LegendPosition.RightTop, LegendPlacement = LegendPlacement.Outside });
        CategoryAxis arms = new() { Position = AxisPosition.Bottom, IsTickCentered = true };
        arms.Labels.AddRange(settings.Arms.Select(arm => arm.Label));
        model.Axes.Add(arms);
        model.Axes.Add(new LinearAxis { Position = AxisPosition.Left, Title = "loss per token (lower is better)", MajorGridlineStyle = LineStyle.Solid, MajorGridlineColor = OxyColors.LightGray });

        ExperimentScore[] shown = [.. settings.Scores.Where(score => score.Plot)];
        OxyColor[] colors = [OxyColor.FromRgb(0x00, 0x72, 0xB2), OxyColor.FromRgb(0xD5, 0x5E, 0x00), OxyColor.FromRgb(0x00, 0x9E, 0x73), OxyColor.FromRgb(0xCC, 0x79, 0xA7)]; // told apart by the color-blind
        for (int k = 0; k < shown.Length; k++)
        {
            OxyColor color = colors[k % colors.Length];
            ScatterErrorSeries means = new() { Title = shown[k].Label, MarkerType = MarkerType.Circle, MarkerSize = 5, MarkerFill = color, ErrorBarColor = color, ErrorBarStopWidth = 6, ErrorBarStrokeThickness = 1.5 };
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
}

using Emova.Models.Speech.Vits;
using Emova.Training.Infrastructure;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Speech.Vits;

/// <summary>How long units last: twin of the runtime's IDurationPredictor, with the loss it is trained by.</summary>
internal interface IVitsDurations
{
    /// <summary>Loss per unit of durations (B, 1, U) in frames; states (B, H, U) and style get no gradient.</summary>
    Tensor Loss(Tensor hidden, Tensor style, Tensor mask, Tensor durations, bool training);

    /// <summary>Logarithms of durations (B, 1, U) drawn with scaled noise (B, 2, U).</summary>
    Tensor LogDurations(Tensor hidden, Tensor style, Tensor mask, Tensor noise);
}

/// <summary>Twin of the runtime's DurationPredictor: the mean squared error of log durations.</summary>
internal sealed class VitsDurationPredictor(VitsConfig config, ParameterScope scope) : IVitsDurations
{
    private const int FilterChannels = 256;
    private const double Dropout = 0.5;

    private readonly VitsConvolution _condition = new(scope.Push("cond"), config.HiddenChannels, config.StyleDim, 1);
    private readonly VitsConvolution _first = new(scope.Push("conv_1"), FilterChannels, config.HiddenChannels, 3);
    private readonly VitsChannelNorm _firstNorm = new(scope.Push("norm_1"), FilterChannels);
    private readonly VitsConvolution _second = new(scope.Push("conv_2"), FilterChannels, FilterChannels, 3);
    private readonly VitsChannelNorm _secondNorm = new(scope.Push("norm_2"), FilterChannels);
    private readonly VitsConvolution _projection = new(scope.Push("proj"), 1, FilterChannels, 1);

    public Tensor Loss(Tensor hidden, Tensor style, Tensor mask, Tensor durations, bool training) =>
        Predict(hidden.detach(), style.detach(), mask, training).Minus(durations.Plus(1e-6).log().mul(mask)).square().mul(mask).sum().div(mask.sum());

    public Tensor LogDurations(Tensor hidden, Tensor style, Tensor mask, Tensor noise) => Predict(hidden, style, mask, training: false);

    private Tensor Predict(Tensor hidden, Tensor style, Tensor mask, bool training)
    {
        Tensor x = hidden.Plus(_condition.Forward(style)).mul(mask);
        x = F.dropout(_firstNorm.Forward(F.relu(_first.Forward(x))), Dropout, training).mul(mask);
        x = F.dropout(_secondNorm.Forward(F.relu(_second.Forward(x))), Dropout, training).mul(mask);
        return _projection.Forward(x).mul(mask);
    }
}

/// <summary>
/// Twin of the runtime's StochasticDurationPredictor: a flow of splines between noise and (log duration, auxiliary), trained by an upper
/// bound on the negative log likelihood in which whole durations are dequantized by a second flow.
/// </summary>
internal sealed class VitsStochasticDurations : IVitsDurations
{
    private const double LogTwoPi = 1.8378770664093453;
    private const double SmallestDuration = 1e-5;
    private const double Dropout = 0.5;

    private readonly VitsConvolution _condition;
    private readonly Context _context;
    private readonly Flow _flow;
    private readonly Context _posteriorContext;
    private readonly Flow _posteriorFlow;

    public VitsStochasticDurations(VitsConfig config, ParameterScope scope)
    {
        int width = config.HiddenChannels;
        _condition = new VitsConvolution(scope.Push("cond"), width, config.StyleDim, 1);
        _context = new Context(scope, "", width, width);
        _flow = new Flow(scope.Push("flows"), width);
        _posteriorContext = new Context(scope, "post_", 1, width);
        _posteriorFlow = new Flow(scope.Push("post_flows"), width);
    }

    public Tensor Loss(Tensor hidden, Tensor style, Tensor mask, Tensor durations, bool training) =>
        NegativeLogLikelihood(hidden.detach(), style.detach(), mask, durations, randn_like(durations.expand(-1, 2, -1)), training).sum().div(mask.sum());

    /// <summary>The bound for each row (B), with dequantization noise (B, 2, U).</summary>
    public Tensor NegativeLogLikelihood(Tensor hidden, Tensor style, Tensor mask, Tensor durations, Tensor noise, bool training)
    {
        Tensor context = _context.Forward(hidden, mask, training, _condition.Forward(style));
        Tensor posterior = context.Plus(_posteriorContext.Forward(durations, mask, training));
        noise = noise.mul(mask);
        (Tensor z, Tensor logSlopeQ) = _posteriorFlow.Forward(noise, mask, posterior);
        Tensor fraction = z.narrow(1, 0, 1), u = fraction.sigmoid().mul(mask);
        logSlopeQ = logSlopeQ.Plus(Sum(F.logsigmoid(fraction).Plus(F.logsigmoid(fraction.Times(-1))).mul(mask)));
        Tensor logQ = Sum(noise.square().Plus(LogTwoPi).Times(-0.5).mul(mask)).Minus(logSlopeQ);

        Tensor logDurations = durations.Minus(u).clamp_min(Arithmetic.Constant(SmallestDuration)).log().mul(mask);
        (z, Tensor logSlope) = _flow.Forward(cat([logDurations, z.narrow(1, 1, 1)], 1), mask, context);
        logSlope = logSlope.Minus(Sum(logDurations));
        return Sum(z.square().Plus(LogTwoPi).Times(0.5).mul(mask)).Minus(logSlope).Plus(logQ);
    }

    public Tensor LogDurations(Tensor hidden, Tensor style, Tensor mask, Tensor noise) =>
        _flow.Reverse(noise, mask, _context.Forward(hidden, mask, training: false, _condition.Forward(style))).narrow(1, 0, 1);

    private static Tensor Sum(Tensor values) => values.sum([1L, 2L]);

    private sealed class Context(ParameterScope scope, string prefix, int inputs, int width)
    {
        private readonly VitsConvolution _pre = new(scope.Push($"{prefix}pre"), width, inputs, 1);
        private readonly VitsSeparableConvolutions _convolutions = new(scope.Push($"{prefix}convs"), width, Dropout);
        private readonly VitsConvolution _projection = new(scope.Push($"{prefix}proj"), width, width, 1);

        public Tensor Forward(Tensor x, Tensor mask, bool training, Tensor? condition = null)
        {
            Tensor y = _pre.Forward(x);
            if (condition is not null) y = y.Plus(condition);
            return _projection.Forward(_convolutions.Forward(y, mask, training)).mul(mask);
        }
    }

    /// <summary>An affine map, then four times a spline of the second number whose shape depends on the first, and an exchange of the two.</summary>
    private sealed class Flow
    {
        private const int Splines = 4;

        private readonly Tensor _shift;
        private readonly Tensor _logScale;
        private readonly Coupling[] _couplings;

        public Flow(ParameterScope scope, int width)
        {
            _shift = scope.Push("0").Full("m", 0, 2, 1);
            _logScale = scope.Push("0").Full("logs", 0, 2, 1);
            _couplings = [.. Enumerable.Range(0, Splines).Select(i => new Coupling(scope.Push(2 * i + 1), width))];
        }

        public (Tensor Z, Tensor LogSlope) Forward(Tensor x, Tensor mask, Tensor context)
        {
            x = x.mul(_logScale.exp()).Plus(_shift).mul(mask);
            Tensor logSlope = Sum(_logScale.mul(mask));
            foreach (Coupling coupling in _couplings)
            {
                (x, Tensor slope) = coupling.Forward(x, mask, context, inverse: false);
                logSlope = logSlope.Plus(slope);
                x = x.flip(1);
            }

            return (x, logSlope);
        }

        /// <summary>The way back leaves out the first spline, as the model speaks with it.</summary>
        public Tensor Reverse(Tensor z, Tensor mask, Tensor context)
        {
            for (int i = Splines - 1; i >= 1; i--) z = _couplings[i].Forward(z.flip(1), mask, context, inverse: true).X;
            return z.flip(1).Minus(_shift).mul(_logScale.Times(-1).exp()).mul(mask);
        }
    }

    private sealed class Coupling(ParameterScope scope, int width)
    {
        private readonly VitsConvolution _pre = new(scope.Push("pre"), width, 1, 1);
        private readonly VitsSeparableConvolutions _convolutions = new(scope.Push("convs"), width, 0);
        private readonly VitsConvolution _projection = new(scope.Push("proj"), VitsSpline.Parameters, width, 1, isZero: true);

        public (Tensor X, Tensor LogSlope) Forward(Tensor x, Tensor mask, Tensor context, bool inverse)
        {
            Tensor first = x.narrow(1, 0, 1), h = _convolutions.Forward(_pre.Forward(first).Plus(context), mask, training: false);
            Tensor parameters = _projection.Forward(h).mul(mask).transpose(1, 2); // (B, U, 29)
            (Tensor moved, Tensor logSlope) = VitsSpline.Apply(x.narrow(1, 1, 1).squeeze(1), parameters, 1 / Math.Sqrt(width), inverse);
            return (cat([first, moved.unsqueeze(1)], 1).mul(mask), logSlope.mul(mask.squeeze(1)).sum(1));
        }
    }
}

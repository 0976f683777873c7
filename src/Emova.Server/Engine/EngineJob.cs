using System.Diagnostics;
using System.Threading.Channels;
using Emova.Generation;
using Emova.Server.Operations;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Engine;

/// <summary>
/// A request on its way through the engine, and the way back to whoever waits for it. Prepared on one thread, then written on
/// the engine's and spoken on the voice's thread at the same time, and ended on the engine's.
/// </summary>
internal sealed class EngineJob
{
    private readonly CancellationToken _stop;
    private readonly Func<Action<EngineEvent>, ReplyWriter> _create;
    private readonly long _queued = Stopwatch.GetTimestamp();
    private ReplyWriter? _writer;
    private Exception? _failure;
    private TimeSpan _waited;
    private int _voicing;

    public EngineJob(Func<Action<EngineEvent>, ReplyWriter> create, CancellationToken stop)
    {
        _stop = stop;
        _create = create;
    }

    public Channel<EngineEvent> Events { get; } =
        Channel.CreateUnbounded<EngineEvent>(new UnboundedChannelOptions { SingleReader = true });

    public ISequence? Sequence => _writer?.Pending;

    public bool IsWriting => _writer?.Pending is { NeedsModel: true };

    /// <summary>Looks, listens and lays out the prompt; a failure is kept for the end.</summary>
    public void Prepare()
    {
        _waited = Stopwatch.GetElapsedTime(_queued);
        try
        {
            _stop.ThrowIfCancellationRequested();
            ReplyWriter writer = _create(happening => Events.Writer.TryWrite(happening));
            writer.Prepare(_stop);
            _writer = writer;
        }
        catch (Exception error)
        {
            _failure = error;
        }
    }

    /// <summary>Whether units wait for the voice and the job is not with it yet; it counts as being there from now on.</summary>
    public bool WantsVoice() => _writer?.Pending is { HasVoiceWork: true } && Interlocked.CompareExchange(ref _voicing, 1, 0) == 0;

    /// <summary>Speaks one piece.</summary>
    /// <returns>Whether there is more; if not, the voice has done with the job.</returns>
    public bool Voice()
    {
        PendingReply pending = _writer!.Pending!;
        if (!_stop.IsCancellationRequested && pending.HasVoiceWork)
            pending.Voice();
        if (!_stop.IsCancellationRequested && pending.HasVoiceWork)
            return true;
        Volatile.Write(ref _voicing, 0);
        return false;
    }

    /// <summary>Whether nothing is left to do, or nobody waits for it, and the voice is not busy with it.</summary>
    public bool CanEnd(bool closed) => Volatile.Read(ref _voicing) == 0
        && (closed || _failure is not null || _stop.IsCancellationRequested || _writer!.Pending!.IsComplete);

    /// <summary>Tells the result, or why there is none.</summary>
    /// <param name="refusal">Why an unfinished job is given up.</param>
    /// <param name="logger">Told of defects.</param>
    /// <param name="metrics">Told of results.</param>
    public void End(Exception? refusal, ILogger logger, ServerMetrics metrics)
    {
        try
        {
            if (_failure is null && !_stop.IsCancellationRequested && _writer is { Pending.IsComplete: true })
            {
                EngineResult result = _writer.Finish();
                metrics.Finished(result, _waited);
                Events.Writer.TryWrite(new EngineEvent.Finished(result) { TextTokens = result.TextTokens, AudioTokens = result.AudioTokens });
            }
            else
            {
                _failure ??= _stop.IsCancellationRequested ? new OperationCanceledException(_stop) : refusal;
            }
        }
        catch (Exception error)
        {
            _failure = error;
        }

        _writer?.Pending?.Cancel();
        if (_failure is OperationCanceledException)
            metrics.Cancelled();
        else if (_failure is not (null or EmovaException or EngineBusyException))
            ServerLog.ReplyFailed(logger, _failure);
        Events.Writer.TryComplete(_failure);
    }
}

using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Engine;

/// <summary>A request in the engine's queue and the way back to whoever waits for it.</summary>
internal sealed class EngineJob(Action<Action<EngineEvent>, CancellationToken> work, CancellationToken stop)
{
    public Channel<EngineEvent> Events { get; } =
        Channel.CreateUnbounded<EngineEvent>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

    public void Run(ILogger logger)
    {
        Exception? failure = null;
        try
        {
            stop.ThrowIfCancellationRequested();
            work(happening => Events.Writer.TryWrite(happening), stop);
        }
        catch (Exception error)
        {
            failure = error;
            if (error is not (EmovaException or OperationCanceledException))
                ServerLog.ReplyFailed(logger, error);
        }

        Events.Writer.Complete(failure);
    }
}

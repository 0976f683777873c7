using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Emova.Models.Speech;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Engine;

/// <summary>One thread owns the model and takes requests from a bounded queue.</summary>
internal sealed class InferenceEngine : IInferenceEngine, IDisposable
{
    private readonly Assistant _assistant;
    private readonly ServerOptions _options;
    private readonly ILogger<InferenceEngine> _logger;
    private readonly Channel<EngineJob> _queue;
    private readonly Thread _thread;
    private int _running;

    public InferenceEngine(Assistant assistant, ServerOptions options, ILogger<InferenceEngine> logger)
    {
        _assistant = assistant;
        _options = options;
        _logger = logger;
        Info = EngineInfoReader.Read(assistant, _options);
        _queue = Channel.CreateBounded<EngineJob>(new BoundedChannelOptions(_options.Engine.QueueLength) { SingleReader = true });
        _thread = new Thread(Work) { IsBackground = true, Name = "emova engine" };
        _thread.Start();
    }

    public EngineInfo Info { get; }

    public EngineLoad Load => new(Volatile.Read(ref _running), _queue.Reader.Count);

    public IAsyncEnumerable<EngineEvent> RunAsync(EngineRequest request, CancellationToken cancellationToken = default) =>
        EnqueueAsync((report, stop) => new ReplyWriter(_assistant, _options.Engine, request, report, stop).Run(), cancellationToken);

    public IAsyncEnumerable<EngineEvent> VoiceAsync(IReadOnlyList<int> units, VoiceOptions voice, CancellationToken cancellationToken = default) =>
        EnqueueAsync((report, stop) => _assistant.DecodeUnits(units, voice, clip => report(new EngineEvent.Audio(clip.Samples, clip.SampleRate)), stop), cancellationToken);

    /// <summary>Refuses new work and lets the thread end after what is queued.</summary>
    public void Dispose() => _queue.Writer.TryComplete();

    private async IAsyncEnumerable<EngineEvent> EnqueueAsync(
        Action<Action<EngineEvent>, CancellationToken> work, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        EngineJob job = new(work, stop.Token);
        if (!_queue.Writer.TryWrite(job))
            throw new EngineBusyException(_queue.Reader.Completion.IsCompleted ? "the server is shutting down" : $"{_options.Engine.QueueLength} requests are waiting already");
        try
        {
            await foreach (EngineEvent happening in job.Events.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
                yield return happening;
        }
        finally
        {
            // A reader that leaves early must not leave the model busy behind its back.
            await stop.CancelAsync().ConfigureAwait(false);
        }
    }

    private void Work()
    {
        while (_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (_queue.Reader.TryRead(out EngineJob? job))
            {
                Volatile.Write(ref _running, 1);
                job.Run(_logger);
                Volatile.Write(ref _running, 0);
            }
        }
    }
}

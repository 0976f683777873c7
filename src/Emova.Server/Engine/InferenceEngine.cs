using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Emova.Generation;
using Emova.Media;
using Emova.Server.Operations;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Engine;

/// <summary>
/// The one owner of the model. Requests wait in a bounded queue; up to <see cref="EngineOptions.Slots"/> of them are served side by
/// side on three kinds of threads: two look at pictures, listen and lay out prompts; one lets the language model write all replies
/// together, a token each per step, with parts of new prompts in between (<see cref="DecodeLoop"/>); one speaks them in turns.
/// </summary>
internal sealed class InferenceEngine : IInferenceEngine, IDisposable
{
    private const int PreparingThreads = 2;

    private readonly Assistant _assistant;
    private readonly EngineOptions _options;
    private readonly ILogger<InferenceEngine> _logger;
    private readonly ServerMetrics _metrics;
    private readonly Channel<EngineJob> _queue;
    private readonly BlockingCollection<EngineJob> _toPrepare = [];
    private readonly BlockingCollection<EngineJob> _toVoice = [];
    private readonly ConcurrentQueue<EngineJob> _prepared = [];
    private readonly AutoResetEvent _wake = new(false);
    private readonly SemaphoreSlim _voicing = new(1);
    private readonly Thread[] _threads;
    private int _running;
    private volatile bool _closed;

    public InferenceEngine(Assistant assistant, ServerOptions options, ServerMetrics metrics, ILogger<InferenceEngine> logger)
    {
        _assistant = assistant;
        _options = options.Engine;
        _metrics = metrics;
        _logger = logger;
        Info = EngineInfoReader.Read(assistant, options);
        _queue = Channel.CreateBounded<EngineJob>(new BoundedChannelOptions(_options.QueueLength) { SingleReader = true });
        metrics.Observe(() => Load);
        _threads = [.. Enumerable.Range(0, PreparingThreads).Select(_ => Start(Prepare, "emova prepare")), Start(Voice, "emova voice"), Start(Write, "emova write")];
    }

    public EngineInfo Info { get; }

    public EngineLoad Load => new(Volatile.Read(ref _running), _queue.Reader.Count);

    public async IAsyncEnumerable<EngineEvent> RunAsync(EngineRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        EngineJob job = new(report => new ReplyWriter(_assistant, _options, Info.ContextLength, request, report), stop.Token);
        if (_closed)
            throw new EngineBusyException("The server is shutting down.");
        if (!_queue.Writer.TryWrite(job))
        {
            _metrics.Refused();
            throw new EngineBusyException($"The server is busy: {_options.QueueLength} requests are waiting already.");
        }

        _wake.Set();
        using Activity? activity = ServerMetrics.Source.StartActivity("emova.reply");
        activity?.SetTag("emova.task", request.Task);
        try
        {
            await foreach (EngineEvent happening in job.Events.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                if (activity is not null && happening is EngineEvent.Finished { Result: var result })
                    Describe(activity, result);
                yield return happening;
            }
        }
        finally
        {
            // A reader that leaves early must not leave the model busy behind its back.
            await stop.CancelAsync().ConfigureAwait(false);
            _wake.Set();
        }
    }

    public async IAsyncEnumerable<EngineEvent> VoiceAsync(IReadOnlyList<int> units, VoiceOptions voice, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await _voicing.WaitAsync(cancellationToken).ConfigureAwait(false);
        Channel<EngineEvent> events = Channel.CreateUnbounded<EngineEvent>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task work = Task.Run(() =>
        {
            Exception? failure = null;
            ProvenanceMarker? mark = null;
            try
            {
                _assistant.DecodeUnits(units, voice, clip => events.Writer.TryWrite(new EngineEvent.Audio(
                    _options.MarkSpeech ? (mark ??= new ProvenanceMarker(clip.SampleRate)).Push(clip.Samples) : clip.Samples, clip.SampleRate)), stop.Token);
                if (mark?.Flush() is { Length: > 0 } rest)
                    events.Writer.TryWrite(new EngineEvent.Audio(rest, mark.SampleRate));
            }
            catch (Exception error)
            {
                failure = error;
            }

            events.Writer.Complete(failure);
        }, CancellationToken.None);
        try
        {
            await foreach (EngineEvent happening in events.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
                yield return happening;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await work.ConfigureAwait(false);
            _voicing.Release();
        }
    }

    /// <summary>Refuses new requests, ends running ones, and waits for the threads.</summary>
    public void Dispose()
    {
        if (_closed)
            return;
        _closed = true;
        _queue.Writer.TryComplete();
        _wake.Set();
        foreach (Thread thread in _threads)
            thread.Join();
        _toPrepare.Dispose();
        _toVoice.Dispose();
        _wake.Dispose();
        _voicing.Dispose();
    }

    private static void Describe(Activity activity, EngineResult result)
    {
        activity.SetTag("emova.end", result.End);
        activity.SetTag("emova.tokens.prompt", result.Prompt.Total);
        activity.SetTag("emova.tokens.cached", result.Prompt.Cached);
        activity.SetTag("emova.tokens.text", result.TextTokens);
        activity.SetTag("emova.tokens.audio", result.AudioTokens);
        activity.SetTag("emova.first_audio_ms", result.Timings.FirstAudio?.TotalMilliseconds);
    }

    private static Thread Start(ThreadStart body, string name)
    {
        Thread thread = new(body) { IsBackground = true, Name = name };
        thread.Start();
        return thread;
    }

    private void Prepare()
    {
        foreach (EngineJob job in _toPrepare.GetConsumingEnumerable())
        {
            job.Prepare();
            _prepared.Enqueue(job);
            _wake.Set();
        }
    }

    private void Voice()
    {
        foreach (EngineJob job in _toVoice.GetConsumingEnumerable())
        {
            // One piece each in turn, so that no voice waits for the end of another.
            if (job.Voice() && !_toVoice.IsAddingCompleted)
                _toVoice.Add(job);
            else
                _wake.Set();
        }
    }

    private void Write()
    {
        DecodeLoop loop = new(_assistant.Model.Language);
        List<EngineJob> active = [];
        List<ISequence> sequences = [];
        int preparing = 0;
        while (true)
        {
            while (!_closed && active.Count + preparing < _options.Slots && _queue.Reader.TryRead(out EngineJob? next))
            {
                preparing++;
                _toPrepare.Add(next);
            }

            while (_prepared.TryDequeue(out EngineJob? ready))
            {
                preparing--;
                active.Add(ready);
            }

            active.RemoveAll(TryEnd);
            Volatile.Write(ref _running, active.Count + preparing);
            if (_closed && active.Count + preparing == 0)
                break;
            sequences.Clear();
            sequences.AddRange(active.Where(job => job.IsWriting).Select(job => job.Sequence!));
            long start = Stopwatch.GetTimestamp();
            bool stepped = loop.Step(sequences);
            if (stepped)
                _metrics.Stepped(sequences.Count, Stopwatch.GetElapsedTime(start));
            foreach (EngineJob job in active.Where(job => job.WantsVoice()))
                _toVoice.Add(job);
            if (!stepped && !active.Exists(job => job.CanEnd(_closed)))
                _wake.WaitOne();
        }

        while (_queue.Reader.TryRead(out EngineJob? left))
            left.End(new EngineBusyException("The server is shutting down."), _logger, _metrics);
        _toPrepare.CompleteAdding();
        _toVoice.CompleteAdding();
    }

    private bool TryEnd(EngineJob job)
    {
        if (!job.CanEnd(_closed))
            return false;
        job.End(_closed ? new EngineBusyException("The server is shutting down.") : null, _logger, _metrics);
        return true;
    }
}

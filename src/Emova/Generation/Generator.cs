using System.Diagnostics;
using System.Runtime.InteropServices;
using Emova.Models.Language;
using Emova.Text;

namespace Emova.Generation;

/// <summary>
/// The decode loop: writes one reply under a grammar. Tokens without an alternative are not sampled; they are appended
/// together with the next model call. A token in the middle of a reply allocates nothing.
/// </summary>
public sealed class Generator
{
    private readonly LanguageModel _model;
    private readonly float[] _logits;
    private readonly List<int> _pending = [];

    /// <summary>Creates a generator; it may be used for one reply at a time.</summary>
    public Generator(LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _logits = new float[model.Config.VocabSize];
    }

    /// <summary>Time the first model call of the last reply took: reading the end of the prompt.</summary>
    public TimeSpan FirstCall { get; private set; }

    /// <summary>
    /// Writes a reply. The cache holds the prompt except its last tokens, which are given here so that one model call reads
    /// them together with the reply's forced beginning. Afterwards the cache holds everything but the last tokens, which are returned.
    /// </summary>
    /// <param name="cache">The conversation.</param>
    /// <param name="promptEnd">At least one token id.</param>
    /// <param name="cursor">At the beginning of the reply; must come from a grammar of the same vocabulary.</param>
    /// <param name="tokensToFinish">Room to keep for ending the reply when the cache runs full.</param>
    /// <param name="sampler">Chooses.</param>
    /// <param name="onToken">Called with each token of the reply as soon as it is known.</param>
    /// <param name="cancellationToken">Stops between two tokens.</param>
    /// <returns>The tokens at the end of the reply that are not in the cache.</returns>
    /// <exception cref="EmovaException">The conversation has no room left for a reply.</exception>
    public IReadOnlyList<int> Write(
        KvCache cache, ReadOnlySpan<int> promptEnd, GrammarCursor cursor, int tokensToFinish, Sampler sampler, Action<int> onToken,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        ArgumentNullException.ThrowIfNull(cursor);
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(onToken);
        if (promptEnd.IsEmpty)
            throw new ArgumentException("at least one token of the prompt has to be left to read", nameof(promptEnd));
        _pending.Clear();
        _pending.AddRange(promptEnd);
        int room = cache.Capacity - cache.Length - _pending.Count;
        if (room < tokensToFinish)
            throw new EmovaException($"the conversation is full: {cache.Capacity - room} of {cache.Capacity} positions are used and a reply needs at least {tokensToFinish}");

        bool first = true;
        while (!cursor.IsComplete)
        {
            cancellationToken.ThrowIfCancellationRequested();
            cursor.Hurry = cache.Capacity - cache.Length - _pending.Count <= tokensToFinish;
            ReadOnlySpan<int> forced = cursor.Forced;
            if (!forced.IsEmpty)
            {
                foreach (int token in forced)
                    Take(token, cursor, onToken);
                continue;
            }

            long start = Stopwatch.GetTimestamp();
            _model.Forward(cache, CollectionsMarshal.AsSpan(_pending), _logits);
            if (first)
                FirstCall = Stopwatch.GetElapsedTime(start);
            first = false;
            _pending.Clear();
            Take(sampler.Choose(_logits, cursor.Allowed, cursor.ExpectsUnits), cursor, onToken);
        }

        return _pending;
    }

    private void Take(int token, GrammarCursor cursor, Action<int> onToken)
    {
        cursor.Accept(token);
        _pending.Add(token);
        onToken(token);
    }
}

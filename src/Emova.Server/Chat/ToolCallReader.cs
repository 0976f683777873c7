using System.Text;
using System.Text.Json;
using Emova.Text;

namespace Emova.Server.Chat;

/// <summary>
/// Splits an answer that <see cref="JsonGrammar.ForCalls"/> allowed, while it is written, into text or calls. Arguments are passed
/// on as they come.
/// </summary>
internal sealed class ToolCallReader(Action<string> onText, Action<int, string> onCall, Action<int, string> onArguments)
{
    private const string NameStart = JsonGrammar.CallStart + "{\"name\": ";
    private const string NameEnd = ", \"arguments\": ";
    private const string ArgumentsEnd = "}" + JsonGrammar.CallEnd;

    private readonly StringBuilder _arguments = new(); // of the present call
    private string _held = "";
    private bool? _isText;
    private bool _inArguments;

    /// <summary>Calls so far.</summary>
    public int Calls { get; private set; }

    public void Add(string piece)
    {
        _held += piece;
        if (_held.Length == 0)
            return;
        _isText ??= _held[0] != JsonGrammar.CallStart[0];
        if (_isText.Value)
        {
            onText(_held);
            _held = "";
            return;
        }

        while (_inArguments ? ReadArguments() : ReadName())
        {
        }
    }

    /// <summary>An answer that was cut short may end within arguments; what there is of them is passed on, but nothing of what comes after them.</summary>
    public void Finish()
    {
        if (_inArguments && _held.Length > 0 && !IsComplete())
            onArguments(Calls - 1, _held);
        _held = "";
    }

    /// <summary>Whether the arguments so far are a whole value: then the brace that is held belongs to the call around them.</summary>
    private bool IsComplete()
    {
        try
        {
            JsonDocument.Parse(_arguments.ToString()).Dispose();
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private bool ReadName()
    {
        _held = _held.TrimStart('\n');
        int end = _held.IndexOf(NameEnd, StringComparison.Ordinal);
        if (end < 0 || !_held.StartsWith(NameStart, StringComparison.Ordinal))
            return false;
        string name = JsonDocument.Parse(_held[NameStart.Length..end]).RootElement.GetString()!;
        _held = _held[(end + NameEnd.Length)..];
        _inArguments = true;
        _arguments.Clear();
        onCall(Calls++, name);
        return true;
    }

    private bool ReadArguments()
    {
        // The arguments are one line of JSON: a brace and a line break cannot be part of them.
        int end = _held.IndexOf(ArgumentsEnd, StringComparison.Ordinal);
        int length = end >= 0 ? end : _held.Length - Overlap();
        if (length > 0)
        {
            _arguments.Append(_held, 0, length);
            onArguments(Calls - 1, _held[..length]);
        }

        _held = _held[(end >= 0 ? end + ArgumentsEnd.Length : length)..];
        _inArguments = end < 0;
        return end >= 0;
    }

    /// <summary>How many characters at the end may belong to the end of the arguments.</summary>
    private int Overlap()
    {
        int length = Math.Min(_held.Length, ArgumentsEnd.Length - 1);
        while (length > 0 && !ArgumentsEnd.StartsWith(_held[^length..], StringComparison.Ordinal))
            length--;
        return length;
    }
}

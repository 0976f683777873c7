using System.Globalization;
using System.Text;

namespace Emova.Text;

/// <summary>
/// Reads a reply object while it is being written: gives each value's text as soon as its characters are there.
/// It expects the flat object of strings that <see cref="ReplyGrammar.ForDialogue"/> enforces.
/// </summary>
public sealed class ReplyReader
{
    private readonly Action<string, string, bool> _onValue;
    private readonly StringBuilder _key = new();
    private readonly StringBuilder _piece = new();
    private readonly StringBuilder _hex = new();
    private Place _place = Place.BeforeKey;

    /// <summary>Creates a reader.</summary>
    /// <param name="onValue">Called with key, new characters of its value, and whether the value is finished.</param>
    public ReplyReader(Action<string, string, bool> onValue) => _onValue = onValue;

    private enum Place
    {
        BeforeKey,
        Key,
        BeforeValue,
        Value,
        Escape,
        Hex,
    }

    /// <summary>Reads the next characters.</summary>
    public void Read(ReadOnlySpan<char> text)
    {
        foreach (char character in text)
            Read(character);
        if (_place is Place.Value && _piece.Length > 0)
            Report(finished: false);
    }

    private void Read(char character)
    {
        switch (_place)
        {
            case Place.BeforeKey when character == '"':
                _key.Clear();
                _place = Place.Key;
                break;
            case Place.Key when character == '"':
                _place = Place.BeforeValue;
                break;
            case Place.Key:
                _key.Append(character);
                break;
            case Place.BeforeValue when character == '"':
                _place = Place.Value;
                break;
            case Place.Value when character == '"':
                Report(finished: true);
                _place = Place.BeforeKey;
                break;
            case Place.Value when character == '\\':
                _place = Place.Escape;
                break;
            case Place.Value:
                _piece.Append(character);
                break;
            case Place.Escape when character == 'u':
                _hex.Clear();
                _place = Place.Hex;
                break;
            case Place.Escape:
                _piece.Append(character switch { 'n' => '\n', 't' => '\t', 'r' => '\r', 'b' => '\b', 'f' => '\f', _ => character });
                _place = Place.Value;
                break;
            case Place.Hex:
                if (_hex.Append(character).Length == 4)
                {
                    _piece.Append(int.TryParse(_hex.ToString(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out int code) ? (char)code : '\uFFFD');
                    _place = Place.Value;
                }

                break;
            default:
                break; // braces, colons, commas and spaces between the strings
        }
    }

    private void Report(bool finished)
    {
        _onValue(_key.ToString(), _piece.ToString(), finished);
        _piece.Clear();
    }
}

using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Server.Wire;
using Emova.Text;

namespace Emova.Server.Chat;

/// <summary>How functions, calls and results are written to the model: the form of Qwen2.5's chat template, EMOVA's language model.</summary>
internal static class ToolPrompt
{
    private static readonly JsonSerializerOptions PlainStrings = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>System text followed by the description of the functions.</summary>
    public static string Append(string system, IReadOnlyList<ChatTool> tools)
    {
        StringBuilder text = new(system);
        text.Append("\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n")
            .Append("You are provided with function signatures within <tools></tools> XML tags:\n<tools>");
        foreach (ChatTool tool in tools)
        {
            JsonObject function = new() { ["name"] = tool.Function!.Name };
            if (tool.Function.Description is { } description)
                function["description"] = description;
            if (tool.Function.Parameters is { ValueKind: JsonValueKind.Object } parameters)
                function["parameters"] = JsonNode.Parse(parameters.GetRawText());
            text.Append('\n').Append(new JsonObject { ["type"] = "function", ["function"] = function }.ToJsonString(PlainStrings));
        }

        return text.Append("\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n")
            .Append("<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>").ToString();
    }

    public static string Call(string name, string arguments) => $"{CallBegin(name)}{arguments}}}{JsonGrammar.CallEnd}";

    public static string Result(string content) => $"<tool_response>\n{content}\n</tool_response>";

    private static string CallBegin(string name) => $"{JsonGrammar.CallStart}{{\"name\": {JsonValue.Create(name).ToJsonString()}, \"arguments\": ";
}

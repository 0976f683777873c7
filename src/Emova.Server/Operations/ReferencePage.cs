using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Emova.Server.Operations;

/// <summary>The OpenAPI document as a plain page: no script, nothing from elsewhere.</summary>
internal static class ReferencePage
{
    public const string Style = """
        :root { color-scheme: light dark; }
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
        code { font-family: ui-monospace, monospace; }
        section { border-top: 1px solid; margin-top: 2rem; }
        table { border-collapse: collapse; }
        th, td { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
        """;

    public static string Write(JsonObject document)
    {
        JsonNode schemas = document["components"]!["schemas"]!;
        string title = Text(document["info"]!["title"]);
        StringBuilder page = new();
        page.Append($"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>")
            .Append($"<link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body><main><h1>{title}</h1><p>{Text(document["info"]!["description"])}</p>")
            .Append("<p><a href=\"/openapi.json\">OpenAPI document</a></p>");
        foreach ((string path, JsonNode? methods) in document["paths"]!.AsObject())
        {
            foreach ((string method, JsonNode? operation) in methods!.AsObject())
            {
                page.Append($"<section><h2><code>{method.ToUpperInvariant()} {WebUtility.HtmlEncode(path)}</code></h2><p>{Text(operation!["summary"])}</p>");
                foreach ((string type, JsonNode? content) in operation["requestBody"]?["content"]?.AsObject() ?? [])
                    WriteFields(page, $"Body ({type})", content!["schema"]!, schemas);
                foreach ((string type, JsonNode? content) in operation["responses"]!["200"]!["content"]!.AsObject())
                {
                    if (content!["schema"] is { } schema)
                        WriteFields(page, $"Answer ({type})", schema, schemas);
                }

                page.Append("</section>");
            }
        }

        return page.Append("</main></body></html>").ToString();
    }

    private static void WriteFields(StringBuilder page, string heading, JsonNode schema, JsonNode schemas)
    {
        if ((string?)schema["$ref"] is { } reference)
            schema = schemas[reference[(reference.LastIndexOf('/') + 1)..]]!;
        page.Append($"<h3>{WebUtility.HtmlEncode(heading)}</h3><table><thead><tr><th>field</th><th>type</th></tr></thead><tbody>");
        foreach ((string name, JsonNode? field) in schema["properties"]?.AsObject() ?? [])
            page.Append($"<tr><td><code>{WebUtility.HtmlEncode(name)}</code></td><td>{Type(field)} {Text((field as JsonObject)?["description"])}</td></tr>");
        page.Append("</tbody></table>");
    }

    private static string Type(JsonNode? field) => (field as JsonObject)?["type"] switch
    {
        JsonArray several => WebUtility.HtmlEncode(string.Join(" or ", several.Select(one => (string?)one).Where(one => one != "null"))),
        JsonValue one => WebUtility.HtmlEncode((string)one!),
        _ => "any",
    };

    private static string Text(JsonNode? text) => WebUtility.HtmlEncode((string?)text ?? "");
}

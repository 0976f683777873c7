using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>The web page as the server hands it out, and the bundle in the repository against its sources.</summary>
public sealed partial class PageTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    private static string Bundle { get; } = Path.Combine(Repository.Root, "src/Emova.Server/wwwroot");

    [Fact]
    public async Task Index_NamesOnlyFilesTheServerHas()
    {
        string index = await server.Client.GetStringAsync("/");
        Assert.Equal(await server.Client.GetStringAsync("/index.html"), index);
        string[] named = [.. Reference().Matches(index).Select(match => match.Groups[1].Value)];
        Assert.Contains(named, name => name.EndsWith(".js", StringComparison.Ordinal));
        Assert.Contains(named, name => name.EndsWith(".css", StringComparison.Ordinal));
        foreach (string name in named)
        {
            Assert.StartsWith("./", name);
            using HttpResponseMessage response = await server.Client.GetAsync(name);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
    }

    [Fact]
    public void Page_HasNothingAContentSecurityPolicyForbids()
    {
        string index = File.ReadAllText(Path.Combine(Bundle, "index.html"));
        Assert.DoesNotMatch(@"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", index);
        foreach (string file in Directory.EnumerateFiles(Bundle).Where(file => !file.EndsWith(".svg", StringComparison.Ordinal)))
        {
            string text = File.ReadAllText(file).Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal);
            Assert.DoesNotMatch(@"https?://|\beval\(|new Function", text);
        }
    }

    [Theory]
    [InlineData("/", "text/html")]
    [InlineData("/app.js", "text/javascript")]
    [InlineData("/index.css", "text/css")]
    [InlineData("/player-worklet.js", "text/javascript")]
    [InlineData("/icon.svg", "image/svg+xml")]
    public async Task File_HasItsTypeAndIsSentOnce(string path, string type)
    {
        using HttpResponseMessage first = await server.Client.GetAsync(path);
        Assert.Equal(type, first.Content.Headers.ContentType?.MediaType);
        Assert.NotNull(first.Headers.ETag);

        using HttpRequestMessage again = new(HttpMethod.Get, path);
        again.Headers.IfNoneMatch.Add(first.Headers.ETag);
        using HttpResponseMessage second = await server.Client.SendAsync(again);
        Assert.Equal(HttpStatusCode.NotModified, second.StatusCode);

        using HttpRequestMessage other = new(HttpMethod.Get, path);
        other.Headers.IfNoneMatch.Add(new EntityTagHeaderValue("\"0000000000000000\""));
        using HttpResponseMessage third = await server.Client.SendAsync(other);
        Assert.Equal(HttpStatusCode.OK, third.StatusCode);
    }

    [Fact]
    public async Task Styles_AreTheVectorsOfTheVoices()
    {
        JsonNode[] styles = [.. JsonNode.Parse(await server.Client.GetStringAsync("/v1/emova/styles"))!["styles"]!.AsArray().Select(style => style!)];
        Assert.Equal(server.Engine.Info.Voices, styles.Select(style => (string)style["name"]!));
        Assert.All(styles, style => Assert.Equal(8, style["vector"]!.AsArray().Count));
        Assert.NotEqual(styles[0]["vector"]!.ToJsonString(), styles[1]["vector"]!.ToJsonString());
    }

    [Fact]
    public void Bundle_IsBuiltFromThePresentSources()
    {
        string webui = Path.Combine(Repository.Root, "webui");
        string[] sources =
        [
            .. Directory.EnumerateFiles(Path.Combine(webui, "src"), "*", SearchOption.AllDirectories),
            .. new[] { "index.html", "package.json", "package-lock.json", "vite.config.ts" }.Select(name => Path.Combine(webui, name)),
        ];
        string[] built = [.. Directory.EnumerateFiles(Bundle, "*", SearchOption.AllDirectories).Where(file => Path.GetFileName(file) != "bundle.sha256")];
        string expected = $"{Digest(webui, sources)}  sources\n{Digest(Bundle, built)}  bundle\n";
        Assert.True(
            expected == File.ReadAllText(Path.Combine(Bundle, "bundle.sha256")),
            "src/Emova.Server/wwwroot does not belong to webui/: run 'npm ci' and 'npm run build' in webui and commit what changed");
    }

    /// <summary>The same as in webui/vite.config.ts.</summary>
    private static string Digest(string root, IEnumerable<string> files)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string name in files.Select(file => Path.GetRelativePath(root, file).Replace('\\', '/')).Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(name + "\n"));
            hash.AppendData(File.ReadAllBytes(Path.Combine(root, name)));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    [GeneratedRegex("(?:src|href)=\"([^\"]+)\"")]
    private static partial Regex Reference();
}

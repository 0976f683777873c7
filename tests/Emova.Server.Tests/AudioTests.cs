using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Media;
using Emova.Server.Audio;
using Emova.Tests.Models;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>/v1/audio/speech, /v1/audio/transcriptions and /v1/audio/translations on a model of random weights.</summary>
public sealed class AudioTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    private const string SpeechPath = "/v1/audio/speech";

    [Theory]
    [InlineData("wav", "audio/wav")]
    [InlineData("flac", "audio/flac")]
    [InlineData("pcm", "audio/pcm")]
    public async Task Text_becomes_speech_in_each_format(string format, string contentType)
    {
        using HttpResponseMessage response = await server.Client.PostAsync(Speech($$"""{"response_format": "{{format}}"}"""), SpeechPath);
        byte[] bytes = await response.Content.ReadAsByteArrayAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, Encoding.UTF8.GetString(bytes));
        Assert.Equal(contentType, response.Content.Headers.ContentType!.ToString());
        if (format == "wav")
        {
            // The sizes of a stream are open, and readers take everything that follows.
            Assert.Equal(uint.MaxValue, BitConverter.ToUInt32(bytes, 4));
            AudioClip clip = WavFile.Read(new MemoryStream(bytes), "speech");
            Assert.Equal(24000, clip.SampleRate);
            Assert.Equal(await PcmAsync("{}"), Pcm16.ToBytes(clip.Samples));
        }
        else if (format == "flac")
        {
            Assert.StartsWith("fLaC", Encoding.ASCII.GetString(bytes), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Event_streams_carry_the_same_audio_and_the_usage()
    {
        List<string> events = await server.Client.EventsAsync(Speech("""{"stream_format": "sse"}"""), SpeechPath);
        List<JsonElement> parsed = [.. events.Select(data => JsonDocument.Parse(data).RootElement)];
        Assert.All(parsed.SkipLast(1), delta => Assert.Equal("speech.audio.delta", delta.GetProperty("type").GetString()));
        Assert.Equal(await PcmAsync("{}"), parsed.SkipLast(1).SelectMany(delta => delta.GetProperty("audio").GetBytesFromBase64()));
        Assert.Equal("speech.audio.done", parsed[^1].GetProperty("type").GetString());
        JsonElement usage = parsed[^1].GetProperty("usage");
        Assert.Equal(usage.GetProperty("total_tokens").GetInt32(), usage.GetProperty("input_tokens").GetInt32() + usage.GetProperty("output_tokens").GetInt32());
    }

    [Fact]
    public async Task Styles_change_the_sound()
    {
        byte[] plain = await PcmAsync("{}");
        Assert.Equal(plain, await PcmAsync("{}"));
        foreach (string change in (string[])["""{"voice": "male-sad-low"}""", """{"emotion": "angry"}""", """{"speed": 1.5}""", """{"instructions": "Speak in a cheerful tone."}""", """{"pitch_shift": 3}""", """{"emotion": "sad", "emotion_strength": 0.5}"""])
            Assert.NotEqual(plain, await PcmAsync(change));
        Assert.Equal(await PcmAsync("""{"emotion": "happy"}"""), await PcmAsync("""{"instructions": "Speak happily!"}"""));
    }

    [Theory]
    [InlineData("""{"response_format": "mp3"}""", "response_format")]
    [InlineData("""{"response_format": null}""", "response_format")]
    [InlineData("""{"voice": "robot"}""", "voice")]
    [InlineData("""{"voice": null}""", "voice")]
    [InlineData("""{"voice": 3}""", "voice")]
    [InlineData("""{"input": ""}""", "input")]
    [InlineData("""{"input": " ... "}""", "input")]
    [InlineData("""{"speed": 4}""", "speed")]
    [InlineData("""{"emotion": "hungry"}""", "emotion")]
    [InlineData("""{"pitch": "shrill"}""", "pitch")]
    [InlineData("""{"pitch_shift": 30}""", "pitch_shift")]
    [InlineData("""{"emotion_strength": 30}""", "emotion_strength")]
    [InlineData("""{"instructions": "like a pirate"}""", "instructions")]
    [InlineData("""{"stream_format": "flv"}""", "stream_format")]
    [InlineData("""{"model": null}""", "model")]
    public async Task Wrong_speech_requests_name_the_parameter(string change, string param) =>
        Assert.Equal(param, (await server.Client.RefusedAsync(Speech(change), path: SpeechPath)).GetProperty("param").GetString());

    [Fact]
    public async Task Input_has_a_limit()
    {
        JsonObject request = Speech("{}");
        request["input"] = new string('a', 4097);
        Assert.Equal("input", (await server.Client.RefusedAsync(request, path: SpeechPath)).GetProperty("param").GetString());
    }

    [Fact]
    public void Long_texts_are_cut_at_sentences_and_nothing_is_lost()
    {
        Assert.Equal(["One.", "Two?", "Mr.Three 3.5 is three!", "-- end"], SpokenSentences.Split("One. Two?\n ... Mr.Three 3.5 is three! -- end"));
        string text = string.Join(' ', Enumerable.Range(0, 200).Select(i => $"word{i}{(i % 17 == 0 ? "," : "")}"));
        IReadOnlyList<string> pieces = SpokenSentences.Split(text);
        Assert.All(pieces, piece => Assert.InRange(piece.Length, 1, SpokenSentences.MaxLength));
        Assert.Equal(text, string.Join(' ', pieces));
        Assert.Equal(1000, SpokenSentences.Split(new string('x', 1000)).Sum(piece => piece.Length));
    }

    [Fact]
    public void Recordings_are_cut_where_they_are_quietest_and_nothing_is_lost()
    {
        float[] samples = RandomModelFolder.Tone(8000, 50).Samples;
        samples.AsSpan(15 * 8000, 4000).Clear();
        samples.AsSpan(33 * 8000, 4000).Clear();
        IReadOnlyList<SpeechSegment> segments = SpeechSegments.Cut(new AudioClip(samples, 8000));
        Assert.Equal(samples, segments.SelectMany(segment => segment.Clip.Samples));
        Assert.All(segments, segment => Assert.InRange(segment.Clip.Duration.TotalSeconds, 0.01, SpeechSegments.MaxSeconds));
        Assert.InRange(segments[1].Start, 14.9, 15.6);
        Assert.InRange(segments[2].Start, 32.9, 33.6);
        Assert.All(segments, segment => Assert.True(segment.Start <= segment.SpeechStart && segment.SpeechStart < segment.SpeechEnd));
    }

    [Fact]
    public async Task A_recording_is_written_down_in_each_form()
    {
        JsonElement json = JsonDocument.Parse(await TranscribeAsync(("response_format", "json"))).RootElement;
        string text = json.GetProperty("text").GetString()!;
        Assert.Equal("tokens", json.GetProperty("usage").GetProperty("type").GetString());
        Assert.True(json.GetProperty("usage").GetProperty("input_token_details").GetProperty("audio_tokens").GetInt32() > 0);
        Assert.Equal(text + "\n", await TranscribeAsync(("response_format", "text")));
        Assert.Matches(@"^1\n00:00:00,\d\d\d --> 00:00:0[01],\d\d\d\n", await TranscribeAsync(("response_format", "srt")));
        Assert.Matches(@"^WEBVTT\n\n00:00:00\.\d\d\d --> 00:00:0[01]\.\d\d\d\n", await TranscribeAsync(("response_format", "vtt")));

        JsonElement verbose = JsonDocument.Parse(await TranscribeAsync(
            ("response_format", "verbose_json"), ("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment"), ("language", "en"))).RootElement;
        Assert.Equal(("transcribe", "english", text), (verbose.GetProperty("task").GetString(), verbose.GetProperty("language").GetString(), verbose.GetProperty("text").GetString()));
        Assert.Equal(1, verbose.GetProperty("duration").GetDouble(), 0.01);
        JsonElement segment = verbose.GetProperty("segments").EnumerateArray().Single();
        Assert.Equal(text, segment.GetProperty("text").GetString());
        List<JsonElement> words = [.. verbose.GetProperty("words").EnumerateArray()];
        Assert.Equal(text.Split(' ', StringSplitOptions.RemoveEmptyEntries), words.Select(word => word.GetProperty("word").GetString()));
        double time = segment.GetProperty("start").GetDouble();
        foreach (JsonElement word in words)
        {
            Assert.Equal(time, word.GetProperty("start").GetDouble(), 0.002);
            time = word.GetProperty("end").GetDouble();
        }

        Assert.Equal(segment.GetProperty("end").GetDouble(), time, 0.002);
    }

    [Fact]
    public async Task A_transcript_may_be_streamed_and_translated()
    {
        string text = JsonDocument.Parse(await TranscribeAsync()).RootElement.GetProperty("text").GetString()!;
        string stream = await TranscribeAsync(("stream", "true"));
        List<JsonElement> events = [.. stream.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(frame => JsonDocument.Parse(frame["data: ".Length..]).RootElement)];
        Assert.Equal(text, string.Concat(events.SkipLast(1).Select(delta => delta.GetProperty("delta").GetString())).Trim());
        Assert.Equal(("transcript.text.done", text), (events[^1].GetProperty("type").GetString(), events[^1].GetProperty("text").GetString()));
        using HttpResponseMessage translated = await PostAsync("/v1/audio/translations", Chat.Wav());
        Assert.Equal(HttpStatusCode.OK, translated.StatusCode);
    }

    [Theory]
    [InlineData("response_format", "diarized_json", "response_format")]
    [InlineData("prompt", "names: Bob", "prompt")]
    [InlineData("language", "fr", "language")]
    [InlineData("temperature", "7", "temperature")]
    [InlineData("include[]", "logprobs", "include")]
    [InlineData("chunking_strategy", "{\"type\": \"server_vad\"}", "chunking_strategy")]
    [InlineData("timestamp_granularities[]", "word", "timestamp_granularities")]
    [InlineData("stream", "maybe", "stream")]
    [InlineData("model", "again", "model")]
    public async Task Wrong_transcription_requests_name_the_parameter(string name, string value, string param)
    {
        using HttpResponseMessage response = await PostAsync("/v1/audio/transcriptions", Chat.Wav(), (name, value));
        Assert.Equal(param, (await Chat.ErrorAsync(response, HttpStatusCode.BadRequest)).GetProperty("param").GetString());
    }

    [Fact]
    public async Task Forms_and_files_that_are_none_are_refused()
    {
        using HttpResponseMessage noAudio = await PostAsync("/v1/audio/transcriptions", "ID3 this is an mp3"u8.ToArray());
        Assert.Equal("file", (await Chat.ErrorAsync(noAudio, HttpStatusCode.BadRequest)).GetProperty("param").GetString());
        using HttpResponseMessage noFile = await PostAsync("/v1/audio/transcriptions", null);
        Assert.Equal("file", (await Chat.ErrorAsync(noFile, HttpStatusCode.BadRequest)).GetProperty("param").GetString());
        await server.Client.RefusedAsync(Speech("{}"), HttpStatusCode.UnsupportedMediaType, "/v1/audio/transcriptions");
        using StringContent cut = new("--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabc");
        cut.Headers.ContentType = MediaTypeHeaderValue.Parse("multipart/form-data; boundary=b");
        using HttpResponseMessage damaged = await server.Client.PostAsync(new Uri("/v1/audio/transcriptions", UriKind.Relative), cut);
        Assert.Equal("invalid_form", (await Chat.ErrorAsync(damaged, HttpStatusCode.BadRequest)).GetProperty("code").GetString());
    }

    private static JsonObject Speech(string change)
    {
        JsonObject request = new() { ["model"] = "emova-test", ["input"] = "the cat", ["voice"] = "alloy", ["response_format"] = "pcm" };
        foreach ((string key, JsonNode? value) in JsonNode.Parse(change)!.AsObject())
            request[key] = value?.DeepClone();
        return request;
    }

    private async Task<byte[]> PcmAsync(string change)
    {
        using HttpResponseMessage response = await server.Client.PostAsync(Speech(change), SpeechPath);
        byte[] bytes = await response.Content.ReadAsByteArrayAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, Encoding.UTF8.GetString(bytes));
        Assert.NotEmpty(bytes);
        return bytes;
    }

    private async Task<string> TranscribeAsync(params (string Name, string Value)[] fields)
    {
        using HttpResponseMessage response = await PostAsync("/v1/audio/transcriptions", Chat.Wav(), fields);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return text;
    }

    private async Task<HttpResponseMessage> PostAsync(string path, byte[]? file, params (string Name, string Value)[] fields)
    {
        using MultipartFormDataContent form = [];
        form.Add(new StringContent("emova-test"), "model");
        foreach ((string name, string value) in fields)
            form.Add(new StringContent(value), name);
        if (file is not null)
            form.Add(new ByteArrayContent(file), "file", "speech.wav");
        return await server.Client.PostAsync(new Uri(path, UriKind.Relative), form);
    }
}

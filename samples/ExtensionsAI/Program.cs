// Microsoft.Extensions.AI over a model in this process: dotnet run -c Release --project samples/ExtensionsAI [MODEL FOLDER]
using Emova.Extensions.AI;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

using ServiceProvider services = new ServiceCollection().AddEmova(args.Length > 0 ? args[0] : "models/emova-tiny").BuildServiceProvider();

// A spoken question about a picture: text and voice come back.
byte[] recording = File.ReadAllBytes("samples/strawberry.wav");
ChatMessage question = new(ChatRole.User, [new DataContent(recording, "audio/wav"), new DataContent(File.ReadAllBytes("samples/strawberry.png"), "image/png")]);
ChatResponse answer = await services.GetRequiredService<IChatClient>().GetResponseAsync([question]);
Console.WriteLine($"heard:      {answer.AdditionalProperties?[EmovaProperties.Heard]}");
Console.WriteLine($"answer:     {answer.Text} ({answer.AdditionalProperties?[EmovaProperties.Voice]})");
if (answer.Messages[0].Contents.OfType<DataContent>().FirstOrDefault() is { } voice)
    await File.WriteAllBytesAsync("reply.wav", voice.Data.ToArray());

// The same recording as text, and a text aloud.
SpeechToTextResponse transcript = await services.GetRequiredService<ISpeechToTextClient>().GetTextAsync(new MemoryStream(recording));
Console.WriteLine($"transcript: {transcript.Text}");
TextToSpeechResponse speech = await services.GetRequiredService<ITextToSpeechClient>().GetAudioAsync("hello", new TextToSpeechOptions { VoiceId = "female-happy-high" });
Console.WriteLine($"speech:     {speech.Contents.OfType<DataContent>().Sum(part => part.Data.Length)} bytes of {speech.Contents.OfType<DataContent>().First().MediaType}");

// A live conversation: what is typed is answered aloud, piece by piece.
await using IRealtimeClientSession live = await services.GetRequiredService<IRealtimeClient>().CreateSessionAsync();
await live.SendAsync(new CreateConversationItemRealtimeClientMessage(new RealtimeConversationItem([new TextContent("hello")], null, ChatRole.User)));
await live.SendAsync(new CreateResponseRealtimeClientMessage());
int pieces = 0;
await foreach (RealtimeServerMessage message in live.GetStreamingResponseAsync())
{
    if (message is OutputTextAudioRealtimeServerMessage { Audio: not null })
        pieces++;
    else if (message is OutputTextAudioRealtimeServerMessage { Text: { } text } && message.Type == RealtimeServerMessageType.OutputAudioTranscriptionDone)
        Console.WriteLine($"live:       {text}");
    else if (message.Type == RealtimeServerMessageType.ResponseDone)
        break;
}

Console.WriteLine($"            spoken in {pieces} pieces");

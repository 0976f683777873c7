// npm openai: chat, streamed chat with audio, speech and transcription.
import { createReadStream } from 'node:fs';
import OpenAI from 'openai';
import { base, check, key, model, run } from './common.mjs';

await run('openai http', async () => {
  const client = new OpenAI({ apiKey: key, baseURL: `${base}/v1`, maxRetries: 0 });
  const messages = [{ role: 'user', content: 'hello' }];
  const chat = await client.chat.completions.create({ model, messages });
  check(chat.choices[0].finish_reason === 'stop', 'the chat did not end');

  let text = '';
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) text += chunk.choices[0]?.delta?.content ?? '';
  check(text === chat.choices[0].message.content, `the stream says '${text}', the whole answer '${chat.choices[0].message.content}'`);

  const stream = client.chat.completions.stream({ model, messages, modalities: ['text', 'audio'], audio: { voice: 'marin', format: 'pcm16' } });
  let bytes = 0;
  let finish = null;
  for await (const chunk of stream) {
    bytes += Buffer.from(chunk.choices[0]?.delta?.audio?.data ?? '', 'base64').length;
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  check(bytes > 0 && finish === 'stop', `${bytes} bytes of audio, ended by ${finish}`);

  const speech = Buffer.from(await (await client.audio.speech.create({ model, voice: 'marin', input: 'hello', response_format: 'wav' })).arrayBuffer());
  check(speech.subarray(0, 4).toString() === 'RIFF', 'the speech is no WAV file');
  const heard = await client.audio.transcriptions.create({ model, file: createReadStream(new URL('../../samples/sum.wav', import.meta.url)) });
  check(heard.text.length > 0, 'nothing was heard');
});

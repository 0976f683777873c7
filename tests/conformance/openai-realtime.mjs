// npm openai: a typed and a spoken turn over its Realtime client. The client always dials wss; the connection is made in plain TCP here,
// as a proxy that ends TLS would make it. Nothing else of the client is changed.
import net from 'node:net';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { base, check, key, model, question, run } from './common.mjs';

await run('openai realtime', async () => {
  const { hostname, port } = new URL(base);
  const client = new OpenAI({ apiKey: key, baseURL: `${base}/v1` });
  const realtime = new OpenAIRealtimeWS({ model, options: { createConnection: () => net.connect({ host: hostname, port: Number(port) }) } }, client);
  const events = [];
  let failed = null;
  realtime.on('error', (error) => (failed = error));
  realtime.on('event', (event) => events.push(event));
  const until = async (type, from) => {
    for (;;) {
      if (failed) throw failed;
      const found = events.slice(from).find((event) => event.type === type);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  await until('session.created', 0);
  realtime.send({ type: 'session.update', session: { type: 'realtime', audio: { input: { transcription: { model }, turn_detection: null } } } });
  await until('session.updated', 0);
  realtime.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hello' }] } });
  realtime.send({ type: 'response.create', response: { metadata: { turn: 'typed' } } });
  const typed = await until('response.done', 0);
  check(typed.response.status === 'completed', `the typed turn ended as ${typed.response.status}`);
  check(typed.response.metadata.turn === 'typed', 'the metadata was lost');
  check(events.some((event) => event.type === 'response.output_audio.delta'), 'no audio came');

  const mark = events.length;
  const audio = question();
  for (let at = 0; at < audio.length; at += 4800)
    realtime.send({ type: 'input_audio_buffer.append', audio: audio.subarray(at, at + 4800).toString('base64') });
  realtime.send({ type: 'input_audio_buffer.commit' });
  realtime.send({ type: 'response.create' });
  const spoken = await until('response.done', mark);
  check(spoken.response.status === 'completed', `the spoken turn ended as ${spoken.response.status}`);
  await until('conversation.item.input_audio_transcription.completed', mark);
  const item = spoken.response.output[0].id;
  realtime.send({ type: 'conversation.item.truncate', item_id: item, content_index: 0, audio_end_ms: 100 });
  await until('conversation.item.truncated', mark);
  realtime.close();
});

// npm @openai/agents-realtime: an agent session with its default settings (semantic turn end, transcription) over a WebSocket.
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession } from '@openai/agents-realtime';
import { base, check, key, model, question, run } from './common.mjs';

await run('agents realtime', async () => {
  const url = `${base.replace('http', 'ws')}/v1/realtime?model=${encodeURIComponent(model)}`;
  const agent = new RealtimeAgent({ name: 'Emova', instructions: 'Be brief.' });
  const session = new RealtimeSession(agent, { transport: new OpenAIRealtimeWebSocket({ url, model }), model, tracingDisabled: true });
  const seen = [];
  let audioBytes = 0;
  let failed = null;
  session.on('error', (error) => (failed = error));
  session.on('audio', (event) => (audioBytes += event.data.byteLength));
  session.transport.on('*', (event) => seen.push(event.type));
  const until = async (type, count) => {
    while (seen.filter((name) => name === type).length < count) {
      if (failed) throw new Error(JSON.stringify(failed));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  await session.connect({ apiKey: key });
  await until('session.updated', 1);
  session.sendMessage('hello');
  await until('response.done', 1);
  check(audioBytes > 0, 'no audio came for the typed turn');

  const typedBytes = audioBytes;
  const audio = Buffer.concat([question(), Buffer.alloc(48_000 * 5)]);
  for (let at = 0; at < audio.length; at += 4800) {
    session.sendAudio(new Uint8Array(audio.subarray(at, at + 4800)).buffer);
    if (seen.includes('input_audio_buffer.speech_stopped')) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await until('response.done', 2);
  check(audioBytes > typedBytes, 'no audio came for the spoken turn');
  check(session.history.some((item) => item.type === 'message' && item.role === 'assistant'), 'the answer is not in the history');
  session.interrupt();
  session.close();
});

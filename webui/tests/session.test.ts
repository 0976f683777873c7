import { beforeEach, describe, expect, it } from 'vitest';
import { toBase64, toPcm16, wireRate } from '../src/audio/pcm';
import { MicrophoneMemory } from '../src/audio/track';
import { stagesOf } from '../src/glass/latency';
import { wordsOf } from '../src/realtime/conversation';
import { defaultStyle, type ServerEvent } from '../src/realtime/protocol';
import { Session, type Speaker } from '../src/realtime/session';
import { RealtimeSocket, type ConnectionState, type SocketHost } from '../src/realtime/socket';

/** A WebSocket whose other end is the test. */
class FakeSocket {
  readyState = 1;
  bufferedAmount = 0;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: { type: string; [key: string]: unknown }[] = [];

  send(text: string): void {
    this.sent.push(JSON.parse(text) as { type: string });
  }

  close(): void {
    this.readyState = 3;
    this.onclose?.();
  }
}

class FakeHost implements SocketHost {
  readonly sockets: FakeSocket[] = [];
  readonly protocols: string[][] = [];
  readonly waits: { milliseconds: number; then: () => void }[] = [];
  answer: 'ok' | 'key-needed' | 'unreachable' = 'ok';

  open(_url: string, protocols: string[]): WebSocket {
    this.protocols.push(protocols);
    this.sockets.push(new FakeSocket());
    return this.sockets.at(-1) as unknown as WebSocket;
  }

  probe(): Promise<'ok' | 'key-needed' | 'unreachable'> {
    return Promise.resolve(this.answer);
  }

  wait(milliseconds: number, then: () => void): () => void {
    this.waits.push({ milliseconds, then });
    return () => {};
  }
}

class FakeSpeaker implements Speaker {
  playing: { id: string; seconds: number } | null = null;
  pushed = 0;

  push(id: string, samples: Float32Array): void {
    this.playing ??= { id, seconds: 0 };
    this.pushed += samples.length;
  }

  stop(): { id: string; seconds: number } | null {
    const heard = this.playing;
    this.playing = null;
    return heard;
  }
}

const settled = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await Promise.resolve();
};

const sound = (seconds: number): string => toBase64(toPcm16(new Float32Array(seconds * wireRate).fill(0.1)));

describe('connection', () => {
  it('comes back after pauses that grow, and begins anew after a success', async () => {
    const host = new FakeHost();
    const states: ConnectionState[] = [];
    const socket = new RealtimeSocket('ws://host/v1/realtime', host);
    socket.onState = (state) => states.push(state);
    socket.connect();
    await settled();
    host.sockets[0]!.close();
    host.answer = 'unreachable';
    for (let i = 0; i < 6; i++) {
      host.waits.at(-1)!.then();
      await settled();
    }
    expect(host.waits.map((wait) => wait.milliseconds)).toEqual([500, 1000, 2000, 4000, 8000, 15000, 15000]);
    host.answer = 'ok';
    host.waits.at(-1)!.then();
    await settled();
    host.sockets[1]!.onmessage!({ data: JSON.stringify({ type: 'session.created', session: { id: 's', model: 'm' } }) });
    expect(states.at(-1)).toBe('open');
    host.sockets[1]!.close();
    expect(host.waits.at(-1)!.milliseconds).toBe(500);
  });

  it('asks for a key, and shows it as a subprotocol', async () => {
    const host = new FakeHost();
    host.answer = 'key-needed';
    const states: ConnectionState[] = [];
    const socket = new RealtimeSocket('ws://host/v1/realtime', host);
    socket.onState = (state) => states.push(state);
    socket.connect();
    await settled();
    expect(states).toEqual(['connecting', 'key-needed']);
    expect(host.sockets).toHaveLength(0);
    host.answer = 'ok';
    socket.connect('secret');
    await settled();
    expect(host.protocols).toEqual([['realtime', 'openai-insecure-api-key.secret']]);
  });
});

describe('session', () => {
  let socket: FakeSocket;
  let session: Session;
  let speaker: FakeSpeaker;
  let clock: number;
  const receive = (event: object): void => session.receive(event as ServerEvent);
  const types = (): string[] => socket.sent.map((event) => event.type);

  beforeEach(async () => {
    const host = new FakeHost();
    const connection = new RealtimeSocket('ws://host', host);
    clock = 0;
    session = new Session(connection, new MicrophoneMemory(), () => clock);
    session.speaker = speaker = new FakeSpeaker();
    connection.connect();
    await settled();
    socket = host.sockets[0]!;
    receive({ type: 'session.created', session: { id: 's', model: 'm' } });
    socket.sent.length = 0;
  });

  const answer = (id: string, seconds: number): void => {
    receive({ type: 'response.created', response: { id: 'r', status: 'in_progress', status_details: null } });
    receive({ type: 'conversation.item.added', previous_item_id: null, item: { id, type: 'message', role: 'assistant', content: [] } });
    receive({ type: 'response.output_audio_transcript.delta', response_id: 'r', item_id: id, delta: 'one two', start_time: 0 });
    receive({ type: 'response.output_audio.delta', response_id: 'r', item_id: id, delta: sound(seconds) });
  };

  it('sends what is said while the key is down, then asks', () => {
    session.hear(new Float32Array(960));
    expect(types()).toEqual([]);
    session.talk();
    for (let i = 0; i < 5; i++) session.hear(new Float32Array(960));
    expect(session.talkDone()).toBe(true);
    expect(types()).toEqual(['input_audio_buffer.clear', ...Array<string>(5).fill('input_audio_buffer.append'), 'input_audio_buffer.commit', 'response.create']);
    receive({ type: 'input_audio_buffer.committed', item_id: 'u', previous_item_id: null });
    expect(session.conversation.find('u')!.audio!.length).toBe(4800);
  });

  it('drops a press that is shorter than the shortest turn', () => {
    session.talk();
    session.hear(new Float32Array(960));
    expect(session.talkDone()).toBe(false);
    expect(types().at(-1)).toBe('input_audio_buffer.clear');
  });

  it('stops at once when the server hears the user, and tells what was heard', () => {
    answer('a', 2);
    receive({ type: 'response.done', response: { id: 'r', status: 'completed', status_details: null } });
    speaker.playing = { id: 'a', seconds: 0.6404 };
    socket.sent.length = 0;
    receive({ type: 'input_audio_buffer.speech_started', audio_start_ms: 100, item_id: 'u' });
    expect(speaker.playing).toBeNull();
    expect(socket.sent).toEqual([{ type: 'conversation.item.truncate', item_id: 'a', content_index: 0, audio_end_ms: 640 }]);
    const before = speaker.pushed;
    receive({ type: 'response.output_audio.delta', response_id: 'r', item_id: 'a', delta: sound(0.5) });
    expect(speaker.pushed).toBe(before);
    receive({ type: 'conversation.item.truncated', item_id: 'a', content_index: 0, audio_end_ms: 640 });
    expect(session.conversation.find('a')!.audio!.seconds).toBeCloseTo(0.64);
    expect(session.conversation.find('a')!.state).toBe('cut');
  });

  it('cancels an answer that is still being made before cutting it', () => {
    answer('a', 2);
    speaker.playing = { id: 'a', seconds: 0.5 };
    socket.sent.length = 0;
    session.talk();
    expect(types()).toEqual(['response.cancel', 'conversation.item.truncate', 'input_audio_buffer.clear']);
  });

  it('does not cut an answer when a passage that is heard again stops', () => {
    speaker.playing = { id: 'passage of a', seconds: 0.5 };
    session.interrupt();
    expect(socket.sent).toEqual([]);
  });

  it('sends a picture and a question as one message', () => {
    session.say('what is this', 'data:image/png;base64,AA==');
    const item = socket.sent[0]!['item'] as { id: string; content: object[] };
    expect(item.content).toEqual([{ type: 'input_image', image_url: 'data:image/png;base64,AA==' }, { type: 'input_text', text: 'what is this' }]);
    expect(types()).toEqual(['conversation.item.create', 'response.create']);
    receive({ type: 'conversation.item.added', previous_item_id: null, item: { id: item.id, type: 'message', role: 'user', content: [{ type: 'input_image' }, { type: 'input_text', text: 'what is this' }] } });
    expect(session.conversation.turns).toHaveLength(1);
    expect(session.conversation.turns[0]!.picture).toBe('data:image/png;base64,AA==');
  });

  it('takes the recording of a hands-free turn from the moments the server names', () => {
    session.setHandsFree(true);
    for (let i = 0; i < 100; i++) session.hear(new Float32Array(960).fill(i));
    receive({ type: 'input_audio_buffer.speech_started', audio_start_ms: 1000, item_id: 'u' });
    receive({ type: 'input_audio_buffer.speech_stopped', audio_end_ms: 3000, item_id: 'u' });
    const audio = session.conversation.find('u')!.audio!;
    expect(audio.seconds).toBe(2);
    expect(audio.slice()[0]).toBe(25);
  });

  it('follows the transcript, moods and units of a turn', () => {
    session.talk();
    for (let i = 0; i < 50; i++) session.hear(new Float32Array(960));
    session.talkDone();
    receive({ type: 'input_audio_buffer.committed', item_id: 'u', previous_item_id: null });
    receive({ type: 'conversation.item.input_audio_transcription.delta', item_id: 'u', delta: 'hel' });
    receive({ type: 'conversation.item.input_audio_transcription.completed', item_id: 'u', transcript: 'hello' });
    receive({ type: 'emova.heard', item_id: 'u', units: [{ unit: 4, run: 3 }, { unit: 5, run: 1 }], emotion: 'sad', pitch: 'low' });
    answer('a', 1);
    receive({ type: 'emova.style', response_id: 'r', item_id: 'a', emotion: 'happy', pitch: 'high', style: 'female-happy-high' });
    receive({ type: 'emova.units', response_id: 'r', item_id: 'a', units: [{ unit: 1, end: 0.2 }, { unit: 2, end: 0.5 }] });
    receive({ type: 'emova.units', response_id: 'r', item_id: 'a', units: [{ unit: 3, end: 0.9 }] });
    const [u, a] = [session.conversation.find('u')!, session.conversation.find('a')!];
    expect([u.text, u.emotion]).toEqual(['hello', 'sad']);
    expect(u.units).toEqual([{ unit: 4, run: 3, start: 0, end: 1.5 }, { unit: 5, run: 1, start: 1.5, end: 2 }]);
    expect([a.emotion, a.style, a.units.map((unit) => [unit.start, unit.end])]).toEqual(['happy', 'female-happy-high', [[0, 0.2], [0.2, 0.5], [0.5, 0.9]]]);
  });

  it('stretches the words to the sound once all of it is there', () => {
    answer('a', 2);
    receive({ type: 'response.output_audio_transcript.delta', response_id: 'r', item_id: 'a', delta: ' six', start_time: 0.5 });
    const turn = session.conversation.find('a')!;
    const early = wordsOf(turn);
    expect(early.map((word) => word.text)).toEqual(['one', 'two', 'six']);
    expect(early[2]!.start).toBeGreaterThan(early[1]!.start);
    receive({ type: 'conversation.item.done', previous_item_id: null, item: { id: 'a', type: 'message', role: 'assistant', status: 'completed' } });
    const late = wordsOf(turn);
    expect(late[2]!.start / early[2]!.start).toBeCloseTo(late[1]!.start / early[1]!.start);
    expect(late[2]!.start).toBeGreaterThan(early[2]!.start);
    expect(late[2]!.start).toBeLessThan(2);
  });

  it('measures from the end of the question to the first sound, and tells where the time went', () => {
    session.say('hello', null);
    clock = 420;
    answer('a', 1);
    receive({ type: 'emova.timings', response_id: 'r', item_id: 'a', timings: { speech_encoding: 0.05, image_encoding: 0, prefill: 0.1, first_text: 0.2, first_audio: 0.3, total: 1, audio: 1 } });
    const stages = stagesOf(session.conversation.find('a')!);
    expect(stages.map((stage) => stage.name)).toEqual(['hear', 'read', 'think', 'write and voice', 'queue and network']);
    expect(stages.reduce((sum, stage) => sum + stage.milliseconds, 0)).toBeCloseTo(420);
  });

  it('keeps the chosen style for a new session', () => {
    session.setStyle({ ...defaultStyle, emotion: 'happy', semitones: 2 });
    socket.sent.length = 0;
    receive({ type: 'session.created', session: { id: 's2', model: 'm' } });
    expect(JSON.stringify(socket.sent[1])).toContain('"emotion":"happy"');
    expect(JSON.stringify(socket.sent[1])).toContain('"pitch_shift":2');
  });

  it('shows errors, but not races', () => {
    const shown: string[] = [];
    session.onProblem = (error) => shown.push(error.message);
    receive({ type: 'error', error: { type: 'invalid_request_error', code: 'response_cancel_not_active', message: 'race', param: null } });
    receive({ type: 'error', error: { type: 'server_error', code: 'overloaded', message: 'busy', param: null } });
    receive({ type: 'response.done', response: { id: 'r', status: 'failed', status_details: { type: 'failed', error: { type: 'server_error', code: 'x', message: 'broken' } } } });
    expect(shown).toEqual(['busy', 'broken']);
  });
});

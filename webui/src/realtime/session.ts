import type { MicrophoneMemory } from '../audio/track';
import { Track } from '../audio/track';
import { fromBase64, fromPcm16, toBase64, toPcm16, wireRate } from '../audio/pcm';
import { Conversation, heardMilliseconds } from './conversation';
import { defaultStyle, sessionUpdate, styleUpdate, turnUpdate, type ErrorBody, type ServerEvent, type Style } from './protocol';
import type { RealtimeSocket } from './socket';

/** The loudspeaker as the session needs it. */
export interface Speaker {
  readonly playing: { id: string; seconds: number } | null;
  push(id: string, samples: Float32Array): void;
  stop(): { id: string; seconds: number } | null;
}

/** Races that clients run into by acting at the same time as the server; nothing is wrong. */
const harmless = new Set(['response_cancel_not_active', 'input_audio_buffer_commit_empty', 'item_truncate_invalid_item_id']);

/** What a person does, as protocol; and what the server says, as sound and conversation. */
export class Session {
  readonly conversation = new Conversation();
  handsFree = false;
  style: Style = defaultStyle;
  /** Called when a response begins or ends. */
  onBusy: (busy: boolean) => void = () => {};
  onProblem: (error: ErrorBody) => void = () => {};
  speaker: Speaker | null = null;
  busy = false;

  private talking = false;
  private talkedFrom = 0;
  private heardFrom = 0;
  private questionEnd: number | null = null;
  private silenced: string | null = null; // an answer that was interrupted: what still arrives of it is not played

  constructor(private readonly socket: RealtimeSocket, private readonly memory: MicrophoneMemory, private readonly now: () => number = () => performance.now()) {}

  /** A sound from the microphone: sent while someone may be talking. */
  hear(samples: Float32Array): void {
    if (!this.handsFree && !this.talking) return;
    if (!this.socket.send({ type: 'input_audio_buffer.append', audio: toBase64(toPcm16(samples)) })) return;
    this.memory.append(samples);
  }

  setHandsFree(on: boolean): void {
    this.handsFree = on;
    this.socket.send({ type: 'input_audio_buffer.clear' });
    this.socket.send(turnUpdate(on));
  }

  setStyle(style: Style): void {
    this.style = style;
    this.socket.send(styleUpdate(style));
  }

  /** The key goes down: whatever is being said is cut off. */
  talk(): void {
    this.interrupt();
    this.socket.send({ type: 'input_audio_buffer.clear' });
    this.talking = true;
    this.talkedFrom = this.memory.position;
  }

  /** The key goes up: the question is complete. Returns whether it was long enough to be one. */
  talkDone(): boolean {
    if (!this.talking) return false;
    this.talking = false;
    // The protocol's shortest turn is 100 ms.
    if (this.memory.position - this.talkedFrom < wireRate / 10) {
      this.socket.send({ type: 'input_audio_buffer.clear' });
      return false;
    }
    this.socket.send({ type: 'input_audio_buffer.commit' });
    this.ask();
    return true;
  }

  /** A typed question, a picture, or both; a picture alone waits for a question. */
  say(text: string, picture: string | null): void {
    const content: object[] = [];
    if (picture) content.push({ type: 'input_image', image_url: picture });
    if (text) content.push({ type: 'input_text', text });
    if (content.length === 0) return;
    const id = `item_page${crypto.randomUUID().replaceAll('-', '').slice(0, 20)}`;
    if (text) this.interrupt();
    if (!this.socket.send({ type: 'conversation.item.create', item: { id, type: 'message', role: 'user', content } })) return;
    const turn = this.conversation.open(id, 'user');
    Object.assign(turn, { text, picture, state: 'done' });
    this.conversation.onChange(turn);
    if (text) this.ask();
  }

  /** Stops the answer at once, and tells the server how much of it was heard. */
  interrupt(): void {
    const heard = this.speaker?.stop();
    if (this.busy) this.socket.send({ type: 'response.cancel' });
    if (!heard) return;
    this.silenced = heard.id;
    const turn = this.conversation.find(heard.id);
    if (turn?.audio) this.socket.send({ type: 'conversation.item.truncate', item_id: heard.id, content_index: 0, audio_end_ms: heardMilliseconds(heard.seconds) });
  }

  receive(event: ServerEvent): void {
    switch (event.type) {
      case 'session.created':
        this.begin(event.session.model);
        return;
      case 'input_audio_buffer.speech_started':
        // The server has cancelled its own response; the sound that is still waiting here has to go as well.
        this.busy = false;
        this.interrupt();
        this.heardFrom = this.toSamples(event.audio_start_ms);
        break;
      case 'input_audio_buffer.speech_stopped': {
        this.questionEnd = this.now();
        this.record(event.item_id, this.heardFrom, this.toSamples(event.audio_end_ms));
        break;
      }
      case 'input_audio_buffer.committed':
        if (!this.handsFree) this.record(event.item_id, this.talkedFrom, this.memory.position);
        break;
      case 'response.created':
        this.setBusy(true);
        break;
      case 'response.done':
        this.setBusy(false);
        if (event.response.status === 'failed') {
          const error = event.response.status_details?.error;
          this.onProblem({ type: error?.type ?? 'server_error', code: error?.code ?? null, message: error?.message ?? 'The answer failed.', param: null });
        }
        break;
      case 'response.output_audio.delta':
        this.play(event.item_id, fromPcm16(fromBase64(event.delta)));
        break;
      case 'error':
        if (!harmless.has(event.error.code ?? '')) this.onProblem(event.error);
        return;
    }
    this.conversation.apply(event);
  }

  private begin(model: string): void {
    this.memory.restart();
    this.talking = false;
    this.setBusy(false);
    this.socket.send(sessionUpdate(this.handsFree, model));
    if (this.style !== defaultStyle) this.socket.send(styleUpdate(this.style));
  }

  private ask(): void {
    this.questionEnd = this.now();
    this.socket.send({ type: 'response.create' });
  }

  private play(id: string, samples: Float32Array): void {
    if (id === this.silenced) return;
    if (this.questionEnd !== null) {
      this.conversation.open(id, 'assistant').firstSound = this.now() - this.questionEnd;
      this.questionEnd = null;
    }
    this.speaker?.push(id, samples);
  }

  private record(id: string, from: number, to: number): void {
    const track = new Track();
    track.append(this.memory.between(from, to));
    this.conversation.open(id, 'user').audio = track;
  }

  private setBusy(busy: boolean): void {
    this.busy = busy;
    this.onBusy(busy);
  }

  private toSamples(milliseconds: number): number {
    return Math.round((milliseconds * wireRate) / 1000);
  }
}

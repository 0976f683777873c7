import { fromBase64, fromPcm16, wireRate } from '../audio/pcm';
import { Track } from '../audio/track';
import type { ServerEvent, Timings } from './protocol';

export interface Word {
  text: string;
  /** Seconds into the audio. */
  start: number;
}

export interface Unit {
  unit: number;
  start: number;
  end: number;
  /** How often it was heard in a row; null for the answer, whose voice gives each unit its own length. */
  run: number | null;
}

export interface Turn {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  text: string;
  /** What was typed and what was said are shown alike, but only speech has sound. */
  audio: Track | null;
  picture: string | null;
  emotion: string | null;
  pitch: string | null;
  style: string | null;
  units: Unit[];
  timings: Timings | null;
  state: 'listening' | 'open' | 'done' | 'cut' | 'failed';
  /** Milliseconds from the end of the question to the first sound of the answer, measured here. */
  firstSound: number | null;
  /** Where the text of each piece that arrived begins, and when it is spoken. */
  anchors: { at: number; start: number }[];
}

/** The conversation as it is shown; follows the server's events and knows nothing of the page. */
export class Conversation {
  readonly turns: Turn[] = [];
  onChange: (turn: Turn) => void = () => {};

  find(id: string): Turn | undefined {
    return this.turns.find((turn) => turn.id === id);
  }

  /** Removes everything: a new session knows nothing of the old one. */
  clear(): void {
    this.turns.length = 0;
  }

  /** The turn of that name, made when there is none. */
  open(id: string, role: Turn['role']): Turn {
    const known = this.find(id);
    if (known) return known;
    const turn: Turn = {
      id, role, text: '', audio: null, picture: null, emotion: null, pitch: null, style: null, units: [], timings: null,
      state: 'open', firstSound: null, anchors: [],
    };
    this.turns.push(turn);
    return turn;
  }

  apply(event: ServerEvent): void {
    const turn = this.change(event);
    if (turn) this.onChange(turn);
  }

  private change(event: ServerEvent): Turn | null {
    switch (event.type) {
      case 'input_audio_buffer.speech_started':
        return Object.assign(this.open(event.item_id, 'user'), { state: 'listening' });
      case 'input_audio_buffer.committed':
        return Object.assign(this.open(event.item_id, 'user'), { state: 'open' });
      case 'conversation.item.added':
      case 'conversation.item.done': {
        const { item } = event;
        if (item.type !== 'message' || (item.role !== 'user' && item.role !== 'assistant')) return null;
        const turn = this.open(item.id, item.role);
        const typed = item.content?.map((part) => part.text ?? '').join('') ?? '';
        if (typed && !turn.text) turn.text = typed;
        if (event.type === 'conversation.item.done' && item.role === 'assistant') turn.state = item.status === 'incomplete' ? 'cut' : 'done';
        return turn;
      }
      case 'conversation.item.input_audio_transcription.delta': {
        const turn = this.open(event.item_id, 'user');
        turn.text += event.delta;
        return turn;
      }
      case 'conversation.item.input_audio_transcription.completed':
        return Object.assign(this.open(event.item_id, 'user'), { text: event.transcript, state: 'done' });
      case 'conversation.item.input_audio_transcription.failed':
        return Object.assign(this.open(event.item_id, 'user'), { state: 'failed' });
      case 'response.output_audio_transcript.delta': {
        const turn = this.open(event.item_id, 'assistant');
        if (event.start_time !== undefined) turn.anchors.push({ at: turn.text.length, start: event.start_time });
        turn.text += event.delta;
        return turn;
      }
      case 'response.output_text.delta': {
        const turn = this.open(event.item_id, 'assistant');
        turn.text += event.delta;
        return turn;
      }
      case 'response.output_audio_transcript.done':
        return Object.assign(this.open(event.item_id, 'assistant'), { text: event.transcript });
      case 'response.output_audio.delta': {
        const turn = this.open(event.item_id, 'assistant');
        (turn.audio ??= new Track()).append(fromPcm16(fromBase64(event.delta)));
        return turn;
      }
      case 'conversation.item.truncated':
        return this.truncate(event.item_id, event.audio_end_ms / 1000);
      case 'emova.heard': {
        const turn = this.open(event.item_id, 'user');
        // The model hears evenly: each occurrence of a unit stands for the same stretch of sound.
        const length = (turn.audio?.seconds ?? 0) / Math.max(1, event.units.reduce((sum, { run }) => sum + run, 0));
        let end = 0;
        turn.units = event.units.map(({ unit, run }) => ({ unit, run, start: end * length, end: (end += run) * length }));
        return Object.assign(turn, { emotion: event.emotion, pitch: event.pitch });
      }
      case 'emova.style':
        return Object.assign(this.open(event.item_id, 'assistant'), { emotion: event.emotion, pitch: event.pitch, style: event.style });
      case 'emova.units': {
        const turn = this.open(event.item_id, 'assistant');
        for (const { unit, end } of event.units) turn.units.push({ unit, run: null, start: turn.units.at(-1)?.end ?? 0, end });
        return turn;
      }
      case 'emova.timings':
        return Object.assign(this.open(event.item_id, 'assistant'), { timings: event.timings });
      default:
        return null;
    }
  }

  /** Keeps what was heard: the server has forgotten the rest as well. */
  private truncate(id: string, seconds: number): Turn | null {
    const turn = this.find(id);
    if (!turn) return null;
    const words = wordsOf(turn);
    const kept = words.filter((word) => word.start < seconds).map((word) => word.text);
    turn.text = kept.length < words.length ? kept.join(' ') : turn.text;
    turn.units = turn.units.filter((unit) => unit.end <= seconds);
    if (turn.audio) {
      const heard = new Track();
      heard.append(turn.audio.slice(0, seconds));
      turn.audio = heard;
    }
    turn.state = 'cut';
    return turn;
  }
}

/**
 * The words and when each is spoken. The server's times are those of the moment a word was written, before its sound existed;
 * once the whole sound is there, they are stretched to its length.
 */
export function wordsOf(turn: Turn): Word[] {
  const words: Word[] = [];
  for (const match of turn.text.matchAll(/\S+/g)) words.push({ text: match[0], start: timeAt(turn, match.index) });
  const seconds = turn.audio?.seconds ?? 0;
  const estimated = timeAt(turn, turn.text.length);
  if (turn.state !== 'done' || seconds === 0 || estimated === 0) return words;
  return words.map(({ text, start }) => ({ text, start: (start * seconds) / estimated }));
}

/** Seconds at which a letter is spoken: between two anchors in proportion, after the last at the pace so far. */
function timeAt(turn: Turn, at: number): number {
  const { anchors } = turn;
  const next = anchors.findIndex((anchor) => anchor.at > at);
  const before = anchors[next < 0 ? anchors.length - 1 : next - 1] ?? { at: 0, start: 0 };
  const after = next < 0 ? undefined : anchors[next];
  if (after) return before.start + ((after.start - before.start) * (at - before.at)) / (after.at - before.at);
  const pace = before.at > 0 ? before.start / before.at : 1 / 14;
  return before.start + (at - before.at) * pace;
}

/** Samples to milliseconds of the protocol, never more than was played. */
export function heardMilliseconds(seconds: number): number {
  return Math.floor(Math.round(seconds * wireRate) / (wireRate / 1000));
}

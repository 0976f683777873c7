/** The events of the Realtime protocol this page speaks, and the server's additions (`emova.*`), which come only when asked for. */

export interface ContentPart {
  type: string;
  text?: string;
  transcript?: string | null;
  image_url?: string;
}

export interface Item {
  id: string;
  type: string;
  role?: 'user' | 'assistant' | 'system';
  status?: string;
  content?: ContentPart[];
}

export interface ErrorBody {
  type: string;
  code: string | null;
  message: string;
  param: string | null;
}

export interface ResponseBody {
  id: string;
  status: 'in_progress' | 'completed' | 'cancelled' | 'failed' | 'incomplete';
  status_details: { type: string; reason?: string; error?: { type: string; code: string; message?: string } } | null;
}

/** A unit of the answer and the second of the audio at which it ends; repetitions are merged. */
export interface TimedUnit {
  unit: number;
  end: number;
}

/** Seconds; null for what the turn did not need. */
export interface Timings {
  speech_encoding: number;
  image_encoding: number;
  prefill: number;
  first_text: number | null;
  first_audio: number | null;
  total: number;
  audio: number;
}

export type ServerEvent =
  | { type: 'session.created' | 'session.updated'; session: { id: string; model: string } }
  | { type: 'conversation.item.added' | 'conversation.item.done'; item: Item; previous_item_id: string | null }
  | { type: 'conversation.item.deleted'; item_id: string }
  | { type: 'conversation.item.truncated'; item_id: string; audio_end_ms: number }
  | { type: 'conversation.item.input_audio_transcription.delta'; item_id: string; delta: string }
  | { type: 'conversation.item.input_audio_transcription.completed'; item_id: string; transcript: string }
  | { type: 'conversation.item.input_audio_transcription.failed'; item_id: string; error: ErrorBody }
  | { type: 'input_audio_buffer.speech_started'; audio_start_ms: number; item_id: string }
  | { type: 'input_audio_buffer.speech_stopped'; audio_end_ms: number; item_id: string }
  | { type: 'input_audio_buffer.committed'; item_id: string; previous_item_id: string | null }
  | { type: 'response.created' | 'response.done'; response: ResponseBody }
  | { type: 'response.output_audio.delta'; response_id: string; item_id: string; delta: string }
  | { type: 'response.output_audio.done'; response_id: string; item_id: string }
  | { type: 'response.output_audio_transcript.delta'; response_id: string; item_id: string; delta: string; start_time?: number }
  | { type: 'response.output_audio_transcript.done'; response_id: string; item_id: string; transcript: string }
  | { type: 'response.output_text.delta'; response_id: string; item_id: string; delta: string }
  | { type: 'response.output_text.done'; response_id: string; item_id: string; text: string }
  | { type: 'emova.heard'; item_id: string; units: { unit: number; run: number }[]; emotion: string; pitch: string }
  | { type: 'emova.style'; item_id: string; emotion: string; pitch: string; style: string }
  | { type: 'emova.units'; item_id: string; units: TimedUnit[] }
  | { type: 'emova.timings'; item_id: string; timings: Timings }
  | { type: 'error'; error: ErrorBody };

export type ServerEventOf<T extends ServerEvent['type']> = Extract<ServerEvent, { type: T }>;

/** How answers sound; null leaves the choice to the model. */
export interface Style {
  gender: string;
  emotion: string | null;
  pitch: string | null;
  speed: number;
  strength: number;
  semitones: number;
}

export const defaultStyle: Style = { gender: 'female', emotion: null, pitch: null, speed: 1, strength: 1, semitones: 0 };

/** A partial session: only what is in it changes. */
export function styleUpdate(style: Style): object {
  return {
    type: 'session.update',
    session: {
      type: 'realtime',
      audio: {
        output: {
          speed: style.speed,
          gender: style.gender,
          emotion: style.emotion,
          pitch: style.pitch,
          emotion_strength: style.strength,
          pitch_shift: style.semitones,
        },
      },
    },
  };
}

/** Everything a session begins with. */
export function sessionUpdate(handsFree: boolean, model: string): object {
  return {
    type: 'session.update',
    session: {
      type: 'realtime',
      emova: { trace: true },
      audio: { input: { transcription: { model }, turn_detection: turnDetection(handsFree) } },
    },
  };
}

export function turnUpdate(handsFree: boolean): object {
  return { type: 'session.update', session: { type: 'realtime', audio: { input: { turn_detection: turnDetection(handsFree) } } } };
}

function turnDetection(handsFree: boolean): object | null {
  return handsFree ? { type: 'server_vad', create_response: true, interrupt_response: true } : null;
}

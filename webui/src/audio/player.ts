import { wireRate } from './pcm';
import workletUrl from './player-worklet?worker&url';

export type PlayerCommand = { type: 'push'; key: number; samples: Float32Array } | { type: 'stop' };

export interface PlayerReport {
  key: number;
  played: number;
  empty: boolean;
}

/** What is heard now. */
export interface Playing {
  readonly id: string;
  readonly seconds: number;
}

/** Plays recordings that are still being made, without gaps, and stops at once. */
export class Player {
  /** Called when the position changes, and with null when nothing is played any more. */
  onPosition: (playing: Playing | null) => void = () => {};

  /** Follows the loudness of what is played. */
  readonly analyser: AnalyserNode;

  private readonly ids: string[] = [];
  private current: Playing | null = null;
  private stoppedBefore = 0;

  private constructor(private readonly context: AudioContext, private readonly node: AudioWorkletNode) {
    this.analyser = new AnalyserNode(context, { fftSize: 512 });
    node.connect(this.analyser).connect(context.destination);
    node.port.onmessage = (message: MessageEvent<PlayerReport>) => this.follow(message.data);
  }

  static async create(context: AudioContext): Promise<Player> {
    await context.audioWorklet.addModule(workletUrl);
    return new Player(context, new AudioWorkletNode(context, 'player', { numberOfInputs: 0, outputChannelCount: [1] }));
  }

  get playing(): Playing | null {
    return this.current;
  }

  /** Appends samples of the recording `id`; a recording whose name changes begins anew. */
  push(id: string, samples: Float32Array): void {
    if (this.ids.at(-1) !== id) this.ids.push(id);
    this.send({ type: 'push', key: this.ids.length - 1, samples });
    this.current ??= { id, seconds: 0 };
  }

  /** Stops at once; tells what was heard until then. */
  stop(): Playing | null {
    const heard = this.current;
    this.send({ type: 'stop' });
    this.stoppedBefore = this.ids.length;
    this.ids.push('');
    this.current = null;
    if (heard) this.onPosition(null);
    return heard;
  }

  /** Plays a passage on its own, in the place of whatever is heard. */
  playOnce(id: string, samples: Float32Array): void {
    this.stop();
    void this.context.resume();
    this.push(id, samples.slice());
  }

  private send(command: PlayerCommand): void {
    this.node.port.postMessage(command);
  }

  private follow(report: PlayerReport): void {
    // Reports that were under way when everything was stopped are about what is over.
    if (report.key < this.stoppedBefore) return;
    const id = this.ids[report.key];
    if (!id) return;
    this.current = report.empty ? null : { id, seconds: report.played / wireRate };
    this.onPosition(this.current);
  }
}

/// <reference types="audioworklet" />
import { PlayQueue } from './play-queue';
import type { PlayerCommand, PlayerReport } from './player';

/** Blocks of 128 samples between two reports of the position: about 20 ms at 24 kHz, finer than a caption needs. */
const reportEvery = 4;

class PlayerProcessor extends AudioWorkletProcessor {
  private readonly queue = new PlayQueue();
  private blocks = 0;
  private wasEmpty = true;

  constructor() {
    super();
    this.port.onmessage = (message: MessageEvent<PlayerCommand>) => {
      const command = message.data;
      if (command.type === 'push') this.queue.push(command.key, command.samples);
      else this.queue.stop();
    };
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const channel = outputs[0]?.[0];
    if (!channel) return true;
    this.queue.read(channel);
    for (const other of outputs[0]!.slice(1)) other.set(channel);
    const empty = this.queue.isEmpty;
    if (empty !== this.wasEmpty || (!empty && ++this.blocks % reportEvery === 0)) {
      const report: PlayerReport = { key: this.queue.key, played: this.queue.played, empty };
      this.port.postMessage(report);
    }
    this.wasEmpty = empty;
    return true;
  }
}

registerProcessor('player', PlayerProcessor);

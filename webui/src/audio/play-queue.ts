/** Length of the fade that keeps a stop from clicking: 5 ms at 24 kHz. */
export const fadeLength = 120;

interface Piece {
  readonly key: number;
  readonly samples: Float32Array;
  at: number;
}

/** What is still to be played, and how much of it was; runs on the audio thread. */
export class PlayQueue {
  private pieces: Piece[] = [];
  private fading: Float32Array | null = null;
  private fadeAt = 0;

  /** The recording being played, -1 before the first. */
  key = -1;

  /** Samples of that recording that have left. */
  played = 0;

  get isEmpty(): boolean {
    return this.pieces.length === 0 && this.fading === null;
  }

  /** Appends a piece of the recording `key`; pieces of one recording follow each other without a gap. */
  push(key: number, samples: Float32Array): void {
    if (samples.length > 0) this.pieces.push({ key, samples, at: 0 });
  }

  /** Forgets everything but a short fade. */
  stop(): void {
    const piece = this.pieces[0];
    this.pieces = [];
    if (!piece || piece.at === 0) return;
    const tail = piece.samples.slice(piece.at, piece.at + fadeLength);
    for (let i = 0; i < tail.length; i++) tail[i]! *= 1 - (i + 1) / tail.length;
    this.fading = tail;
    this.fadeAt = 0;
  }

  /** Fills one block of output; silence where nothing is to be played. */
  read(output: Float32Array): void {
    let filled = 0;
    if (this.fading) {
      const part = this.fading.subarray(this.fadeAt, this.fadeAt + output.length);
      output.set(part);
      filled = part.length;
      this.fadeAt += part.length;
      if (this.fadeAt >= this.fading.length) this.fading = null;
    }
    while (filled < output.length && this.pieces.length > 0) {
      const piece = this.pieces[0]!;
      if (piece.key !== this.key) {
        this.key = piece.key;
        this.played = 0;
      }
      const part = piece.samples.subarray(piece.at, piece.at + output.length - filled);
      output.set(part, filled);
      filled += part.length;
      piece.at += part.length;
      this.played += part.length;
      if (piece.at === piece.samples.length) this.pieces.shift();
    }
    output.fill(0, filled);
  }
}

import { wireRate } from './pcm';

/** A recording that grows; positions are samples since its beginning. */
export class Track {
  private samples = new Float32Array(wireRate);
  private used = 0;

  get length(): number {
    return this.used;
  }

  get seconds(): number {
    return this.used / wireRate;
  }

  append(piece: Float32Array): void {
    if (this.used + piece.length > this.samples.length) {
      const larger = new Float32Array(Math.max(this.samples.length * 2, this.used + piece.length));
      larger.set(this.samples.subarray(0, this.used));
      this.samples = larger;
    }
    this.samples.set(piece, this.used);
    this.used += piece.length;
  }

  /** What lies between two moments, without a copy; moments outside count as the ends. */
  slice(fromSeconds = 0, toSeconds = Infinity): Float32Array {
    const from = Math.min(this.used, Math.max(0, Math.round(fromSeconds * wireRate)));
    const to = Math.min(this.used, Math.max(from, Math.round(Math.min(toSeconds, this.seconds) * wireRate)));
    return this.samples.subarray(from, to);
  }
}

/** What the microphone gave lately, on the clock of the server: it counts the samples it was sent. */
export class MicrophoneMemory {
  private samples: Float32Array;
  private end = 0;

  constructor(seconds = 90) {
    this.samples = new Float32Array(seconds * wireRate);
  }

  /** Samples so far. */
  get position(): number {
    return this.end;
  }

  append(piece: Float32Array): void {
    for (let i = 0; i < piece.length; i++) this.samples[(this.end + i) % this.samples.length] = piece[i]!;
    this.end += piece.length;
  }

  /** The samples between two positions; what is too old is left out. */
  between(from: number, to: number): Float32Array {
    const first = Math.max(from, this.end - this.samples.length, 0);
    const last = Math.max(first, Math.min(to, this.end));
    const piece = new Float32Array(last - first);
    for (let i = 0; i < piece.length; i++) piece[i] = this.samples[(first + i) % this.samples.length]!;
    return piece;
  }

  /** A new session begins to count at zero. */
  restart(): void {
    this.end = 0;
  }
}

/// <reference types="audioworklet" />
/** Hands the microphone over in pieces of 40 ms: small against a pause between words, large against the cost of a message. */
class CaptureProcessor extends AudioWorkletProcessor {
  private readonly length = Math.round(sampleRate * 0.04);
  private piece = new Float32Array(this.length);
  private filled = 0;

  process(inputs: Float32Array[][]): boolean {
    const channel = inputs[0]?.[0];
    if (!channel) return true;
    for (const sample of channel) {
      this.piece[this.filled++] = sample;
      if (this.filled === this.length) {
        this.port.postMessage(this.piece, [this.piece.buffer]);
        // What was handed over is gone from here, its length included.
        this.piece = new Float32Array(this.length);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor('capture', CaptureProcessor);

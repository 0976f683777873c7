/// <reference types="audioworklet" />
/** Hands the microphone over in pieces of 40 ms: small against a pause between words, large against the cost of a message. */
class CaptureProcessor extends AudioWorkletProcessor {
  private piece = new Float32Array(Math.round(sampleRate * 0.04));
  private filled = 0;

  process(inputs: Float32Array[][]): boolean {
    const channel = inputs[0]?.[0];
    if (!channel) return true;
    for (const sample of channel) {
      this.piece[this.filled++] = sample;
      if (this.filled === this.piece.length) {
        this.port.postMessage(this.piece, [this.piece.buffer]);
        this.piece = new Float32Array(this.piece.length);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor('capture', CaptureProcessor);

import { fft } from './fft';

export interface MelImage {
  readonly frames: number;
  readonly bands: number;
  /** (frames, bands), 0 = 80 dB below the loudest point, 1 = the loudest. */
  readonly values: Float32Array;
}

const window = 512;
const range = 8; // of log10 power: 80 dB

const toMel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
const fromMel = (mel: number): number => 700 * (10 ** (mel / 2595) - 1);

/** Triangles over the bins of a transform, as first bin and weights. */
export function melFilters(bands: number, rate: number, top = 8000): { first: number; weights: number[] }[] {
  const edges = Array.from({ length: bands + 2 }, (_, i) => fromMel((toMel(top) * i) / (bands + 1)));
  return Array.from({ length: bands }, (_, band) => {
    const [low, middle, high] = [edges[band]!, edges[band + 1]!, edges[band + 2]!];
    const weights: number[] = [];
    let first = -1;
    for (let bin = 0; bin <= window / 2; bin++) {
      const hertz = (bin * rate) / window;
      const weight = Math.min((hertz - low) / (middle - low), (high - hertz) / (high - middle));
      if (weight <= 0) {
        if (first >= 0) break;
        continue;
      }
      if (first < 0) first = bin;
      weights.push(weight);
    }
    // Low bands are narrower than a bin: the nearest one stands for them.
    return first >= 0 ? { first, weights } : { first: Math.round((middle * window) / rate), weights: [1] };
  });
}

/** What the ear sees of a recording: loudness by time and mel frequency. */
export function melImage(samples: Float32Array, rate: number, frames: number, bands = 64): MelImage {
  const filters = melFilters(bands, rate);
  const values = new Float32Array(frames * bands);
  const real = new Float32Array(window);
  const imaginary = new Float32Array(window);
  const hop = samples.length / frames;
  let loudest = -Infinity;
  for (let frame = 0; frame < frames; frame++) {
    const start = Math.round((frame + 0.5) * hop) - window / 2;
    for (let i = 0; i < window; i++) {
      const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / window);
      real[i] = (samples[start + i] ?? 0) * hann;
      imaginary[i] = 0;
    }
    fft(real, imaginary);
    filters.forEach(({ first, weights }, band) => {
      let power = 1e-10;
      weights.forEach((weight, i) => (power += weight * (real[first + i]! ** 2 + imaginary[first + i]! ** 2)));
      const level = Math.log10(power);
      loudest = Math.max(loudest, level);
      values[frame * bands + band] = level;
    });
  }
  for (let i = 0; i < values.length; i++) values[i] = Math.max(0, 1 + (values[i]! - loudest) / range);
  return { frames, bands, values };
}

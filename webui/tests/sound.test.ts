import { describe, expect, it } from 'vitest';
import { fromBase64, fromPcm16, toBase64, toPcm16, wireRate } from '../src/audio/pcm';
import { fadeLength, PlayQueue } from '../src/audio/play-queue';
import { MicrophoneMemory, Track } from '../src/audio/track';
import { fft } from '../src/dsp/fft';
import { melFilters, melImage } from '../src/dsp/mel';
import { principalPlane, project } from '../src/dsp/pca';

const ramp = (length: number, from = 0): Float32Array => Float32Array.from({ length }, (_, i) => (from + i) / 1000);

describe('PCM', () => {
  it('is little-endian, clips, and comes back', () => {
    expect([...toPcm16(Float32Array.of(0, 1, -1, 2, 0.5))]).toEqual([0, 0, 0xff, 0x7f, 0x01, 0x80, 0xff, 0x7f, 0x00, 0x40]);
    const back = fromPcm16(fromBase64(toBase64(toPcm16(ramp(20000)))));
    expect(back).toHaveLength(20000);
    expect(Math.abs(back[900]! - 0.9)).toBeLessThan(1e-4);
    expect(fromPcm16(Uint8Array.of(1, 0, 7))).toHaveLength(1);
  });
});

describe('play queue', () => {
  const take = (queue: PlayQueue, length: number): number[] => {
    const block = new Float32Array(length);
    queue.read(block);
    return [...block];
  };

  it('joins pieces without a gap and counts what has left', () => {
    const queue = new PlayQueue();
    queue.push(0, ramp(100));
    queue.push(0, ramp(100, 100));
    const heard = [...take(queue, 128), ...take(queue, 128)];
    expect(heard.slice(0, 200)).toEqual([...ramp(200)]);
    expect(heard.slice(200).every((sample) => sample === 0)).toBe(true);
    expect(queue.played).toBe(200);
    expect(queue.isEmpty).toBe(true);
  });

  it('counts each recording from its own beginning', () => {
    const queue = new PlayQueue();
    queue.push(0, ramp(100));
    queue.push(1, ramp(100));
    take(queue, 128);
    expect([queue.key, queue.played]).toEqual([1, 28]);
  });

  it('is silent 5 ms after a stop, without a jump', () => {
    const queue = new PlayQueue();
    queue.push(0, new Float32Array(wireRate).fill(0.8));
    take(queue, 128);
    queue.stop();
    expect(queue.played).toBe(128);
    const after = take(queue, 2 * fadeLength);
    const steps = after.slice(1).map((sample, i) => Math.abs(sample - after[i]!));
    expect(Math.max(...steps)).toBeLessThan(0.01);
    expect(after.slice(fadeLength).every((sample) => sample === 0)).toBe(true);
    expect(queue.isEmpty).toBe(true);
  });

  it('plays what comes after a stop', () => {
    const queue = new PlayQueue();
    queue.push(0, ramp(100));
    queue.stop();
    queue.push(1, ramp(10, 5));
    expect(take(queue, 10)).toEqual([...ramp(10, 5)]);
  });
});

describe('recordings', () => {
  it('grow and give passages', () => {
    const track = new Track();
    for (let i = 0; i < 5; i++) track.append(new Float32Array(wireRate).fill(i));
    expect(track.seconds).toBe(5);
    expect([track.slice(1.5, 2.5)[0], track.slice(1.5, 2.5).at(-1)]).toEqual([1, 2]);
    expect(track.slice(4.5)).toHaveLength(wireRate / 2);
    expect(track.slice(9, 10)).toHaveLength(0);
  });

  it('of the microphone keep the newest', () => {
    const memory = new MicrophoneMemory(1);
    memory.append(new Float32Array(wireRate).fill(1));
    memory.append(new Float32Array(100).fill(2));
    expect(memory.position).toBe(wireRate + 100);
    expect([...memory.between(wireRate - 1, wireRate + 1)]).toEqual([1, 2]);
    expect(memory.between(0, wireRate + 100)).toHaveLength(wireRate);
    expect(memory.between(wireRate + 50, wireRate + 500)).toHaveLength(50);
  });
});

describe('signal processing', () => {
  it('transforms like the definition', () => {
    const signal = Float32Array.from({ length: 16 }, (_, i) => Math.sin(i * i));
    const [real, imaginary] = [signal.slice(), new Float32Array(16)];
    fft(real, imaginary);
    for (let bin = 0; bin < 16; bin++) {
      let [re, im] = [0, 0];
      signal.forEach((value, i) => {
        re += value * Math.cos((2 * Math.PI * bin * i) / 16);
        im -= value * Math.sin((2 * Math.PI * bin * i) / 16);
      });
      expect(real[bin]).toBeCloseTo(re, 4);
      expect(imaginary[bin]).toBeCloseTo(im, 4);
    }
  });

  it('shows a tone in its mel band only', () => {
    const tone = Float32Array.from({ length: wireRate }, (_, i) => Math.sin((2 * Math.PI * 1000 * i) / wireRate));
    const { frames, bands, values } = melImage(tone, wireRate, 50);
    const middle = [...values.subarray(25 * bands, 26 * bands)];
    const loudest = middle.indexOf(Math.max(...middle));
    const expected = melFilters(bands, wireRate).findIndex(({ first, weights }) => first <= 21.33 && first + weights.length > 21.33);
    expect(frames).toBe(50);
    expect(Math.abs(loudest - expected)).toBeLessThanOrEqual(1);
    expect(middle[bands - 1]).toBeLessThan(0.4);
  });

  it('finds the plane of points in a plane', () => {
    const points = [[3, 0, 1], [-3, 0, 1], [0, 1, 1], [0, -1, 1]];
    const plane = principalPlane(points);
    const places = points.map((point) => project(plane, point).map((value) => Math.abs(value)));
    [[3, 0], [3, 0], [0, 1], [0, 1]].forEach((place, i) => place.forEach((value, j) => expect(places[i]![j]).toBeCloseTo(value, 5)));
  });
});

import { svg } from './dom';

/** Mouth and brows of each emotion in a 24 x 24 square. */
const features: Record<string, string> = {
  neutral: 'M8.5 15.5h7',
  happy: 'M8 14q4 4.4 8 0',
  sad: 'M8.3 16.6q3.7-3.4 7.4 0',
  angry: 'M8.5 16h7M7 8.4l3 1.3M17 8.4l-3 1.3',
  surprised: 'M12 14a1.6 1.9 0 1 0 .01 0',
  disgusted: 'M8 16q2-2 4-.6t4-.8',
  fearful: 'M8 16.2l1.6-1.2 1.6 1.2 1.6-1.2 1.6 1.2 1.4-1',
};

/** A small face for an emotion; its name stands beside it, so it is only decoration. */
export function face(emotion: string): SVGElement {
  return svg('svg', { viewBox: '0 0 24 24', class: 'face', 'aria-hidden': 'true' },
    svg('circle', { cx: 12, cy: 12, r: 9.5 }),
    svg('path', { d: 'M9 10.6v.5M15 10.6v.5' }),
    svg('path', { d: features[emotion] ?? features['neutral']! }));
}

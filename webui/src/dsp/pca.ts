/** The plane in which vectors differ most. */
export interface Plane {
  readonly mean: number[];
  readonly axes: [number[], number[]];
}

const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** First two principal axes, by power iteration from a fixed beginning: the same vectors always give the same map. */
export function principalPlane(vectors: number[][]): Plane {
  const size = vectors[0]?.length ?? 0;
  const mean = Array.from({ length: size }, (_, i) => vectors.reduce((sum, vector) => sum + vector[i]!, 0) / vectors.length);
  const centered = vectors.map((vector) => vector.map((value, i) => value - mean[i]!));
  const first = axis(centered, null);
  return { mean, axes: [first, axis(centered, first)] };
}

function axis(vectors: number[][], besides: number[] | null): number[] {
  const size = vectors[0]?.length ?? 0;
  let direction = Array.from({ length: size }, (_, i) => Math.sin(i + 1));
  for (let step = 0; step < 200; step++) {
    const next = new Array<number>(size).fill(0);
    for (const vector of vectors) {
      const share = dot(vector, direction);
      vector.forEach((value, i) => (next[i]! += share * value));
    }
    if (besides) {
      const share = dot(next, besides);
      besides.forEach((value, i) => (next[i]! -= share * value));
    }
    const length = Math.sqrt(dot(next, next));
    if (length === 0) return new Array<number>(size).fill(0);
    direction = next.map((value) => value / length);
  }
  return direction;
}

/** Where a vector lies in the plane. */
export function project(plane: Plane, vector: number[]): [number, number] {
  const centered = vector.map((value, i) => value - plane.mean[i]!);
  return [dot(centered, plane.axes[0]), dot(centered, plane.axes[1])];
}

import { principalPlane, project } from '../dsp/pca';
import type { Style } from '../realtime/protocol';
import { h, svg } from '../view/dom';

export interface NamedStyle {
  name: string;
  vector: number[];
}

const size = { width: 320, height: 220, margin: 18 };

/** The style vectors of the voice in the plane where they differ most; the ring is where the present settings lie. */
export class StyleMap {
  readonly element: HTMLElement;
  private readonly chart = svg('svg', { viewBox: `0 0 ${size.width} ${size.height}`, role: 'group', 'aria-label': 'Style space' });
  private readonly ring = svg('circle', { r: 9, class: 'ring' });
  private readonly hint = h('p', { class: 'hint' }, 'Every voice the model has, by likeness. Choose one to speak in it.');
  private places = new Map<string, [number, number]>();

  /** @param onChoose gets a style's name when its point is chosen. */
  constructor(private readonly onChoose: (name: string) => void) {
    this.element = h('section', { class: 'map', hidden: true }, h('h3', {}, 'Style space'), this.chart as unknown as HTMLElement, this.hint);
  }

  load(styles: NamedStyle[]): void {
    this.element.hidden = styles.length < 3;
    if (this.element.hidden) return;
    const plane = principalPlane(styles.map((style) => style.vector));
    const points = styles.map((style) => project(plane, style.vector));
    const scale = (axis: 0 | 1, length: number) => {
      const values = points.map((point) => point[axis]);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return (value: number) => size.margin + ((value - low) / (high - low || 1)) * (length - 2 * size.margin);
    };
    const [toX, toY] = [scale(0, size.width), scale(1, size.height)];
    this.places = new Map(styles.map(({ name }, i) => [name, [toX(points[i]![0]), toY(points[i]![1])]]));
    this.chart.replaceChildren(this.ring, ...styles.map(({ name }, i) => {
      const [x, y] = this.places.get(name)!;
      const point = svg('circle', { cx: x, cy: y, r: 5, class: `point ${name.split('-')[0]}`, role: 'button', tabindex: i === 0 ? 0 : -1, 'aria-label': name });
      point.append(svg('title', {}, document.createTextNode(name)));
      point.addEventListener('click', () => this.onChoose(name));
      point.addEventListener('keydown', (event) => this.walk(event as KeyboardEvent, name));
      return point;
    }));
  }

  /** Moves the ring to what will be spoken in. */
  show(style: Style, spoken: string | null): void {
    const [, emotion, pitch] = spoken?.split('-') ?? [];
    const name = (mood: string): string => `${style.gender}-${mood}-${style.pitch ?? pitch ?? 'normal'}`;
    const chosen = style.emotion ?? emotion ?? 'neutral';
    const own = this.places.get(name(chosen));
    const neutral = this.places.get(name('neutral')) ?? own;
    this.ring.classList.toggle('unknown', !own);
    if (!own || !neutral) return;
    // The strength moves on the line from the neutral style through the chosen one, here as in the voice.
    this.ring.setAttribute('cx', String(neutral[0] + style.strength * (own[0] - neutral[0])));
    this.ring.setAttribute('cy', String(neutral[1] + style.strength * (own[1] - neutral[1])));
    this.hint.textContent = `The ring is where Emova speaks: ${name(chosen)}, strength ${style.strength.toFixed(2)}. Choose a point to speak in that style.`;
  }

  private walk(event: KeyboardEvent, name: string): void {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.onChoose(name);
      return;
    }
    const step = event.key === 'ArrowRight' || event.key === 'ArrowDown' ? 1 : event.key === 'ArrowLeft' || event.key === 'ArrowUp' ? -1 : 0;
    const points = [...this.chart.querySelectorAll<SVGElement>('.point')];
    const next = points[points.indexOf(event.currentTarget as SVGElement) + step];
    if (step === 0 || !next) return;
    event.preventDefault();
    for (const point of points) point.setAttribute('tabindex', point === next ? '0' : '-1');
    next.focus();
  }
}

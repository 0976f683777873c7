import { defaultStyle, type Style } from '../realtime/protocol';
import { h } from './dom';
import { face } from './face';

interface Dial {
  key: 'speed' | 'strength' | 'semitones';
  label: string;
  low: number;
  high: number;
  step: number;
  write: (value: number) => string;
}

const dials: Dial[] = [
  { key: 'strength', label: 'Emotion strength', low: 0, high: 1.5, step: 0.05, write: (value) => value.toFixed(2) },
  { key: 'semitones', label: 'Pitch shift', low: -12, high: 12, step: 0.5, write: (value) => `${value > 0 ? '+' : ''}${value} semitones` },
  { key: 'speed', label: 'Speed', low: 0.5, high: 1.5, step: 0.05, write: (value) => `${value.toFixed(2)}×` },
];

/** In the order in which they are shown. */
const emotions = ['neutral', 'happy', 'sad', 'angry', 'surprised', 'disgusted', 'fearful'];
const pitches = ['low', 'normal', 'high'];

/** How Emova speaks: choices of the model's styles, and dials between them. */
export class StylePanel {
  onChange: (style: Style) => void = () => {};
  private style: Style = defaultStyle;

  constructor(private readonly panel: HTMLElement, private voices: string[] = []) {
    this.render();
  }

  /** The styles the model has, such as `female-happy-high`. */
  setVoices(voices: string[]): void {
    this.voices = voices;
    this.render();
  }

  set(style: Style): void {
    this.style = style;
    this.render();
    this.onChange(style);
  }

  private render(): void {
    const parts = (index: number): string[] => [...new Set(this.voices.map((voice) => voice.split('-')[index]).filter((part): part is string => part !== undefined))];
    const focused = document.activeElement?.id;
    this.panel.replaceChildren(
      this.choices('gender', 'Voice', parts(0), false),
      this.choices('emotion', 'Emotion', emotions.filter((emotion) => parts(1).includes(emotion)), true),
      this.choices('pitch', 'Pitch', pitches.filter((pitch) => parts(2).includes(pitch)), true),
      ...dials.map((dial) => this.dial(dial)),
      h('button', { type: 'button', class: 'small', onclick: () => this.set(defaultStyle) }, 'As the model chooses'));
    if (focused) document.getElementById(focused)?.focus();
  }

  private choices(key: 'gender' | 'emotion' | 'pitch', label: string, values: string[], free: boolean): HTMLElement {
    const option = (value: string | null): HTMLElement => {
      const id = `style-${key}-${value ?? 'auto'}`;
      return h('label', { for: id },
        h('input', { type: 'radio', name: `style-${key}`, id, checked: this.style[key] === value, onchange: () => this.change({ [key]: value }) }),
        h('span', {}, ...(key === 'emotion' && value ? [face(value)] : []), value ?? 'auto'));
    };
    return h('fieldset', { hidden: values.length === 0 }, h('legend', {}, label), ...(free ? [option(null)] : []), ...values.map(option));
  }

  private dial({ key, label, low, high, step, write }: Dial): HTMLElement {
    const id = `style-${key}`;
    const shown = h('output', { for: id }, write(this.style[key]));
    const input = h('input', {
      type: 'range', id, min: String(low), max: String(high), step: String(step), value: String(this.style[key]), 'aria-valuetext': write(this.style[key]),
      oninput: () => {
        shown.textContent = write(Number(input.value));
        input.setAttribute('aria-valuetext', shown.textContent);
      },
      onchange: () => this.change({ [key]: Number(input.value) }),
    });
    return h('div', { class: 'dial' }, h('label', { for: id }, label), shown, input);
  }

  private change(part: Partial<Style>): void {
    this.style = { ...this.style, ...part };
    this.onChange(this.style);
  }
}

import { wireRate } from '../audio/pcm';
import { melImage } from '../dsp/mel';
import type { Turn, Unit } from '../realtime/conversation';
import { color, h, prepare } from '../view/dom';

/** Plays a passage of a turn. */
export type PlayPassage = (turn: Turn, from: number, to: number) => void;

/** Waveform, mel picture and units of one turn over one time axis. */
export class SoundView {
  readonly element: HTMLElement;
  private readonly wave = h('canvas', { class: 'wave', role: 'img' });
  private readonly mel = h('canvas', { class: 'mel', role: 'img' });
  private readonly units = h('div', { class: 'units', role: 'group' });
  private readonly axis = h('div');
  private readonly caption = h('p', { class: 'hint' });
  private readonly play: HTMLButtonElement;
  private readonly cursor = h('div', { class: 'cursor', hidden: true });
  private turn: Turn | null = null;
  private drawnLength = -1;
  private shownUnits = 0;

  constructor(private readonly name: string, private readonly onPlay: PlayPassage) {
    this.play = h('button', { type: 'button', class: 'small', onclick: () => this.turn && this.onPlay(this.turn, 0, Infinity) }, 'Play');
    const chart = h('div', { class: 'chart', onclick: (event: MouseEvent) => this.playAt(event) }, this.wave, this.mel, this.cursor);
    this.axis.append(chart, this.units);
    this.element = h('section', {}, h('h3', {}, name, this.play), h('div', { class: 'sound' }, this.axis), this.caption);
    this.units.addEventListener('keydown', (event) => this.walk(event));
  }

  show(turn: Turn | null): void {
    if (turn !== this.turn) {
      this.drawnLength = -1;
      this.shownUnits = -1;
      this.cursor.hidden = true;
    }
    this.turn = turn;
    this.element.hidden = !turn?.audio || turn.audio.length === 0;
    if (this.element.hidden) return;
    const { audio, units } = turn!;
    // A picture of a growing recording is drawn anew four times a second of sound, not with every piece.
    if (turn!.state !== 'open' || Math.abs(audio!.length - this.drawnLength) > wireRate / 4) this.draw();
    if (units.length !== this.shownUnits) this.showUnits(units);
    const length = units.reduce((sum, unit) => sum + unit.end - unit.start, 0);
    this.caption.textContent = units.length === 0
      ? `${audio!.seconds.toFixed(1)} s`
      : `${audio!.seconds.toFixed(1)} s in ${units.length} units, ${((1000 * length) / units.length).toFixed(0)} ms each on average. ${units[0]!.run === null ? '' : 'Numbers are run lengths. '}Choose a unit to hear it.`;
  }

  redraw(): void {
    this.drawnLength = -1;
    if (this.turn && !this.element.hidden) this.draw();
  }

  /** Shows the moment that is being heard. */
  follow(seconds: number | null): void {
    const length = this.turn?.audio?.seconds ?? 0;
    this.cursor.hidden = seconds === null || length === 0;
    if (seconds !== null && length > 0) this.cursor.style.left = `${Math.min(100, (100 * seconds) / length)}%`;
  }

  private draw(): void {
    const samples = this.turn!.audio!.slice();
    if (samples.length === this.drawnLength) return;
    const what = `of ${this.name === 'You' ? 'your question' : 'the answer'}, ${(samples.length / wireRate).toFixed(1)} seconds`;
    this.wave.setAttribute('aria-label', `Waveform ${what}`);
    this.mel.setAttribute('aria-label', `Mel spectrogram ${what}`);
    if (drawWave(this.wave, samples) && drawMel(this.mel, samples)) this.drawnLength = samples.length;
  }

  private showUnits(units: Unit[]): void {
    this.shownUnits = units.length;
    this.units.hidden = units.length === 0;
    this.units.setAttribute('aria-label', `Speech units of ${this.name}; arrow keys move, Enter plays`);
    this.units.replaceChildren(...units.map(({ unit, run, start, end }, i) => {
      const milliseconds = Math.round((end - start) * 1000);
      const times = run === null || run === 1 ? '' : ` × ${run}`;
      const button = h('button', {
        type: 'button', tabindex: i === 0 ? '0' : '-1', title: `unit ${unit}${times}, ${milliseconds} ms`, 'aria-label': `Unit ${unit}${times}, ${milliseconds} milliseconds`,
        onclick: () => this.onPlay(this.turn!, start, end),
      }, h('span', { 'aria-hidden': 'true' }, run === null ? '' : String(run)));
      button.style.flexGrow = String(Math.max(0.001, end - start));
      // The last FSQ digit as a shade, light enough for the number on it: the same unit looks the same everywhere.
      button.style.setProperty('--shade', `${10 + (unit % 8) * 5}%`);
      return button;
    }));
    // A unit stays wide enough to be hit: what does not fit is scrolled.
    this.axis.style.minWidth = `${units.length * 0.5}rem`;
  }

  private walk(event: KeyboardEvent): void {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const buttons = [...this.units.querySelectorAll('button')];
    const next = buttons[buttons.indexOf(document.activeElement as HTMLButtonElement) + step];
    if (step === 0 || !next) return;
    event.preventDefault();
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  }

  private playAt(event: MouseEvent): void {
    const box = this.wave.getBoundingClientRect();
    const seconds = ((event.clientX - box.left) / box.width) * (this.turn?.audio?.seconds ?? 0);
    if (this.turn) this.onPlay(this.turn, Math.max(0, seconds), Infinity);
  }
}

function drawWave(canvas: HTMLCanvasElement, samples: Float32Array): boolean {
  const context = prepare(canvas);
  if (!context) return false;
  const { clientWidth: width, clientHeight: height } = canvas;
  context.fillStyle = color('accent');
  const loudest = samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0.05);
  for (let x = 0; x < width; x++) {
    let peak = 0;
    const end = Math.floor(((x + 1) * samples.length) / width);
    for (let i = Math.floor((x * samples.length) / width); i < end; i++) peak = Math.max(peak, Math.abs(samples[i]!));
    const bar = Math.max(1, (peak / loudest) * height);
    context.fillRect(x, (height - bar) / 2, 1, bar);
  }
  return true;
}

function drawMel(canvas: HTMLCanvasElement, samples: Float32Array): boolean {
  const context = prepare(canvas);
  if (!context) return false;
  const { clientWidth: width, clientHeight: height } = canvas;
  // No more columns than there are steps of 10 ms: finer ones would only repeat.
  const columns = Math.max(1, Math.min(width, Math.ceil((samples.length / wireRate) * 100)));
  const { bands, values } = melImage(samples, wireRate, columns);
  context.fillStyle = color('ink');
  for (let column = 0; column < columns; column++) {
    for (let band = 0; band < bands; band++) {
      context.globalAlpha = values[column * bands + band]! ** 1.5;
      context.fillRect((column * width) / columns, height - ((band + 1) * height) / bands, width / columns + 0.5, height / bands + 0.5);
    }
  }
  return true;
}

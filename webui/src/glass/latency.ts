import type { Turn } from '../realtime/conversation';
import { h } from '../view/dom';

export interface Stage {
  name: string;
  milliseconds: number;
}

/** From the end of the question to the first sound, stage by stage; what the server does not account for is the way there and back. */
export function stagesOf(turn: Turn): Stage[] {
  const { timings, firstSound } = turn;
  if (!timings) return [];
  const ms = (seconds: number): number => Math.max(0, seconds * 1000);
  const afterText = timings.first_text === null ? 0 : timings.first_text - timings.speech_encoding - timings.image_encoding - timings.prefill;
  const stages: Stage[] = [
    { name: 'hear', milliseconds: ms(timings.speech_encoding) },
    { name: 'see', milliseconds: ms(timings.image_encoding) },
    { name: 'read', milliseconds: ms(timings.prefill) },
    { name: 'think', milliseconds: ms(afterText) },
  ];
  if (timings.first_audio !== null) {
    stages.push({ name: 'write and voice', milliseconds: ms(timings.first_audio - (timings.first_text ?? 0)) });
    const served = ms(timings.first_audio);
    if (firstSound !== null) stages.push({ name: 'queue and network', milliseconds: Math.max(0, firstSound - served) });
  }
  return stages.filter((stage) => stage.milliseconds >= 0.5);
}

/** Where the time before the first sound went. */
export class LatencyView {
  readonly element = h('section', { class: 'latency', hidden: true });

  show(turn: Turn | null): void {
    const stages = turn ? stagesOf(turn) : [];
    this.element.hidden = stages.length === 0;
    if (this.element.hidden) return;
    const total = stages.reduce((sum, stage) => sum + stage.milliseconds, 0);
    const bar = h('div', { class: 'bar', 'aria-hidden': 'true' }, ...stages.map((stage, i) => {
      const part = h('span');
      part.style.flexGrow = String(stage.milliseconds);
      part.style.setProperty('--shade', `${90 - i * 13}%`);
      return part;
    }));
    const list = h('dl', {}, ...stages.map((stage, i) => {
      const key = h('i', { 'aria-hidden': 'true' });
      key.style.setProperty('--shade', `${90 - i * 13}%`);
      return h('div', {}, h('dt', {}, key, stage.name), h('dd', {}, `${stage.milliseconds.toFixed(0)} ms`));
    }));
    const pace = turn!.timings!.audio > 0 ? `; the whole answer took ${(turn!.timings!.total / turn!.timings!.audio).toFixed(2)} s a second of sound` : '';
    this.element.replaceChildren(h('h3', {}, 'Latency'), bar, list, h('p', { class: 'hint' }, `${total.toFixed(0)} ms from the end of the question to the first sound${pace}.`));
  }
}

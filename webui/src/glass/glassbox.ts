import type { Playing } from '../audio/player';
import type { Conversation, Turn } from '../realtime/conversation';
import type { Style } from '../realtime/protocol';
import { LatencyView } from './latency';
import { SoundView, type PlayPassage } from './soundview';
import { StyleMap } from './stylemap';

/** What happens inside: both sides' sound, the units between, the style space, and where the time went. */
export class GlassBox {
  readonly map: StyleMap;
  private readonly question: SoundView;
  private readonly answer: SoundView;
  private readonly latency = new LatencyView();
  private asked: Turn | null = null;
  private answered: Turn | null = null;

  constructor(private readonly panel: HTMLElement, private readonly conversation: Conversation, onPlay: PlayPassage, onStyle: (name: string) => void) {
    this.question = new SoundView('You', onPlay);
    this.answer = new SoundView('Emova', onPlay);
    this.map = new StyleMap(onStyle);
    panel.append(this.question.element, this.answer.element, this.latency.element, this.map.element);
    new ResizeObserver(() => this.redraw()).observe(panel);
    this.show();
  }

  /** Shows a turn and its counterpart. */
  select(turn: Turn): void {
    const { turns } = this.conversation;
    const at = turns.indexOf(turn);
    if (turn.role === 'assistant') {
      this.answered = turn;
      this.asked = turns.slice(0, at).findLast((other) => other.role === 'user' && !(other.picture && !other.text)) ?? null;
    } else {
      this.asked = turn;
      this.answered = turns.slice(at).find((other) => other.role === 'assistant') ?? null;
    }
    this.show();
  }

  update(turn: Turn): void {
    if (turn === this.asked || turn === this.answered) this.show();
  }

  follow(playing: Playing | null): void {
    this.question.follow(playing && playing.id === this.asked?.id ? playing.seconds : null);
    this.answer.follow(playing && playing.id === this.answered?.id ? playing.seconds : null);
  }

  showStyle(style: Style): void {
    this.map.show(style, this.answered?.style ?? null);
  }

  redraw(): void {
    this.question.redraw();
    this.answer.redraw();
  }

  private show(): void {
    this.question.show(this.asked);
    this.answer.show(this.answered);
    this.latency.show(this.answered);
    this.panel.classList.toggle('empty', this.asked?.audio == null && this.answered?.audio == null);
  }
}

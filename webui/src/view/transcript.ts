import type { Playing } from '../audio/player';
import { wordsOf, type Conversation, type Turn } from '../realtime/conversation';
import { h } from './dom';
import { face } from './face';

/** The conversation as text; words of the answer take on their full color as they are heard. */
export class TranscriptView {
  /** Called when a turn is chosen for a closer look. */
  onSelect: (turn: Turn) => void = () => {};
  /** Called when a word is to be heard. */
  onWord: (turn: Turn, from: number, to: number) => void = () => {};

  private readonly rows = new Map<string, HTMLElement>();
  private readonly heard = new Map<string, number>();
  private playing: Playing | null = null;
  private selected: string | null = null;

  constructor(private readonly list: HTMLElement, private readonly conversation: Conversation) {}

  update(turn: Turn): void {
    const row = this.rowOf(turn);
    row.dataset['state'] = turn.state;
    row.querySelector('.mood')?.replaceChildren(...this.mood(turn));
    const picture = row.querySelector<HTMLImageElement>('img')!;
    if (turn.picture && !picture.src) {
      picture.src = turn.picture;
      picture.hidden = false;
    }
    this.write(turn, row.querySelector<HTMLElement>('.words')!);
    row.hidden = turn.role === 'assistant' && turn.text === '' && turn.state === 'done';
    row.scrollIntoView({ block: 'end' });
  }

  /** Follows what is heard: one position a few times in 100 ms, so only words change, not rows. */
  follow(playing: Playing | null): void {
    const before = this.playing;
    this.playing = playing;
    if (playing) this.heard.set(playing.id, Math.max(playing.seconds, this.heard.get(playing.id) ?? 0));
    for (const id of new Set([before?.id, playing?.id])) {
      const turn = id === undefined ? undefined : this.conversation.find(id);
      const row = id === undefined ? undefined : this.rows.get(id);
      if (turn && row) this.color(turn, row);
    }
  }

  select(turn: Turn): void {
    if (this.selected) this.rows.get(this.selected)?.removeAttribute('aria-current');
    this.selected = turn.id;
    this.rows.get(turn.id)?.setAttribute('aria-current', 'true');
  }

  /** A line between what the server still knows and what it does not. */
  divide(): void {
    if (this.rows.size > 0) this.list.append(h('li', { class: 'divider' }, 'Connected again. Emova does not remember what was said above.'));
  }

  private rowOf(turn: Turn): HTMLElement {
    const known = this.rows.get(turn.id);
    if (known) return known;
    const who = turn.role === 'user' ? 'You' : 'Emova';
    const row = h('li', { class: `turn ${turn.role}` },
      h('div', { class: 'who' }, h('span', {}, who), h('span', { class: 'mood' }),
        h('button', { class: 'look', type: 'button', 'aria-label': `Look inside this turn of ${who}`, onclick: () => this.onSelect(turn) }, 'Look inside')),
      h('img', { alt: 'Picture shown to Emova', hidden: true }),
      h('p', { class: 'words' }));
    this.rows.set(turn.id, row);
    this.list.append(row);
    return row;
  }

  private write(turn: Turn, words: HTMLElement): void {
    if (turn.text === '') {
      words.textContent = turn.state === 'failed' ? 'This was not understood.' : turn.state === 'listening' ? 'Listening…' : turn.picture || turn.state === 'cut' ? '' : '…';
      words.classList.add('pending');
      return;
    }
    words.classList.remove('pending');
    if (!turn.audio || turn.role === 'user') {
      words.textContent = turn.text;
      return;
    }
    const shown = [...words.querySelectorAll('span')].map((span) => span.textContent).join(' ');
    const timed = wordsOf(turn);
    if (shown !== timed.map((word) => word.text).join(' ')) {
      words.replaceChildren(...timed.flatMap((word, i) => [
        h('span', {
          onclick: () => {
            const now = wordsOf(turn);
            this.onWord(turn, now[i]!.start, now[i + 1]?.start ?? Infinity);
          },
        }, word.text), ' ']));
    }
    this.color(turn, this.rows.get(turn.id)!);
  }

  private color(turn: Turn, row: HTMLElement): void {
    const speaking = this.playing?.id === turn.id;
    const until = speaking ? this.playing!.seconds : this.playing === null && turn.state !== 'open' ? Infinity : (this.heard.get(turn.id) ?? 0);
    row.classList.toggle('speaking', speaking);
    const words = wordsOf(turn);
    row.querySelectorAll('.words span').forEach((span, i) => {
      const word = words[i];
      const spoken = word !== undefined && word.start <= until;
      const now = speaking && spoken && (words[i + 1]?.start ?? Infinity) > until;
      span.className = now ? 'now' : spoken ? 'spoken' : '';
    });
  }

  private mood(turn: Turn): Node[] {
    if (!turn.emotion) return [];
    const pitch = turn.pitch && turn.pitch !== 'normal' ? `, ${turn.pitch} pitch` : '';
    return [face(turn.emotion), document.createTextNode(`${turn.emotion}${pitch}`)];
  }
}

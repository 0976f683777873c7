import { Microphone, MicrophoneError } from './audio/microphone';
import { wireRate } from './audio/pcm';
import { Player } from './audio/player';
import { MicrophoneMemory } from './audio/track';
import { GlassBox } from './glass/glassbox';
import type { NamedStyle } from './glass/stylemap';
import type { Turn } from './realtime/conversation';
import { Session } from './realtime/session';
import { browserHost, RealtimeSocket, type ConnectionState } from './realtime/socket';
import { byId } from './view/dom';
import { PictureInput } from './view/picture';
import { StylePanel } from './view/stylepanel';
import { setUpTheme } from './view/theme';
import { TranscriptView } from './view/transcript';

const keyName = 'emova-key';
const url = new URL('v1/realtime', location.href);
url.protocol = url.protocol.replace('http', 'ws');

const socket = new RealtimeSocket(url.href, browserHost, sessionStorage.getItem(keyName));
const memory = new MicrophoneMemory();
const session = new Session(socket, memory);
const transcript = new TranscriptView(byId('turns'), session.conversation);
const style = new StylePanel(byId('style'));
const glass = new GlassBox(byId('glass'), session.conversation, (turn, from, to) => void playPassage(turn, from, to), chooseStyle);
const picture = new PictureInput();
const talk = byId<HTMLButtonElement>('talk');
const stop = byId<HTMLButtonElement>('stop');
const handsFree = byId<HTMLInputElement>('hands-free');

let sound: { context: AudioContext; player: Player; microphone: Microphone } | null = null;
let soundStarting: Promise<void> | null = null;
let loudness = 0;

/** Browsers allow sound only after the person did something: the first press makes it. */
async function startSound(): Promise<void> {
  soundStarting ??= (async () => {
    const context = new AudioContext({ sampleRate: wireRate, latencyHint: 'interactive' });
    const player = await Player.create(context);
    const microphone = new Microphone(context);
    microphone.onPiece = (samples) => {
      loudness = Math.max(rms(samples), loudness * 0.6);
      session.hear(samples);
    };
    microphone.onEnded = () => {
      setHandsFree(false);
      complain('The microphone went away. Plug it in again, or type.');
    };
    player.onPosition = (playing) => {
      transcript.follow(playing);
      glass.follow(playing);
      document.body.classList.toggle('speaking', playing !== null);
      stop.disabled = playing === null && !session.busy;
    };
    session.speaker = player;
    sound = { context, player, microphone };
    animate();
  })();
  await soundStarting;
  await sound!.context.resume();
}

function rms(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length));
}

/** The round button breathes with whoever speaks. */
function animate(): void {
  const spoken = new Float32Array(sound!.player.analyser.fftSize);
  const step = (): void => {
    let level = loudness;
    if (sound!.player.playing) {
      sound!.player.analyser.getFloatTimeDomainData(spoken);
      level = Math.max(level, rms(spoken));
    }
    loudness *= 0.95;
    talk.style.setProperty('--level', Math.min(1, level * 5).toFixed(2));
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

function complain(message: string | null): void {
  byId('problem').hidden = message === null;
  byId('problem').querySelector('p')!.textContent = message ?? '';
}

async function openMicrophone(): Promise<boolean> {
  try {
    await startSound();
    await sound!.microphone.open();
    complain(null);
    return true;
  } catch (error) {
    complain(error instanceof MicrophoneError ? error.message : `Sound could not be started: ${String(error)}`);
    return false;
  }
}

// Push-to-talk. The key may go up before the microphone is open; then nothing was asked.
let pressed = false;

async function press(): Promise<void> {
  if (pressed || handsFree.checked) return;
  pressed = true;
  talk.classList.add('pressed');
  session.interrupt();
  if (!(await openMicrophone()) || !pressed) {
    release();
    return;
  }
  session.say('', picture.claim());
  session.talk();
  document.body.classList.add('listening');
}

function release(): void {
  if (!pressed) return;
  pressed = false;
  talk.classList.remove('pressed');
  document.body.classList.remove('listening');
  const asked = session.talkDone();
  sound?.microphone.close();
  hint(asked || !sound ? null : 'That was too short: hold the button while you talk.');
}

function hint(text: string | null): void {
  byId('talk-hint').textContent = text ?? (handsFree.checked
    ? 'Just talk. Talk again to interrupt; Esc stops the answer.'
    : 'Hold the button or the space bar while you talk. Esc stops the answer.');
}

function setHandsFree(on: boolean): void {
  handsFree.checked = on;
  document.body.classList.toggle('listening', on);
  talk.setAttribute('aria-label', on ? 'Listening. Press to stop listening' : 'Hold to talk');
  session.setHandsFree(on);
  if (on) session.say('', picture.claim());
  else sound?.microphone.close();
  hint(null);
}

handsFree.addEventListener('change', () => {
  if (!handsFree.checked) setHandsFree(false);
  else void openMicrophone().then((open) => setHandsFree(open));
});

talk.addEventListener('pointerdown', (event) => {
  if (event.button !== 0) return;
  if (handsFree.checked) {
    setHandsFree(false);
    return;
  }
  talk.setPointerCapture(event.pointerId);
  void press();
});
for (const name of ['pointerup', 'pointercancel'] as const) talk.addEventListener(name, release);
talk.addEventListener('contextmenu', (event) => event.preventDefault());
window.addEventListener('blur', release);

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches('input:not([type=checkbox]), textarea, select') || target.closest('dialog') !== null);
}

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    session.interrupt();
  } else if (event.key === '/' && !isTyping(event.target)) {
    event.preventDefault();
    byId('text').focus();
  } else if (event.key === ' ' && !isTyping(event.target) && !(event.target instanceof HTMLElement && event.target.matches('button:not(#talk), [role=button], [role=switch]'))) {
    event.preventDefault();
    if (!event.repeat) void press();
  }
});
document.addEventListener('keyup', (event) => {
  if (event.key !== ' ' || !pressed) return;
  event.preventDefault();
  release();
});

byId('type').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = byId<HTMLInputElement>('text');
  const question = text.value.trim();
  if (!question || !socket.isOpen) return;
  void startSound().then(() => {
    session.say(question, picture.claim());
    text.value = '';
  });
});
stop.addEventListener('click', () => session.interrupt());
byId('problem-close').addEventListener('click', () => complain(null));
byId('camera-take').addEventListener('click', () => byId<HTMLDialogElement>('camera').close('take'));
byId('camera-cancel').addEventListener('click', () => byId<HTMLDialogElement>('camera').close());

picture.onProblem = complain;
picture.onChange = (given) => {
  // Without hands there is no moment at which the question begins: the picture goes ahead of it.
  if (given && handsFree.checked) session.say('', picture.claim());
};

async function playPassage(turn: Turn, from: number, to: number): Promise<void> {
  await startSound();
  session.interrupt();
  sound!.player.playOnce(`passage of ${turn.id}`, turn.audio?.slice(from, to) ?? new Float32Array());
}

function chooseStyle(name: string): void {
  const [gender, emotion, pitch] = name.split('-');
  style.set({ ...session.style, gender: gender!, emotion: emotion!, pitch: pitch! });
}

style.onChange = (wanted) => {
  session.setStyle(wanted);
  glass.showStyle(wanted);
};

session.onBusy = (busy) => {
  document.body.classList.toggle('busy', busy);
  stop.disabled = !busy && !sound?.player.playing;
};
session.onProblem = (error) => complain(error.message);
session.conversation.onChange = (turn) => {
  byId('welcome').hidden = true;
  transcript.update(turn);
  // The newest turn is looked at unless someone chose another one.
  if (turn === session.conversation.turns.at(-1)) glass.select(turn);
  glass.update(turn);
  if (turn.style) glass.showStyle(session.style);
};
transcript.onSelect = (turn) => {
  setPanel('glass', true);
  transcript.select(turn);
  glass.select(turn);
  glass.redraw();
};
transcript.onWord = (turn, from, to) => void playPassage(turn, from, to);

const states: Record<ConnectionState, string> = {
  connecting: 'Connecting…',
  open: 'Ready',
  waiting: 'No connection to the server. Trying again…',
  'key-needed': 'Key needed',
};

let connected = false;
socket.onEvent = (event) => session.receive(event);
socket.onState = (state) => {
  byId('connection').textContent = states[state];
  document.body.dataset['connection'] = state;
  if (state === 'open') {
    if (connected) transcript.divide();
    connected = true;
    void loadStyles();
  } else if (state === 'waiting') {
    session.speaker?.stop();
  } else if (state === 'key-needed' && !byId<HTMLDialogElement>('key').open) {
    byId<HTMLDialogElement>('key').showModal();
  }
};
byId('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const key = byId<HTMLInputElement>('key-text').value.trim();
  sessionStorage.setItem(keyName, key);
  byId<HTMLDialogElement>('key').close();
  socket.connect(key);
});

let stylesLoaded = false;

async function loadStyles(): Promise<void> {
  if (stylesLoaded) return;
  const key = sessionStorage.getItem(keyName);
  const response = await fetch('v1/emova/styles', { headers: key === null ? {} : { authorization: `Bearer ${key}` } });
  if (!response.ok) return;
  const { styles } = (await response.json()) as { styles: NamedStyle[] };
  stylesLoaded = true;
  style.setVoices(styles.map(({ name }) => name));
  glass.map.load(styles);
  glass.showStyle(session.style);
}

function setPanel(name: 'style' | 'glass', open: boolean): void {
  byId(`${name}-panel`).hidden = !open;
  byId(`${name}-toggle`).setAttribute('aria-expanded', String(open));
  document.body.classList.toggle(`with-${name}`, open);
}

for (const name of ['style', 'glass'] as const) {
  byId(`${name}-toggle`).addEventListener('click', () => setPanel(name, byId(`${name}-panel`).hidden === true));
}

setUpTheme(byId('theme'), () => glass.redraw());
socket.connect();

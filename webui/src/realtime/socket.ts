import type { ServerEvent } from './protocol';

export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'key-needed';

/** What the page needs of the browser; tests put their own in its place. */
export interface SocketHost {
  open(url: string, protocols: string[]): WebSocket;
  /** Whether the server is there and takes the key. A failed WebSocket does not tell why it failed. */
  probe(key: string | null): Promise<'ok' | 'key-needed' | 'unreachable'>;
  wait(milliseconds: number, then: () => void): () => void;
}

const firstWait = 500;
const longestWait = 15000;

/** A Realtime connection that comes back by itself, after pauses that double up to 15 s. */
export class RealtimeSocket {
  onState: (state: ConnectionState) => void = () => {};
  onEvent: (event: ServerEvent) => void = () => {};

  private socket: WebSocket | null = null;
  private cancelWait: (() => void) | null = null;
  private pause = firstWait;
  private attempt = 0;

  constructor(private readonly url: string, private readonly host: SocketHost, private key: string | null = null) {}

  get isOpen(): boolean {
    return this.socket?.readyState === 1;
  }

  /** Bytes given to the browser and not sent yet. */
  get backlog(): number {
    return this.socket?.bufferedAmount ?? 0;
  }

  /** Connects now, whatever pause is being made. */
  connect(key: string | null = this.key): void {
    this.key = key;
    this.pause = firstWait;
    this.close();
    void this.dial();
  }

  close(): void {
    this.attempt++;
    this.cancelWait?.();
    this.cancelWait = null;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** Sends an event; what is said while there is no connection is lost, as the session it was meant for is. */
  send(event: object): boolean {
    if (!this.isOpen) return false;
    this.socket!.send(JSON.stringify(event));
    return true;
  }

  private async dial(): Promise<void> {
    const attempt = ++this.attempt;
    this.onState('connecting');
    const answer = await this.host.probe(this.key);
    if (attempt !== this.attempt) return;
    if (answer === 'key-needed') {
      this.onState('key-needed');
      return;
    }
    if (answer === 'unreachable') {
      this.retry();
      return;
    }
    const protocols = this.key === null ? ['realtime'] : ['realtime', `openai-insecure-api-key.${this.key}`];
    const socket = this.host.open(this.url, protocols);
    this.socket = socket;
    socket.onmessage = (message: MessageEvent<string>) => {
      if (socket !== this.socket) return;
      const event = JSON.parse(message.data) as ServerEvent;
      if (event.type === 'session.created') {
        this.pause = firstWait;
        this.onState('open');
      }
      this.onEvent(event);
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.retry();
    };
  }

  private retry(): void {
    this.onState('waiting');
    this.cancelWait = this.host.wait(this.pause, () => void this.dial());
    this.pause = Math.min(longestWait, this.pause * 2);
  }
}

/** The browser itself. */
export const browserHost: SocketHost = {
  open: (url, protocols) => new WebSocket(url, protocols),
  async probe(key) {
    try {
      const response = await fetch('v1/models', { headers: key === null ? {} : { authorization: `Bearer ${key}` }, cache: 'no-store' });
      return response.status === 401 || response.status === 403 ? 'key-needed' : 'ok';
    } catch {
      return 'unreachable';
    }
  },
  wait(milliseconds, then) {
    const timer = setTimeout(then, milliseconds);
    return () => clearTimeout(timer);
  },
};

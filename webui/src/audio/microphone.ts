import { wireRate } from './pcm';
import workletUrl from './capture-worklet?worker&url';

/** Why there is no sound to send, in words for people. */
export class MicrophoneError extends Error {}

/** The microphone at the rate of the protocol. The browser converts the rate, and takes the loudspeaker's echo and noise out. */
export class Microphone {
  private stream: MediaStream | null = null;
  private source: MediaStreamAudioSourceNode | null = null;
  private node: AudioWorkletNode | null = null;
  private starting: Promise<void> | null = null;

  /** Called every 40 ms while it is open. */
  onPiece: (samples: Float32Array) => void = () => {};

  /** Called when the device goes away. */
  onEnded: () => void = () => {};

  constructor(private readonly context: AudioContext) {}

  get isOpen(): boolean {
    return this.stream !== null;
  }

  open(): Promise<void> {
    if (this.isOpen) return Promise.resolve();
    this.starting ??= this.start().finally(() => (this.starting = null));
    return this.starting;
  }

  /** Lets the device go, so that the browser shows no recording sign. */
  close(): void {
    this.source?.disconnect();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.source = null;
  }

  private async start(): Promise<void> {
    if (!navigator.mediaDevices) throw new MicrophoneError('Browsers give pages a microphone only over https or on localhost.');
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, sampleRate: wireRate, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
    } catch (error) {
      throw new MicrophoneError(explain(error));
    }
    if (!this.node) {
      await this.context.audioWorklet.addModule(workletUrl);
      this.node = new AudioWorkletNode(this.context, 'capture', { numberOfOutputs: 0, channelCount: 1, channelCountMode: 'explicit' });
      this.node.port.onmessage = (message: MessageEvent<Float32Array>) => {
        if (this.isOpen) this.onPiece(message.data);
      };
    }
    try {
      this.source = this.context.createMediaStreamSource(stream);
    } catch {
      for (const track of stream.getTracks()) track.stop();
      throw new MicrophoneError('This browser cannot convert the rate of this microphone; set the device to 24 or 48 kHz, or use another browser.');
    }
    stream.getAudioTracks()[0]?.addEventListener('ended', () => {
      this.close();
      this.onEnded();
    });
    this.source.connect(this.node);
    this.stream = stream;
  }
}

function explain(error: unknown): string {
  switch (error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
      return 'The browser does not let this page use the microphone. Allow it in the address bar, or type.';
    case 'NotFoundError':
      return 'There is no microphone. Plug one in, or type.';
    case 'NotReadableError':
      return 'Another program holds the microphone. Close it, or type.';
    default:
      return `The microphone could not be opened: ${error instanceof Error ? error.message : String(error)}`;
  }
}

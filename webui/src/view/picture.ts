import { byId, h } from './dom';

/** Longest side sent: more than any supported vision encoder looks at, and small enough for a phone's uplink. */
const longestSide = 1024;

/** A picture file as a data URI of a format every model here reads. */
export async function readPicture(file: Blob): Promise<string> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error('This file is not a picture the browser can read.');
  }
  return encode(bitmap, bitmap.width, bitmap.height);
}

function encode(source: CanvasImageSource, width: number, height: number): string {
  const scale = Math.min(1, longestSide / Math.max(width, height));
  const canvas = h('canvas', { width: String(Math.max(1, Math.round(width * scale))), height: String(Math.max(1, Math.round(height * scale))) });
  canvas.getContext('2d')!.drawImage(source, 0, 0, canvas.width, canvas.height);
  // Drawings and small pictures stay exact; photographs are too large for that.
  return canvas.width * canvas.height <= 256 * 256 ? canvas.toDataURL('image/png') : canvas.toDataURL('image/jpeg', 0.9);
}

/** The picture that goes with the next question: chosen, dropped, pasted or photographed. */
export class PictureInput {
  onChange: (picture: string | null) => void = () => {};
  onProblem: (message: string) => void = () => {};
  private picture: string | null = null;

  constructor() {
    const file = byId<HTMLInputElement>('picture-file');
    file.addEventListener('change', () => {
      if (file.files?.[0]) void this.take(file.files[0]);
      file.value = '';
    });
    byId('picture-choose').addEventListener('click', () => file.click());
    byId('picture-camera').addEventListener('click', () => void this.photograph());
    byId('picture-remove').addEventListener('click', () => this.set(null));
    document.addEventListener('dragover', (event) => {
      event.preventDefault();
      document.body.classList.add('dragging');
    });
    document.addEventListener('dragleave', (event) => {
      if (event.relatedTarget === null) document.body.classList.remove('dragging');
    });
    document.addEventListener('drop', (event) => {
      event.preventDefault();
      document.body.classList.remove('dragging');
      const dropped = event.dataTransfer?.files[0];
      if (dropped) void this.take(dropped);
    });
    document.addEventListener('paste', (event) => {
      const pasted = [...(event.clipboardData?.files ?? [])].find((item) => item.type.startsWith('image/'));
      if (!pasted) return;
      event.preventDefault();
      void this.take(pasted);
    });
  }

  /** The picture, which is not kept here any longer. */
  claim(): string | null {
    const picture = this.picture;
    if (picture) this.set(null);
    return picture;
  }

  private async take(file: Blob): Promise<void> {
    try {
      this.set(await readPicture(file));
    } catch (error) {
      this.onProblem(error instanceof Error ? error.message : String(error));
    }
  }

  private set(picture: string | null): void {
    this.picture = picture;
    const preview = byId<HTMLImageElement>('picture-preview');
    if (picture) preview.src = picture;
    else preview.removeAttribute('src');
    byId('picture-waiting').hidden = picture === null;
    this.onChange(picture);
  }

  private async photograph(): Promise<void> {
    const dialog = byId<HTMLDialogElement>('camera');
    const video = byId<HTMLVideoElement>('camera-video');
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    } catch {
      this.onProblem('There is no camera, or the browser does not let this page use it. Choose a file instead.');
      return;
    }
    video.srcObject = stream;
    dialog.returnValue = '';
    dialog.showModal();
    dialog.addEventListener('close', () => {
      if (dialog.returnValue === 'take' && video.videoWidth > 0) this.set(encode(video, video.videoWidth, video.videoHeight));
      for (const track of stream.getTracks()) track.stop();
      video.srcObject = null;
    }, { once: true });
  }
}

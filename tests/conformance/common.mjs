// What the scripts share: node SCRIPT.mjs http://127.0.0.1:8080 MODEL [KEY]
import { readFileSync } from 'node:fs';

export const [base, model, key = 'unused'] = process.argv.slice(2);
if (!model) {
  console.error('usage: node SCRIPT.mjs http://127.0.0.1:8080 MODEL [KEY]');
  process.exit(2);
}

export function check(condition, what) {
  if (!condition) throw new Error(what);
}

/** A sample question as 16-bit PCM at 24 kHz (the file has 16 kHz), with silence around it. */
export function question() {
  const file = readFileSync(new URL('../../samples/sum.wav', import.meta.url));
  const data = file.subarray(file.indexOf('data') + 8);
  const samples = new Int16Array(data.buffer.slice(data.byteOffset, data.byteOffset + (data.length & ~1)));
  const spoken = new Int16Array(Math.floor(samples.length * 1.5));
  for (let i = 0; i < spoken.length; i++) {
    const at = i / 1.5;
    const low = Math.floor(at);
    spoken[i] = samples[low] + (at - low) * ((samples[low + 1] ?? 0) - samples[low]);
  }
  const all = new Int16Array(7200 + spoken.length + 24000);
  all.set(spoken, 7200);
  return Buffer.from(all.buffer);
}

/** Ends the process: with the name of what passed, or with what went wrong, or when nothing happens for too long. */
export async function run(name, test) {
  const limit = setTimeout(() => fail(new Error('nothing happened for 180 s')), 180_000);
  try {
    await test();
    console.log(`${name}: passed`);
    clearTimeout(limit);
    process.exit(0);
  } catch (error) {
    fail(error);
  }
  function fail(error) {
    console.error(`${name}: ${error.stack ?? error}`);
    process.exit(1);
  }
}

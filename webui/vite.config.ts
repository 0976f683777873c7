import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

const sources = import.meta.dirname;
const output = join(sources, '../src/Emova.Server/wwwroot');

/** SHA-256 over the names and contents of files in the order of their names, so that another program can compute it as well. */
function digest(root: string, files: string[]): string {
  const hash = createHash('sha256');
  for (const file of files.map((path) => relative(root, path).replaceAll('\\', '/')).sort()) {
    hash.update(`${file}\n`);
    hash.update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Writes what the bundle was built from: a test of the server compares it with the sources, without needing Node.js. */
function stamp(): Plugin {
  return {
    name: 'stamp',
    apply: 'build',
    closeBundle() {
      const inputs = [...filesBelow(join(sources, 'src')), ...['index.html', 'package.json', 'package-lock.json', 'vite.config.ts'].map((name) => join(sources, name))];
      const built = filesBelow(output).filter((path) => !path.endsWith('bundle.sha256'));
      writeFileSync(join(output, 'bundle.sha256'), `${digest(sources, inputs)}  sources\n${digest(output, built)}  bundle\n`);
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [stamp()],
  worker: { format: 'es', rollupOptions: { output: { entryFileNames: '[name].js' } } },
  build: {
    outDir: output,
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // Plain names: the server sends an entity tag, and a change of the page shows as a change of these files.
    rollupOptions: { output: { entryFileNames: 'app.js', chunkFileNames: '[name].js', assetFileNames: '[name][extname]' } },
  },
});

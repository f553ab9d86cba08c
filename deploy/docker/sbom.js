/*
 * npm run sbom: writes a bill of materials (CycloneDX) of the packages in the image to dist/sbom.cdx.json.
 *
 * `npm sbom --omit dev` alone leaves out every package that development needs too, among them `pg`. So npm is given
 * a lock file that holds the packages of production and nothing else, and what it makes is compared with that.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

const manifest = readJson('package.json');
const lock = readJson('package-lock.json');
delete manifest.devDependencies;
delete lock.packages[''].devDependencies;
for (const [path, { dev, optional, devOptional }] of Object.entries(lock.packages)) {
  if (dev || optional || devOptional) delete lock.packages[path];
}

const directory = mkdtempSync(join(tmpdir(), 'sbom-'));
let sbom;
try {
  writeFileSync(join(directory, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify(lock));
  const npm = ['sbom', '--package-lock-only', '--omit=optional', '--sbom-format=cyclonedx'];
  const options = { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 64e6 };
  sbom = JSON.parse(execFileSync('npm', [...npm, '--sbom-type=application'], options).toString());
} finally {
  rmSync(directory, { recursive: true, force: true });
}
// npm takes the name of the folder.
sbom.metadata.component.name = manifest.name;

const listed = new Set(
  sbom.components.map(
    ({ group, name, version }) => `${group ? `${group}/` : ''}${name}@${version}`,
  ),
);
const missing = Object.entries(lock.packages)
  .filter(([path]) => path !== '')
  .map(([path, { version }]) => `${path.split('node_modules/').at(-1)}@${version}`)
  .filter((name) => !listed.has(name));
if (missing.length > 0) throw new Error(`missing in the bill of materials: ${missing.join(', ')}`);

mkdirSync('dist', { recursive: true });
writeFileSync('dist/sbom.cdx.json', `${JSON.stringify(sbom, null, 2)}\n`);
process.stdout.write(`dist/sbom.cdx.json: ${sbom.components.length} packages\n`);

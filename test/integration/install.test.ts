import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run, type Finished } from '../support/processes.js';

/* `npm ci` as a new user runs it: with the Node and npm of the host, in a folder with nothing but the manifest. */

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-install-'));
  for (const name of ['package.json', 'package-lock.json', '.npmrc']) {
    await cp(name, join(directory, name));
  }
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Resolves the whole tree from the lock file and installs nothing. */
function npmCi(): Promise<Finished> {
  const path = (process.env['PATH'] ?? '').split(delimiter);
  const hostPath = path.filter((folder) => !folder.includes('node_modules')).join(delimiter);
  return run(
    ['ci', '--dry-run', '--ignore-scripts', '--prefix', directory],
    { PATH: hostPath, HOME: directory },
    'npm',
  );
}

it('prints no warning for npm ci on the installed Node', async () => {
  expect(await npmCi()).toMatchObject({ code: 0, stderr: '' });
});

it('reports an error of npm ci', async () => {
  await rm(join(directory, 'package-lock.json'));
  const { code, stderr } = await npmCi();
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('npm error') });
});

import { cp, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run } from '../support/processes.js';

/* When `npm run gateway` and `npm start` build: in a copy of the manifest, with a compiler that counts its calls. */

let directory: string;
const file = (name: string): string => join(directory, name);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-build-'));
  await cp('package.json', file('package.json'));
  for (const name of ['src/jobs', 'migrations', 'node_modules/.bin']) {
    await mkdir(file(name), { recursive: true });
  }
  for (const name of ['src/main.ts', 'src/jobs/a.ts', 'tsconfig.json', 'nest-cli.json'])
    await writeFile(file(name), '');
  await writeFile(file('package-lock.json'), '{}');
  await writeFile(file('node_modules/.bin/nest'), '#!/bin/sh\nprintf x >> built\n', {
    mode: 0o755,
  });
  await build();
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Returns how often the compiler has run. */
async function build(): Promise<number> {
  const args = ['run', '--silent', 'build:changed', '--prefix', directory];
  expect(await run(args, { HOME: directory }, 'npm')).toMatchObject({ code: 0, stderr: '' });
  return (await readFile(file('built'), 'utf8')).length;
}

it('does not build if nothing has changed', async () => {
  expect(await build()).toBe(1);
});

it.each(['src/jobs/a.ts', 'nest-cli.json', 'package-lock.json'])(
  'builds after a change of %s',
  async (name) => {
    const later = new Date(Date.now() + 1000);
    await utimes(file(name), later, later);
    expect(await build()).toBe(2);
  },
);

it('builds after a source was deleted', async () => {
  await rm(file('src/jobs/a.ts'));
  expect(await build()).toBe(2);
});

it('builds again if the last build failed', async () => {
  await rm(file('src/jobs/a.ts'));
  await writeFile(file('node_modules/.bin/nest'), '#!/bin/sh\nexit 1\n');
  const args = ['run', '--silent', 'build:changed', '--prefix', directory];
  expect(await run(args, { HOME: directory }, 'npm')).toMatchObject({ code: 1 });
  await writeFile(file('node_modules/.bin/nest'), '#!/bin/sh\nprintf x >> built\n');
  expect(await build()).toBe(2);
});

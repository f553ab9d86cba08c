import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Package {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
}

/** Those that ask for no more than to be named. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  '(MIT OR CC0-1.0)',
  'Python-2.0',
  'Unlicense',
]);

/** In the image of the sandbox, though the gateway does not have it. */
const SANDBOX = 'node_modules/unpdf';

it('ships only packages with permissive licenses', () => {
  const lock = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8');
  const { packages } = JSON.parse(lock) as { packages: Readonly<Record<string, Package>> };
  const shipped = Object.entries(packages).filter(
    ([path, { dev }]) => path !== '' && (dev !== true || path === SANDBOX),
  );
  expect(shipped.length).toBeGreaterThan(100);
  const others = shipped.filter(([, { license }]) => !ALLOWED.has(license ?? ''));
  expect(others.map(([path, { license }]) => `${path}: ${license ?? 'unknown'}`)).toEqual([]);
});

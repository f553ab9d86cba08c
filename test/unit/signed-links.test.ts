import { expect, it } from 'vitest';
import { replaceLinks } from '../../src/jobs/files/signed-links.js';

const PATH = '/v1/jobs/1/files/';
const PREFIX = `http://g${PATH}`;
const addressOf = (name: string): string | undefined =>
  name.startsWith('known') ? `http://g/files/${name}?s="1"` : undefined;

async function replaced(text: string, chunkBytes: number): Promise<string> {
  async function* chunks(): AsyncGenerator<Buffer> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  const parts: Buffer[] = [];
  for await (const part of replaceLinks(chunks(), PATH, addressOf)) parts.push(part);
  return Buffer.concat(parts).toString();
}

it.each([1, 2, 7, 30, 1000])(
  'replaces the links to known files in chunks of %i bytes',
  async (size) => {
    const text = JSON.stringify({
      a: `${PREFIX}known-1.png`,
      b: [`${PREFIX}other.png`, `see ${PREFIX}known-1.png`],
      c: 'http://g/v1/jobs/2/files/known-1.png',
      d: `${PREFIX}known-2.pdf`,
    });
    expect(JSON.parse(await replaced(text, size))).toEqual({
      a: 'http://g/files/known-1.png?s="1"',
      b: [`${PREFIX}other.png`, 'see http://g/files/known-1.png?s="1"'],
      c: 'http://g/v1/jobs/2/files/known-1.png',
      d: 'http://g/files/known-2.pdf?s="1"',
    });
  },
);

it.each([1, 7, 1000])(
  'replaces links with an earlier address in chunks of %i bytes',
  async (size) => {
    const text = JSON.stringify({
      a: `https://old.example.com:8443/base${PATH}known-1.png`,
      b: `http://x,http://old${PATH}known-1.png`,
      c: `at${PATH}known-1.png`,
    });
    expect(JSON.parse(await replaced(text, size))).toEqual({
      a: 'http://g/files/known-1.png?s="1"',
      b: 'http://x,http://g/files/known-1.png?s="1"',
      c: `at${PATH}known-1.png`,
    });
  },
);

it.each([1, 50, 1000])('keeps text without links in chunks of %i bytes', async (size) => {
  const text = JSON.stringify({ text: `${PREFIX}${'x'.repeat(500)}`, end: PREFIX });
  expect(await replaced(text, size)).toBe(text);
});

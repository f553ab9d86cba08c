import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { describe, expect, it } from 'vitest';
import { SEND_ERRORS } from '../../src/deliveries/sending/send-error.js';
import { JOB_STATUSES, TERMINAL_STATUSES, TRANSITIONS } from '../../src/jobs/job-status.js';
import { SETTING_TABLE } from '../../src/platform/config/setting-table.js';
import { UPSTREAM_ERROR_NAMES } from '../../src/reducto/errors/upstream-error-names.js';
import { ERROR_CODES } from '../../src/platform/errors/error-codes.js';

const pathOf = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));
const read = (file: string): string => readFileSync(pathOf(file), 'utf8');

/** The text of `file` with `rows` in the table whose first heading is that of `header`. */
async function withTable(
  file: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): Promise<string> {
  const table = new RegExp(`^\\| ${header[0]} .*\\n(?:\\|.*\\n)+`, 'm');
  const text = read(file);
  if (!table.test(text)) throw new Error(`${file} has no table that begins with "${header[0]}"`);
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  const lines = [header, header.map(() => '---'), ...rows].map(line).join('');
  const options = await resolveConfig(pathOf(file));
  return format(
    text.replace(table, () => lines),
    { ...options, parser: 'markdown' },
  );
}

/** The arrows `from --> to` of the state diagram, without the labels. */
function arrowsOfStateDiagram(file: string): string[] {
  const diagram = /```mermaid\nstateDiagram-v2\n([\s\S]*?)```/.exec(read(file))?.[1];
  if (diagram === undefined) throw new Error(`${file} has no state diagram`);
  return diagram.split('\n').flatMap((line) => {
    const arrow = /^\s*(\S+) --> ([^\s:]+)/.exec(line);
    return arrow === null ? [] : [`${arrow[1]} --> ${arrow[2]}`];
  });
}

/* `npm run docs:tables` writes the tables. */
describe('tables of the documentation', () => {
  it('docs/configuration.md lists every setting with its default and its meaning', async () => {
    const file = 'docs/configuration.md';
    const rows = Object.entries(SETTING_TABLE).map(([name, row]) => [
      `\`${name}\``,
      row.default === '' ? '–' : `\`${row.default}\``,
      row.description,
    ]);
    const text = await withTable(file, ['setting', 'default', 'meaning'], rows);
    await expect(text).toMatchFileSnapshot(pathOf(file));
  });

  it('docs/api-errors.md lists every error code with its status and its title', async () => {
    const file = 'docs/api-errors.md';
    const rows = Object.entries(ERROR_CODES).map(([code, { status, title }]) => [
      `\`${code}\``,
      String(status),
      title,
    ]);
    const text = await withTable(file, ['code', 'status', 'title'], rows);
    await expect(text).toMatchFileSnapshot(pathOf(file));
  });

  it('docs/reducto.md lists every known name of an error with what it implies', async () => {
    const file = 'docs/reducto.md';
    const rows = [...UPSTREAM_ERROR_NAMES].map(([name, { retryable, advice }]) => [
      `\`${name}\``,
      retryable ? 'yes' : 'no',
      advice,
    ]);
    const text = await withTable(file, ['error name', 'retryable', 'what to do'], rows);
    await expect(text).toMatchFileSnapshot(pathOf(file));
  });

  it('docs/events.md lists every error of an attempt', async () => {
    const file = 'docs/events.md';
    const rows = Object.entries(SEND_ERRORS).map(([code, message]) => [`\`${code}\``, message]);
    const text = await withTable(file, ['code', 'what happened'], rows);
    await expect(text).toMatchFileSnapshot(pathOf(file));
  });
});

describe('state diagram', () => {
  it.each(['README.md', 'docs/job-lifecycle.md'])(
    '%s draws the transitions of a job, and no others',
    (file) => {
      const expected = [
        '[*] --> queued',
        ...JOB_STATUSES.flatMap((from) => TRANSITIONS[from].map((to) => `${from} --> ${to}`)),
        ...TERMINAL_STATUSES.map((status) => `${status} --> [*]`),
      ];
      expect(arrowsOfStateDiagram(file).toSorted()).toEqual(expected.toSorted());
    },
  );
});

it('README.md has at most 8 KB', () => {
  expect(Buffer.byteLength(read('README.md'))).toBeLessThanOrEqual(8192);
});

it('docs/architecture.md has at most 2,500 words', () => {
  expect(read('docs/architecture.md').split(/\s+/).length).toBeLessThanOrEqual(2500);
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { JOB_STATUSES, TERMINAL_STATUSES, TRANSITIONS } from '../../src/jobs/job-status.js';
import { SETTING_TABLE } from '../../src/platform/config/setting-table.js';
import { ERROR_CODES } from '../../src/platform/errors/error-codes.js';
import { tablesUnder } from '../support/markdown.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** The cells of the Markdown table whose first heading is `heading`, row by row. */
function tableUnder(heading: string): string[][] {
  const rows = tablesUnder(readme, heading);
  if (rows.length === 0) throw new Error(`README.md has no table that begins with "${heading}"`);
  return rows;
}

/** The arrows `from --> to` of the state diagram, without the labels. */
function arrowsOfStateDiagram(): string[] {
  const diagram = /```mermaid\nstateDiagram-v2\n([\s\S]*?)```/.exec(readme)?.[1];
  if (diagram === undefined) throw new Error('README.md has no state diagram');
  return diagram.split('\n').flatMap((line) => {
    const arrow = /^\s*(\S+) --> ([^\s:]+)/.exec(line);
    return arrow === null ? [] : [`${arrow[1]} --> ${arrow[2]}`];
  });
}

describe('README', () => {
  it('lists every setting with its default and its meaning', () => {
    const expected = Object.entries(SETTING_TABLE).map(
      ([name, { default: fallback, description: about }]) => [
        `\`${name}\``,
        fallback === '' ? '–' : `\`${fallback}\``,
        about,
      ],
    );
    expect(tableUnder('setting')).toEqual(expected);
  });

  it('draws the transitions of a job, and no others', () => {
    const expected = [
      '[*] --> queued',
      ...JOB_STATUSES.flatMap((from) => TRANSITIONS[from].map((to) => `${from} --> ${to}`)),
      ...TERMINAL_STATUSES.map((status) => `${status} --> [*]`),
    ];
    expect(arrowsOfStateDiagram().toSorted()).toEqual(expected.toSorted());
  });

  it('lists every error code with its status and its title', () => {
    const expected = Object.entries(ERROR_CODES).map(([code, { status, title }]) => [
      `\`${code}\``,
      String(status),
      title,
    ]);
    expect(tableUnder('code')).toEqual(expected);
  });
});

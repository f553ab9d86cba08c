import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** A metric in a query, with its label matchers. */
export interface SelectedMetric {
  readonly name: string;
  readonly labels: readonly { readonly name: string; readonly values: readonly string[] }[];
}

/** The metrics of the gateway in `query`, by their names in the query (with `_bucket`, for example). */
export function selectedBy(query: string): SelectedMetric[] {
  const selector =
    /\b((?:gateway|process|nodejs)[a-z_:]*[a-z0-9_]*|up)\b(?!\s*\()(?:\{([^}]*)\})?/g;
  const hidden = query.replaceAll(/"[^"]*"/g, (text) => `"${'0'.repeat(text.length - 2)}"`);
  return [...hidden.matchAll(selector)].map((match) => {
    const [, name = '', labels = ''] = match;
    const at = match.index + match[0].length - 1 - labels.length;
    const original = labels === '' ? '' : query.slice(at, at + labels.length);
    return {
      name,
      labels: [...original.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)].map(
        ([, label = '', value = '']) => ({ name: label, values: value.split('|') }),
      ),
    };
  });
}

/** The labels that `query` groups by or joins on. */
export function groupedBy(query: string): string[] {
  return [...query.matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g)].flatMap(
    ([, list = '']) =>
      list
        .split(',')
        .map((label) => label.trim())
        .filter((label) => label !== ''),
  );
}

/** Whether Prometheus' promtool is installed. */
export const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

/** Runs promtool; throws with its output if it fails. */
export function promtool(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`promtool ${args.join(' ')}:\n${stdout}${stderr}`);
  return stdout;
}

/** Checks the syntax of `queries` with promtool. */
export function checkQueries(queries: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'queries-'));
  try {
    const rules = queries.map((expr, n) => ({ record: `query:${n}`, expr }));
    const file = join(folder, 'rules.yml');
    writeFileSync(file, stringify({ groups: [{ name: 'queries', rules }] }));
    return promtool('check', 'rules', '--lint=none', file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

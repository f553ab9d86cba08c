import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/* The project uses the field's terms. These words replaced them once, or have no actor. */

const BANNED =
  /\blook(?:s|ed|ing)? at\b|\bwhoever\b|\bshall\b|\bso many\b|\bof ours\b|\bdoors?\b|\bfigures?\b|\bstand-ins?\b|\bgoodbye\b|\bpatience\b|\btroubles?\b|\bhint(?:s|ed)?\b|\bwordings?\b/i;

/** Lines that need such a word, by file and part of the line. */
const EXCEPTIONS: readonly (readonly [file: string, part: string, reason: string])[] = [
  ['src/console/pages/callback-charts.tsx', 'figure>', 'the HTML element'],
  ['src/console/assets/console.css', 'figure', 'the HTML element'],
  ['src/sandbox/documents/document.ts', "'Figure'", 'a type of Reducto’s blocks'],
  ['src/sandbox/results/parse-result.ts', "igure'", 'a value of Reducto’s API'],
  ['docs/sandbox.md', '`figure`', 'a value of Reducto’s API'],
];

const PAGES = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'Dockerfile', 'docker-compose.yml'];
const FOLDERS = ['src', 'docs', 'deploy'];
const TEXT = /\.(?:ts|tsx|css|md|yml|yaml|json|sh|caddy|env|html)$/;

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && TEXT.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name));
}

/** The lines of `text` with a banned word and without an exception, as `file:line: text`. */
function violations(file: string, text: string): string[] {
  return text.split('\n').flatMap((line, n) => {
    const isException = EXCEPTIONS.some(([name, part]) => name === file && line.includes(part));
    return BANNED.test(line) && !isException
      ? [`${file}:${n + 1}: ${line.trim().slice(0, 160)}`]
      : [];
  });
}

/** Only the comments: applied migrations keep the names of their time. */
function commentsOf(source: string): string {
  const comments = source.match(/\/\*[\s\S]*?\*\/|\/\/.*$/gm) ?? [];
  return comments.join('\n');
}

/** The titles of all `describe`, `it`, and `test` calls, their `each` and `skipIf` forms included. */
function titlesOf(source: string): string {
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(?:describe|it|test)\b/.test(node.expression.getText())) {
      const [title] = node.arguments;
      if (
        title !== undefined &&
        (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title))
      ) {
        titles.push(title.getText());
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('test.ts', source, ts.ScriptTarget.Latest, true));
  return titles.join('\n');
}

describe('the language', () => {
  it('uses the terms of the field in src, docs, and deploy', async () => {
    const files = [...PAGES, ...(await Promise.all(FOLDERS.map(filesOf))).flat()];
    const texts = await Promise.all(
      files.map(async (file) => [file, await readFile(file, 'utf8')]),
    );
    expect(texts.flatMap(([file = '', text = '']) => violations(file, text))).toEqual([]);
  });

  it('uses the terms of the field in the comments of migrations', async () => {
    const files = await filesOf('migrations');
    const texts = await Promise.all(
      files.map(async (file) => [file, await readFile(file, 'utf8')]),
    );
    const found = texts.flatMap(([file = '', text = '']) => violations(file, commentsOf(text)));
    expect(found).toEqual([]);
  });

  it('uses the terms of the field in the names of tests', async () => {
    const files = (await filesOf('test')).filter((file) => file.endsWith('.test.ts'));
    const texts = await Promise.all(
      files.map(async (file) => [file, await readFile(file, 'utf8')]),
    );
    expect(texts.flatMap(([file = '', text = '']) => violations(file, titlesOf(text)))).toEqual([]);
  });

  it('finds banned words in lines and titles', () => {
    expect(violations('a.ts', 'fine\nWhoever looks at it')).toEqual([
      'a.ts:2: Whoever looks at it',
    ]);
    expect(titlesOf(`describe.skipIf(x)('a door', () => { it.each([1])('a hint %i', f); });`)).toBe(
      `'a door'\n'a hint %i'`,
    );
  });

  it('has at most ten exceptions, each with a reason', () => {
    expect(EXCEPTIONS.length).toBeLessThanOrEqual(10);
    expect(EXCEPTIONS.every(([, , reason]) => reason !== '')).toBe(true);
  });
});

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const PAGES = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...globSync('{docs,deploy}/**/*.md')];
const FILES = globSync('{*,.*,{src,migrations,test,deploy,docs}/**/*}');
/** Files that a build or an operator creates. */
const CREATED = /^(\/app\/)?dist\/|^deploy\/tls\/.*\.(crt|key)$/;

const read = (page: string): string => readFileSync(page, 'utf8');

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  const text = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_\- ]/gu, '');
  return text.replaceAll(' ', '-');
}

function anchorsOf(page: string): string[] {
  const prose = read(page).replaceAll(/```[\s\S]*?```/g, '');
  return [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!existsSync(target)) return false;
  return anchor === undefined || !target.endsWith('.md') || anchorsOf(target).includes(anchor);
}

describe.each(PAGES)('%s', (page) => {
  it('links only to pages and headings that exist', () => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    const broken = links.filter((link) => !/^https?:/.test(link) && !leadsSomewhere(page, link));
    expect(broken).toEqual([]);
  });

  it('names only files that exist', () => {
    const named = [
      ...read(page).matchAll(/`((?:[\w.-]+\/)+[\w.-]+\.(?:tsx?|js|css|ya?ml|json|md|sh))`/g),
    ];
    const paths = named.map(([, path = '']) => path).filter((path) => !CREATED.test(path));
    const missing = paths.filter((path) => !FILES.some((file) => `/${file}`.endsWith(`/${path}`)));
    expect(missing).toEqual([]);
  });
});

import type { ResultLink } from '../results/result-content.js';

/** A file that a result links to. */
export interface WantedFile {
  readonly url: string;
  /** The name without its extension. */
  readonly stem: string;
  /** The same place of the same result, also if the link was signed again. */
  readonly key: string;
}

/** Bounds the memory for links; Reducto makes at most a few for each page. */
export const MAX_LINKS = 10_000;

/** A query that makes a URL valid for a while: of S3, Google, Azure, CloudFront, and of Reducto’s own storage. */
const SIGNED = /[?&](?:x-amz-signature|x-goog-signature|signature|sig|token|expires)=/i;

/** Whether a link expires, as its query tells. */
export function isSigned(url: string): boolean {
  return SIGNED.test(url);
}

/** The files behind `links`, each URL once, named by what the link is for and by their order in the result. */
export function wantedFiles(links: readonly ResultLink[]): WantedFile[] {
  const wanted = new Map<string, WantedFile>();
  const counts = new Map<string, number>();
  for (const { kind, link } of links) {
    if (wanted.has(link)) continue;
    const n = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, n);
    const isOnly = kind === 'document' && n === 1;
    const stem = isOnly ? kind : `${kind}-${String(n).padStart(4, '0')}`;
    wanted.set(link, { url: link, stem, key: `${stem} ${link.split(/[?#]/, 1)[0]}` });
  }
  return [...wanted.values()];
}

import {
  applyEdits,
  decodeString,
  findStrings,
  type FoundString,
} from '../../platform/json/json-text.js';

/**
 * A `jobid://<id>` in a request means the result of an earlier job. Services know only the gateway's ids, so each is
 * looked up among the service's own jobs and replaced by Reducto's id before it is sent.
 */
export interface JobReference extends FoundString {
  /** What follows the scheme, as it was written. */
  readonly id: string;
}

/** More than that in one request are refused. */
export const MAX_REFERENCES = 1000;

/** Whatever may be stripped before a reader sees the scheme. */
const REFERENCE = /^[\s\p{C}\p{Z}]*jobid:\/\/(.*)$/isu;

/** All references in a request, at most one more than `MAX_REFERENCES`. */
export function findReferences(request: string): JobReference[] {
  return findStrings(request, isReferenceAt, MAX_REFERENCES + 1).flatMap((found) => {
    const [, id = ''] = REFERENCE.exec(found.value) ?? [];
    return { ...found, id: id.trim() };
  });
}

/** `request` with the id of every job replaced; `upstreamIdOf` must know them all. */
export function translateReferences(
  request: string,
  references: readonly JobReference[],
  upstreamIdOf: ReadonlyMap<string, string>,
): string {
  const edits = references.map(({ id, span }) => {
    const upstreamId = upstreamIdOf.get(id.toLowerCase());
    if (upstreamId === undefined) throw new Error('a referenced job has no upstream id');
    return { ...span, replacement: JSON.stringify(`jobid://${upstreamId}`) };
  });
  return applyEdits(request, edits);
}

/** Tests the first character before it decodes the string, because a large request holds many strings. */
function isReferenceAt(text: string, start: number, end: number): boolean {
  if (end - start < 'jobid://'.length || !canBeginReference(text.charCodeAt(start))) return false;
  return REFERENCE.test(decodeString(text, { start: start - 1, end: end + 1 }));
}

function canBeginReference(code: number): boolean {
  return code <= 0x20 || code > 0x7e || 'jJ\\'.includes(String.fromCharCode(code));
}

import { applyEdits } from '../../platform/json/json-edits.js';
import { findStrings, type FoundString } from '../../platform/json/json-strings.js';
import { matchStripped, readBeginning, skipIgnorable } from './reference-text.js';

/**
 * A `jobid://<id>` in a request means the result of an earlier job. Services know only the gateway's ids, so each is
 * looked up among the service's own jobs and replaced by Reducto's id before it is sent.
 */
export interface JobReference extends FoundString {
  /** The text after the scheme. */
  readonly id: string;
}

/** Maximum number of references in one request. */
export const MAX_REFERENCES = 1000;

const SCHEME = 'jobid://';

/** All references in a request, at most one more than `MAX_REFERENCES`. */
export async function findReferences(request: string): Promise<JobReference[]> {
  const found = await findStrings(request, isReferenceAt, MAX_REFERENCES + 1);
  return found.map((string) => {
    const { value } = string;
    const id = value.slice(skipIgnorable(value, 0, value.length, 'decoded') + SCHEME.length);
    return { ...string, id: id.trim() };
  });
}

/** Replaces the id of every reference; `upstreamIdOf` must contain them all. */
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

const isReferenceAt = matchStripped(
  (text, start, end) => readBeginning(text, start, end, SCHEME.length).toLowerCase() === SCHEME,
);

import { validate as isUuid } from 'uuid';

/**
 * `jobid://<id>` in an input means the result of an earlier job. Services know only the gateway's ids,
 * so each is looked up among the service's own jobs and replaced by Reducto's id before it is sent.
 */
const REFERENCE = /^\s*jobid:\/\/(.*)$/is;

/** The ids behind every `jobid://` in `input`, as they were written. */
export function referencedIds(input: unknown): string[] {
  const found: string[] = [];
  mapReferences(input, (id) => {
    found.push(id);
    return id;
  });
  return found;
}

/** Whether a text is such a reference, wherever it stands. */
export function isReference(value: unknown): boolean {
  return typeof value === 'string' && REFERENCE.test(value);
}

export function isJobId(id: string): boolean {
  return isUuid(id);
}

/** `input` with every referenced id replaced; `upstreamIdOf` must know them all. */
export function translateReferences(
  input: unknown,
  upstreamIdOf: ReadonlyMap<string, string>,
): unknown {
  return mapReferences(input, (id) => {
    const upstreamId = upstreamIdOf.get(id.toLowerCase());
    if (upstreamId === undefined) throw new Error('a referenced job has no upstream id');
    return upstreamId;
  });
}

function mapReferences(value: unknown, replace: (id: string) => string): unknown {
  if (typeof value === 'string') {
    const id = REFERENCE.exec(value)?.[1]?.trim();
    return id === undefined ? value : `jobid://${replace(id)}`;
  }
  if (Array.isArray(value)) return value.map((item) => mapReferences(item, replace));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, mapReferences(item, replace)]),
    );
  }
  return value;
}

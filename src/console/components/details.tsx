import type { JSX } from 'preact';
import { isRecord } from '../../platform/json/is-record.js';
import { Untrusted, None } from './widgets.js';

const MAX_FIELDS = 20;

/** A small object as names with values. `ours`: the gateway chose the names; `labels`: words for some of them. */
export function Details({
  value,
  ours,
  labels = {},
}: {
  value: unknown;
  ours?: boolean;
  labels?: Readonly<Record<string, string>>;
}): JSX.Element {
  const fields = isRecord(value) ? Object.entries(value) : [];
  const given = ours === true ? fields.filter(([, field]) => field !== null) : fields;
  if (given.length === 0) return <None />;
  return (
    <ul class="details">
      {given.slice(0, MAX_FIELDS).map(([name, field]) => (
        <li key={name}>
          <span class="muted">
            <Untrusted text={labels[name] ?? (ours === true ? spreadOut(name) : name)} />
          </span>{' '}
          <Untrusted text={wordsOf(field)} />
        </li>
      ))}
      {given.length > MAX_FIELDS ? <li class="muted">and more</li> : null}
    </ul>
  );
}

const LABELS: Readonly<Record<string, string>> = {
  settledBy: 'reported by',
  sizeBytes: 'bytes',
};

/** `nextPollInSeconds` as `next poll in seconds`. */
function spreadOut(name: string): string {
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return LABELS[name] ?? words.replace(/\bid(s?)\b/g, 'ID$1');
}

function wordsOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(wordsOf).join(', ');
  if (!isRecord(value)) return JSON.stringify(value) ?? '';
  const parts = Object.entries(value).map(([name, field]) => `${name} ${wordsOf(field)}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

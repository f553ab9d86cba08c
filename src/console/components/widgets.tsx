import type { ComponentChildren, JSX } from 'preact';
import { printable } from '../../audit/redacted-request.js';
import type { Session } from '../session/sessions.service.js';

/* Small parts of pages. */

export function CsrfField({ session }: { session: Session }): JSX.Element {
  return <input type="hidden" name="csrf" value={session.csrf} />;
}

/** Hidden fields that repeat the filter of a page in a form. */
export function HiddenFields({
  values,
}: {
  values: Readonly<Record<string, string | undefined>>;
}): JSX.Element {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  return (
    <>
      {given.map(([name, value]) => (
        <input key={name} type="hidden" name={name} value={value} />
      ))}
    </>
  );
}

/** Untrusted text: its writing direction is isolated, and control characters are escaped. */
export function Untrusted({ text, code }: { text: string; code?: boolean }): JSX.Element {
  const shown = printable(text, 2000);
  return code === true ? (
    <code>
      <bdi>{shown}</bdi>
    </code>
  ) : (
    <bdi class="foreign">{shown}</bdi>
  );
}

/** An untrusted ID, name, or address; a dash where there is none. */
export function Code({ text }: { text: string | null | undefined }): JSX.Element {
  if (text === null || text === undefined || text === '') return <None />;
  return <Untrusted text={text} code />;
}

/** As `Code`; the script adds a button that copies it. */
export function Copyable({ text }: { text: string | null | undefined }): JSX.Element {
  if (text === null || text === undefined || text === '') return <None />;
  return (
    <span data-copy>
      <Code text={text} />
    </span>
  );
}

export function None(): JSX.Element {
  return (
    <span class="none" title="none">
      –
    </span>
  );
}

/** A time in UTC, to the second, or with `precise` to the millisecond. Tables hide the zone: their headings name it. */
export function Moment({
  at,
  precise = false,
}: {
  at: Date | string | null | undefined;
  precise?: boolean;
}): JSX.Element {
  if (at === null || at === undefined) return <None />;
  const iso = typeof at === 'string' ? at : at.toISOString();
  return (
    <time dateTime={iso} title={iso}>
      {iso.slice(0, 10)} <span class="clock">{iso.slice(11, precise ? 23 : 19)}</span>
      <span class="zone"> UTC</span>
    </time>
  );
}

export type Tone = 'good' | 'bad' | 'warn' | 'busy' | 'idle';

const SIGNS: Readonly<Record<Tone, string>> = {
  good: '✓',
  bad: '✕',
  warn: '!',
  busy: '…',
  idle: '–',
};

/** A status by color, sign, and word. */
export function Tag({ tone, children }: { tone: Tone; children: ComponentChildren }): JSX.Element {
  return (
    <span class={`tag ${tone}`}>
      <span class="sign" aria-hidden="true">
        {SIGNS[tone]}
      </span>
      {children}
    </span>
  );
}

/** Names with their values. */
export function Facts({
  facts,
}: {
  facts: readonly (readonly [name: string, value: ComponentChildren])[];
}): JSX.Element {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The outcome of an action, or a problem. */
export function Note({ tone, children }: { tone: Tone; children: ComponentChildren }): JSX.Element {
  return (
    <div class={`note ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <span class="sign" aria-hidden="true">
        {SIGNS[tone]}
      </span>
      <div>{children}</div>
    </div>
  );
}

export function Pager({ first, next }: { first?: string; next: string | undefined }): JSX.Element {
  return (
    <nav class="pager" aria-label="Pages">
      {first === undefined ? null : <a href={first}>« Newest</a>}
      {next === undefined ? (
        <span class="muted">No older entries.</span>
      ) : (
        <a href={next} rel="next">
          Older »
        </a>
      )}
    </nav>
  );
}

export function count(value: number): string {
  return value.toLocaleString('en-US').replaceAll(',', '\u202f');
}

/** A time as a `datetime-local` field takes it. */
export function formMoment(iso: string | undefined): string | undefined {
  return iso?.replace(/(\.000)?Z$/, '');
}

/** A list to choose from, with `any` unless it is `required`. */
export function Options<T extends string>({
  name,
  values,
  chosen,
  nameOf = (value) => value,
  required = false,
}: {
  name: string;
  values: readonly T[];
  chosen: string | undefined;
  nameOf?: (value: T) => string;
  required?: boolean;
}): JSX.Element {
  return (
    <select name={name}>
      {required ? null : <option value="">any</option>}
      {values.map((value) => (
        <option key={value} value={value} selected={chosen === value}>
          {nameOf(value)}
        </option>
      ))}
    </select>
  );
}

/** `120 ms`, `1.25 s`, then as `duration`. */
export function preciseDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.max(milliseconds, 0)} ms`;
  if (milliseconds < 10_000) return `${(milliseconds / 1000).toFixed(2)} s`;
  return duration(milliseconds / 1000);
}

/** `812 bytes`, `3.4 KB`, `12 MB`. */
export function bytes(size: number): string {
  if (size < 1000) return `${size} bytes`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  let value = size / 1000;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** `4.2 s`, `3 min`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(seconds, 0).toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

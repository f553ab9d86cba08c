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

/** Untrusted text of several lines, as it was sent. */
export function Sample({ text }: { text: string }): JSX.Element {
  const lines = text.split('\n').map((line) => printable(line, line.length * 6));
  return (
    <pre class="sample" tabIndex={0}>
      <bdi>{lines.join('\n')}</bdi>
    </pre>
  );
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

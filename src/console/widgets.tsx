import type { ComponentChildren, JSX } from 'preact';
import { printable } from '../audit/redacted-request.js';
import type { Session } from './sessions.js';

/* The small parts that pages are made of. */

export function CsrfField({ session }: { session: Session }): JSX.Element {
  return <input type="hidden" name="csrf" value={session.csrf} />;
}

/** Hidden fields, for a form that repeats what a page was asked for. */
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

/** Text of strangers: on its own as far as the direction of writing goes, and without control characters. */
export function Foreign({ text, code }: { text: string; code?: boolean }): JSX.Element {
  const shown = printable(text, 2000);
  return code === true ? (
    <code>
      <bdi>{shown}</bdi>
    </code>
  ) : (
    <bdi class="foreign">{shown}</bdi>
  );
}

/** An id, a name or an address of a stranger; a dash where there is none. */
export function Code({ text }: { text: string | null | undefined }): JSX.Element {
  if (text === null || text === undefined || text === '') return <None />;
  return <Foreign text={text} code />;
}

export function None(): JSX.Element {
  return (
    <span class="none" title="none">
      –
    </span>
  );
}

/** A moment in UTC, to the second. */
export function Moment({ at }: { at: Date | string | null | undefined }): JSX.Element {
  if (at === null || at === undefined) return <None />;
  const iso = typeof at === 'string' ? at : at.toISOString();
  return (
    <time dateTime={iso} title={iso}>
      {iso.slice(0, 10)} <span class="clock">{iso.slice(11, 19)}</span>
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

/** A status by colour, sign and word. */
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

/** What a page has to say of what was just done, or of what went wrong. */
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
        <span class="muted">That is all.</span>
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

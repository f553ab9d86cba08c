import type { JSX } from 'preact';
import type { RecheckDto } from '../../admin/refusal.dto.js';
import { DataTable } from '../components/data-table.js';
import { causeName, GUARD_NAMES } from '../text/refusal-help.js';
import { link } from '../components/page.js';
import type { FilterValues } from '../refusal-filter.js';
import { JobLink } from '../components/refusal-links.js';
import type { Session } from '../session/sessions.service.js';
import { Code, count, CsrfField, HiddenFields, Moment, Note } from '../components/widgets.js';

const MAX_JOBS_LISTED = 100;

interface RecheckProperties {
  readonly session: Session;
  readonly values: FilterValues;
  readonly found: RecheckDto;
  /** Jobs that are looked at now; absent for a dry run. */
  readonly polling?: number;
}

/** What the guards of today say of refusals; and, after it was accepted, what was done. */
export function Recheck({ session, values, found, polling }: RecheckProperties): JSX.Element {
  const guards = Object.entries(found.stillRefusedBy);
  return (
    <>
      <p class="back">
        <a href={link('/admin/refusals', values)}>« Refused callbacks</a>
      </p>
      <h1>{polling === undefined ? 'Re-check' : 'Accepted'}</h1>
      <FilterWords values={values} />
      <Verdict found={found} polling={polling} />
      <dl class="figures">
        <Figure name="Checked again" value={found.checked} />
        <Figure name="Would pass" value={found.wouldPass} />
        <Figure name="Still refused" value={found.stillRefused} />
        <Figure name="Not kept" value={found.notKept} />
        {found.keyMissing > 0 ? <Figure name="Key missing" value={found.keyMissing} /> : null}
        {found.unreadable > 0 ? <Figure name="Unreadable" value={found.unreadable} /> : null}
      </dl>
      {guards.length === 0 ? null : (
        <p>
          Still refused by{' '}
          {guards.map(([guard, number], n) => (
            <span key={guard}>
              {n === 0 ? '' : ', '}
              {guardName(guard)}: <b>{count(number)}</b>
            </span>
          ))}
          .
        </p>
      )}
      {found.complete ? null : (
        <Note tone="warn">
          There are more than one re-check takes. Narrow the filter, for instance by time, and go on
          from there.
        </Note>
      )}
      {polling === undefined && found.jobsOpen > 0 ? (
        <form class="accept" method="post" action="/admin/refusals/accept">
          <CsrfField session={session} />
          <HiddenFields values={values} />
          <button type="submit">
            {`Accept: look at ${count(found.jobsOpen)} ${found.jobsOpen === 1 ? 'job' : 'jobs'} now`}
          </button>
          <p class="muted">
            The gateway then asks Reducto how these jobs stand, as if the callbacks had come now. It
            is recorded that you did this.
          </p>
        </form>
      ) : null}
      <h2>Jobs</h2>
      <DataTable
        caption="Jobs of the callbacks that would pass"
        columns={[{ head: 'Job', main: true, cell: (id: string) => <JobLink id={id} /> }]}
        rows={found.jobs.slice(0, MAX_JOBS_LISTED)}
        keyOf={(id) => id}
        empty={<p>The jobs of callbacks that would pass are listed here. There are none.</p>}
      />
      {found.jobsTotal > MAX_JOBS_LISTED ? (
        <p class="muted">
          The first {MAX_JOBS_LISTED} of {count(found.jobsTotal)}.
        </p>
      ) : null}
    </>
  );
}

function Verdict({
  found,
  polling,
}: {
  found: RecheckDto;
  polling: number | undefined;
}): JSX.Element {
  if (polling !== undefined) {
    return polling > 0 ? (
      <Note tone="good">
        <p>
          {count(polling)} {polling === 1 ? 'job is' : 'jobs are'} being looked at. Open one to see
          how it goes on.
        </p>
      </Note>
    ) : (
      <Note tone="idle">
        <p>No job was waiting: nothing had to be done.</p>
      </Note>
    );
  }
  if (found.keyMissing > 0) {
    return (
      <Note tone="warn">
        <p>
          {count(found.keyMissing)} of these cannot be read: key missing. Put{' '}
          {found.missingKeys.join(', ')} back into AUDIT_KEYS to judge them. Of the{' '}
          {count(found.checked)} others, {count(found.wouldPass)} would pass now.
        </p>
      </Note>
    );
  }
  if (found.checked === 0) {
    return (
      <Note tone="idle">
        <p>None of these is kept for a re-check: they were only counted, or their time is over.</p>
      </Note>
    );
  }
  if (found.wouldPass === 0) {
    return (
      <Note tone="warn">
        <p>
          {found.notKept + found.unreadable > 0
            ? `All ${count(found.checked)} that could be judged would be refused again`
            : 'All of them would be refused again'}
          , with the settings that this process has now.
        </p>
      </Note>
    );
  }
  return (
    <Note tone="good">
      <p>
        {count(found.wouldPass)} of {count(found.checked)} would pass now. They concern{' '}
        {count(found.jobsTotal)} {found.jobsTotal === 1 ? 'job' : 'jobs'}, of which{' '}
        {count(found.jobsOpen)} {found.jobsOpen === 1 ? 'has' : 'have'} not ended.{' '}
        {found.jobsOpen === 0
          ? 'There is nothing to accept: only open jobs can be polled.'
          : 'Nothing has been changed yet.'}
      </p>
    </Note>
  );
}

function FilterWords({ values }: { values: FilterValues }): JSX.Element {
  const parts: JSX.Element[] = [];
  if (values.cause !== undefined) parts.push(<>cause: {causeName(values.cause)}</>);
  if (values.guard !== undefined) parts.push(<>guard: {guardName(values.guard)}</>);
  if (values.address !== undefined) {
    parts.push(
      <>
        address: <Code text={values.address} />
      </>,
    );
  }
  if (values.job !== undefined) {
    parts.push(
      <>
        job: <Code text={values.job} />
      </>,
    );
  }
  if (values.from !== undefined) {
    parts.push(
      <>
        received from <Moment at={values.from} />
      </>,
    );
  }
  if (values.to !== undefined) {
    parts.push(
      <>
        received before <Moment at={values.to} />
      </>,
    );
  }
  return (
    <p class="muted">
      {parts.length === 0 ? 'All refusals.' : 'Refusals: '}
      {parts.map((part, n) => (
        <span key={n}>
          {n === 0 ? '' : '; '}
          {part}
        </span>
      ))}
      {parts.length === 0 ? '' : '.'}
    </p>
  );
}

function Figure({ name, value }: { name: string; value: number }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{count(value)}</dd>
    </div>
  );
}

function guardName(guard: string): string {
  return Object.entries(GUARD_NAMES).find(([id]) => id === guard)?.[1].name ?? guard;
}

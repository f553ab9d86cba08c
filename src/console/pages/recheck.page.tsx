import type { JSX } from 'preact';
import type { Recheck as Found } from '../../admin/recheck.js';
import { isTerminal } from '../../jobs/job-status.js';
import type { CallbackJob } from '../../jobs/callback-jobs.service.js';
import { DataTable, type TableColumn } from '../components/data-table.js';
import { causeName, GUARD_NAMES } from '../text/refusal-help.js';
import { STATUS_TONES } from '../components/job-labels.js';
import { link } from '../components/page.js';
import type { FilterValues } from '../refusal-filter.js';
import { JobLink } from '../components/refusal-links.js';
import type { Session } from '../session/sessions.service.js';
import { count } from '../components/format.js';
import {
  Code,
  Copyable,
  CsrfField,
  HiddenFields,
  Moment,
  Note,
  Tag,
} from '../components/widgets.js';

const MAX_JOBS_LISTED = 100;

/** `confirm` asks before it is accepted; `accepted` comes after that. All three re-check anew. */
export type RecheckStep = 'recheck' | 'confirm' | 'accepted';

interface RecheckProperties {
  readonly session: Session;
  readonly step: RecheckStep;
  /** The filter as it was asked for, and with the end of its time fixed. */
  readonly asked: FilterValues;
  readonly values: FilterValues;
  readonly found: Found;
}

/** What today's guards decide about refused callbacks. */
export function Recheck(properties: RecheckProperties): JSX.Element {
  const { step, asked, values, found } = properties;
  const jobs = [...found.jobs.values()].map(({ job }) => job);
  const open = jobs.filter(({ status }) => !isTerminal(status));
  const guards = Object.entries(found.stillRefusedBy);
  return (
    <>
      <p class="back">
        <a href={link('/admin/refusals', asked)}>« Refused callbacks</a>
      </p>
      <h1>{HEADINGS[step]}</h1>
      <FilterWords values={values} />
      <Summary step={step} found={found} jobs={jobs.length} open={open.length} />
      {step === 'confirm' ? <Confirm {...properties} open={open.length} /> : null}
      {step === 'recheck' && open.length > 0 ? (
        <form class="accept" method="get" action="/admin/refusals/accept">
          <HiddenFields values={values} />
          <button type="submit">{`Accept ${callbackCount(found.wouldPass)}…`}</button>
          <p class="muted">The next page asks you to confirm.</p>
        </form>
      ) : null}
      <dl class="totals">
        <Total name="Re-checked" value={found.checked} />
        <Total name="Would pass" value={found.wouldPass} />
        <Total name="Still refused" value={found.stillRefused} />
        <Total name="Not kept" value={found.notKept} />
        {found.keyMissing > 0 ? <Total name="Key missing" value={found.keyMissing} /> : null}
        {found.unreadable > 0 ? <Total name="Changed" value={found.unreadable} /> : null}
      </dl>
      <ul class="muted">
        {guards.map(([guard, number]) => (
          <li key={guard}>
            The guard “{guardName(guard)}” still refuses {count(number)}.
          </li>
        ))}
        {found.notKept > 0 ? (
          <li>
            {count(found.notKept)} cannot be re-checked: their bodies were not kept, or were deleted
            because of their age. The reconciler polls their jobs.
          </li>
        ) : null}
        {found.unreadable > 0 ? (
          <li>{count(found.unreadable)} were changed in the database: verify the audit.</li>
        ) : null}
      </ul>
      {found.complete ? null : (
        <Note tone="warn">
          <p>
            More refusals match than one re-check reads, so these are the oldest of them. Choose a
            later “From” to re-check the others.
          </p>
        </Note>
      )}
      <h2>{step === 'accepted' ? 'Jobs' : 'Jobs of the callbacks that would pass'}</h2>
      <DataTable
        caption="Jobs of the callbacks that would pass"
        columns={JOB_COLUMNS}
        rows={[...open, ...jobs.filter(({ status }) => isTerminal(status))].slice(
          0,
          MAX_JOBS_LISTED,
        )}
        keyOf={({ id }) => id}
        empty={<p>None of these callbacks would pass for a job of this gateway.</p>}
      />
      {jobs.length > MAX_JOBS_LISTED ? (
        <p class="muted">
          The first {MAX_JOBS_LISTED} of {count(jobs.length)}, open jobs first.
        </p>
      ) : null}
    </>
  );
}

const HEADINGS: Readonly<Record<RecheckStep, string>> = {
  recheck: 'Re-check',
  confirm: 'Accept these callbacks?',
  accepted: 'Accepted',
};

const JOB_COLUMNS: readonly TableColumn<CallbackJob>[] = [
  { head: 'Job', main: true, cell: ({ id }) => <JobLink id={id} /> },
  {
    head: 'Status',
    cell: ({ status }) => <Tag tone={STATUS_TONES[status]}>{status}</Tag>,
  },
  { head: 'Upstream ID', cell: ({ upstreamId }) => <Copyable text={upstreamId} /> },
];

function Confirm({
  session,
  values,
  asked,
  found,
  open,
}: RecheckProperties & { open: number }): JSX.Element {
  return (
    <section class="confirm">
      <p>
        {open === 0
          ? 'There is nothing to accept: no open job would be polled.'
          : `The gateway polls ${jobCount(open)} now, as if ${callbackCount(found.wouldPass)} had arrived again. Refusals that are still refused stay as they are. The audit records that you did this.`}
      </p>
      <div class="actions">
        {open === 0 ? null : (
          <form method="post" action="/admin/refusals/accept">
            <CsrfField session={session} />
            <HiddenFields values={values} />
            <button type="submit">{`Accept, and poll ${jobCount(open)}`}</button>
          </form>
        )}
        <a href={link('/admin/refusals/recheck', asked)}>Back to the re-check</a>
      </div>
    </section>
  );
}

function Summary({
  step,
  found,
  jobs,
  open,
}: {
  step: RecheckStep;
  found: Found;
  jobs: number;
  open: number;
}): JSX.Element | null {
  const { checked, wouldPass, keyMissing, missingKeys, unreadable } = found;
  if (step === 'confirm') return null;
  if (step === 'accepted') {
    return (
      <Note tone="good">
        <p>
          {open === 0
            ? jobs === 0
              ? 'Accepted. None of these callbacks is for a job of this gateway.'
              : 'Accepted. All jobs have ended.'
            : `Accepted. The gateway polls the jobs. ${jobCount(open)} ${open === 1 ? 'is' : 'are'} still open: reload this page to see how ${open === 1 ? 'it ends' : 'they end'}.`}
        </p>
      </Note>
    );
  }
  if (keyMissing > 0) {
    return (
      <Note tone="warn">
        <p>
          {count(keyMissing)} of these cannot be read: key missing. Put {missingKeys.join(', ')}{' '}
          back into AUDIT_KEYS to re-check them. Of the {count(checked)} others, {count(wouldPass)}{' '}
          would pass now.
        </p>
      </Note>
    );
  }
  if (checked === 0) {
    return (
      <Note tone="idle">
        <p>
          There is nothing to accept: none of these callbacks can be re-checked. They were only
          counted, or their bodies were deleted because of their age.
        </p>
      </Note>
    );
  }
  if (wouldPass === 0) {
    return (
      <Note tone="warn">
        <p>
          There is nothing to accept:{' '}
          {found.notKept + unreadable > 0
            ? `all ${count(checked)} that can be re-checked`
            : checked === 1
              ? 'the callback'
              : `all ${count(checked)} callbacks`}{' '}
          would be refused again. Change the setting that refuses them, restart, and reload this
          page.
        </p>
      </Note>
    );
  }
  const pass = `${count(wouldPass)} of ${count(checked)} would pass with the settings of this process, for ${jobCount(jobs)}`;
  return (
    <Note tone={open > 0 ? 'good' : 'idle'}>
      <p>
        {open === 0
          ? `${pass}. There is nothing to accept: ${jobs === 1 ? 'that job has' : 'these jobs have'} ended already.`
          : `${pass}, of which ${count(open)} ${open === 1 ? 'is' : 'are'} open. A re-check changes nothing: accept the callbacks to poll ${open === 1 ? 'that job' : 'those jobs'} now.`}
      </p>
    </Note>
  );
}

function FilterWords({ values }: { values: FilterValues }): JSX.Element {
  const { cause, guard, outcome, address, job, from, to, repeatsOf } = values;
  const parts: (readonly [name: string, value: JSX.Element | string])[] = [];
  if (cause !== undefined) parts.push(['reason', causeName(cause)]);
  if (guard !== undefined) parts.push(['guard', guardName(guard)]);
  if (outcome !== undefined) parts.push(['outcome', outcome]);
  if (address !== undefined) parts.push(['address', <Code text={address} />]);
  if (job !== undefined) parts.push(['job', <Code text={job} />]);
  if (repeatsOf !== undefined) {
    const refusal = <a href={`/admin/refusals/${repeatsOf}`}>refusal {repeatsOf}</a>;
    parts.push(['repeats of', refusal]);
  }
  if (from !== undefined) parts.push(['received from', <Moment at={from} />]);
  if (to !== undefined) parts.push(['received before', <Moment at={to} />]);
  return (
    <p class="muted">
      {parts.some(([name]) => name !== 'received before') ? 'Refusals: ' : 'All refusals: '}
      {parts.map(([name, value], n) => (
        <span key={name}>
          {n === 0 ? '' : '; '}
          {name} {value}
        </span>
      ))}
      .
    </p>
  );
}

function Total({ name, value }: { name: string; value: number }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{count(value)}</dd>
    </div>
  );
}

function jobCount(jobs: number): string {
  return `${count(jobs)} ${jobs === 1 ? 'job' : 'jobs'}`;
}

function callbackCount(callbacks: number): string {
  return `${count(callbacks)} ${callbacks === 1 ? 'callback' : 'callbacks'}`;
}

function guardName(guard: string): string {
  return Object.entries(GUARD_NAMES).find(([id]) => id === guard)?.[1].name ?? guard;
}

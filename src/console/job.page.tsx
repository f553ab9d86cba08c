import type { JSX } from 'preact';
import type { RefusalView } from '../admin/refusals.view.js';
import { printable } from '../audit/redacted-request.js';
import type { JobEvent } from '../jobs/job-event.entity.js';
import { isTerminal } from '../jobs/job-status.js';
import type { JobError } from '../jobs/job-error.js';
import type { Job } from '../jobs/job.entity.js';
import { reasonOf } from '../jobs/job.view.js';
import type { JobCallback } from '../webhooks/callback-history.js';
import { DataTable } from './data-table.js';
import { Details } from './details.js';
import { causeName } from './explanations.js';
import { EVENT_WORDS, SETTLED_BY_WORDS, STATUS_TONES, STATUS_WORDS } from './job-words.js';
import { link } from './page.js';
import { Outcome } from './refusals.page.js';
import type { Session } from './sessions.js';
import {
  Code,
  count,
  CsrfField,
  duration,
  Facts,
  Foreign,
  Moment,
  None,
  Note,
  Tag,
} from './widgets.js';

export interface JobProperties {
  readonly session: Session;
  readonly job: Job;
  readonly events: readonly JobEvent[];
  /** Where the next part of the timeline begins, if there is one. */
  readonly nextCursor: string | undefined;
  readonly callbacks: readonly JobCallback[];
  readonly refusals: readonly RefusalView[];
  /** What was just done. */
  readonly done: 'settle' | 'cancel' | undefined;
}

const DONE_WORDS = {
  settle: 'A worker looks at the job now. Reload the page to see what it found.',
  cancel: 'The cancel is noted. How the job ends is for Reducto to say, if it already has it.',
} as const;

export function JobDetail({
  session,
  job,
  events,
  nextCursor,
  callbacks,
  refusals,
  done,
}: JobProperties): JSX.Element {
  const open = !isTerminal(job.status);
  const reason = reasonOf(job);
  return (
    <>
      <p class="back">
        <a href="/admin/jobs">« Jobs</a>
      </p>
      <div class="headline">
        <h1>
          Job <Code text={job.id} />
        </h1>
        <Tag tone={STATUS_TONES[job.status]}>{job.status}</Tag>
      </div>
      {done === undefined ? null : (
        <Note tone="good">
          <p>{DONE_WORDS[done]}</p>
        </Note>
      )}
      <p>{STATUS_WORDS[job.status]}</p>
      {job.error === null ? null : <ErrorNote error={job.error} />}
      {job.error !== null || reason === null ? null : (
        <Note tone="warn">
          <p>{reason}</p>
        </Note>
      )}
      {open ? <Actions session={session} job={job} /> : null}
      <Facts facts={factsOf(job)} />
      {job.metadata === null ? null : (
        <>
          <h2>Metadata</h2>
          <pre class="sample" tabIndex={0}>
            <bdi>{printableLines(job.metadata)}</bdi>
          </pre>
        </>
      )}
      <h2>Timeline</h2>
      <DataTable
        caption="What happened to the job"
        columns={[
          { head: 'Time (UTC)', cell: ({ at }) => <Moment at={at} /> },
          { head: 'What', main: true, cell: ({ type }) => EVENT_WORDS[type] },
          { head: 'Detail', cell: ({ detail }) => <Details value={detail} ours /> },
        ]}
        rows={events}
        keyOf={(event) => event.id}
        empty={<p>Nothing is noted yet.</p>}
      />
      {nextCursor === undefined ? null : (
        <p>
          <a href={link(`/admin/jobs/${job.id}`, { cursor: nextCursor })}>Later events</a>
        </p>
      )}
      <h2>Accepted callbacks</h2>
      <DataTable<JobCallback>
        caption="Callbacks that were accepted for this job"
        columns={[
          { head: 'First (UTC)', cell: ({ receivedAt }) => <Moment at={receivedAt} /> },
          { head: 'Says', main: true, cell: ({ status }) => <Foreign text={status} /> },
          { head: 'Proved by', cell: ({ provedBy }) => provedBy },
          { head: 'From', cell: ({ clientAddress }) => <Code text={clientAddress} /> },
          { head: 'Came', numeric: true, cell: ({ deliveries }) => `${count(deliveries)} ×` },
        ]}
        rows={callbacks}
        keyOf={(callback) => callback.id}
        empty={<p>No callback has been accepted for this job.</p>}
      />
      <h2>Refused callbacks</h2>
      <DataTable<RefusalView>
        caption="Callbacks for this job that were refused"
        columns={[
          {
            head: 'Time (UTC)',
            main: true,
            cell: ({ id, at }) => (
              <a href={`/admin/refusals/${id}`}>
                <Moment at={at} />
              </a>
            ),
          },
          { head: 'Outcome', cell: (refusal) => <Outcome refusal={refusal} /> },
          { head: 'Cause', cell: ({ cause }) => causeName(cause) },
          { head: 'From', cell: ({ clientAddress }) => <Code text={clientAddress} /> },
        ]}
        rows={refusals}
        keyOf={(refusal) => refusal.id}
        empty={<p>No callback that names this job was refused.</p>}
      />
      {refusals.length === 0 ? null : (
        <p>
          <a href={link('/admin/refusals', { job: job.id })}>All refusals that name this job</a>
        </p>
      )}
    </>
  );
}

/** Metadata as the service wrote them. */
function printableLines(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line, line.length * 6))
    .join('\n');
}

function ErrorNote({ error }: { error: JobError }): JSX.Element {
  return (
    <Note tone="bad">
      <p>
        <Code text={error.code} /> <Foreign text={error.message} />
      </p>
      <p class="muted">
        {error.retryable
          ? 'The same request may succeed as a new job.'
          : 'The same request would fail again.'}
      </p>
    </Note>
  );
}

function Actions({ session, job }: { session: Session; job: Job }): JSX.Element {
  return (
    <div class="actions">
      <form method="post" action={`/admin/jobs/${job.id}/settle`}>
        <CsrfField session={session} />
        <button type="submit">{job.status === 'queued' ? 'Send now' : 'Settle now'}</button>
      </form>
      {job.cancelRequestedAt === null ? (
        <form method="get" action={`/admin/jobs/${job.id}/cancel`}>
          <button type="submit" class="quiet danger">
            Cancel…
          </button>
        </form>
      ) : (
        <p class="muted">A cancel has been asked for.</p>
      )}
    </div>
  );
}

function factsOf(job: Job): Parameters<typeof Facts>[0]['facts'] {
  const { createdAt, endedAt, settledBy } = job;
  return [
    [
      'Service',
      <a href={link('/admin/jobs', { service: job.service })}>
        <Foreign text={job.service} />
      </a>,
    ],
    ['Type', job.type],
    ['Upstream ID', <Code text={job.upstreamId} />],
    ['Accepted', <Moment at={createdAt} />],
    ['Reducto has it since', <Moment at={job.submittedAt} />],
    ['First callback', <Moment at={job.callbackReceivedAt} />],
    ['Ended', <Moment at={endedAt} />],
    ['Ended by', settledBy === null ? <None /> : SETTLED_BY_WORDS[settledBy]],
    [
      'Took',
      endedAt === null ? <None /> : duration((endedAt.getTime() - createdAt.getTime()) / 1000),
    ],
    ...(job.resultExpiredAt === null
      ? []
      : ([['Result removed for its age', <Moment at={job.resultExpiredAt} />]] as const)),
    ['Submits', String(job.submitAttempts)],
    ['Looks that found it open', String(job.looks)],
    ['Next look', <Moment at={job.nextCheckAt} />],
  ];
}

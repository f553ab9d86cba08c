import type { JSX } from 'preact';
import type { RefusalDto } from '../../admin/refusal.dto.js';
import type { ShownEvent } from '../../deliveries/deliveries-admin.service.js';
import type { TimelineEntry } from '../../jobs/jobs-admin.service.js';
import { isTerminal } from '../../jobs/job-status.js';
import type { JobError } from '../../jobs/job-error.js';
import type { Job } from '../../jobs/job.entity.js';
import { reasonOf } from '../../jobs/job.dto.js';
import type { JobFile, ResultFacts } from '../../jobs/jobs-admin.service.js';
import type { JobCallback } from '../../webhooks/callback-history.js';
import { DataTable } from '../components/data-table.js';
import { EVENT_COLUMNS_OF_JOB } from '../components/deliveries.js';
import { causeName } from '../text/refusal-help.js';
import { SETTLED_BY_LABELS, STATUS_TONES, STATUS_LABELS } from '../components/job-labels.js';
import { link } from '../components/page.js';
import { JobTimeline } from './job-timeline.js';
import { Outcome } from './refusals.page.js';
import type { Session } from '../session/sessions.service.js';
import { bytes, count, preciseDuration } from '../components/format.js';
import {
  Code,
  Copyable,
  CsrfField,
  Facts,
  Untrusted,
  Moment,
  None,
  Note,
  Sample,
  Tag,
} from '../components/widgets.js';

export interface JobProperties {
  readonly session: Session;
  readonly job: Job;
  readonly events: readonly TimelineEntry[];
  /** What its service is told. */
  readonly told: readonly ShownEvent[];
  /** Where the next part of the timeline begins, if there is one. */
  readonly nextCursor: string | undefined;
  readonly callbacks: readonly JobCallback[];
  readonly refusals: readonly RefusalDto[];
  readonly result: ResultFacts | undefined;
  readonly files: readonly JobFile[];
  /** What was just done. */
  readonly done: 'poll' | 'cancel' | undefined;
}

const DONE_WORDS = {
  poll: 'A worker polls the job now. Reload the page to see the answer.',
  cancel: 'The cancellation is recorded. A job that Reducto already has may still complete.',
} as const;

export function JobDetail({
  session,
  job,
  events,
  told,
  nextCursor,
  callbacks,
  refusals,
  result,
  files,
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
          Job <Copyable text={job.id} />
        </h1>
        <Tag tone={STATUS_TONES[job.status]}>{job.status}</Tag>
        {job.deletionRequestedAt === null ? null : <Tag tone="idle">deleted</Tag>}
      </div>
      {done === undefined ? null : (
        <Note tone="good">
          <p>{DONE_WORDS[done]}</p>
        </Note>
      )}
      <p>
        {STATUS_LABELS[job.status]} <Remains job={job} result={result} />
      </p>
      {job.error === null ? null : <ErrorNote error={job.error} />}
      {job.error !== null || reason === null ? null : (
        <Note tone="warn">
          <p>
            <strong>Deferred.</strong> <Untrusted text={reason} />
          </p>
        </Note>
      )}
      {open ? <Actions session={session} job={job} /> : null}
      <Facts facts={factsOf(job)} />
      {job.status === 'completed' ? <Result job={job} result={result} files={files} /> : null}
      {job.metadata === null ? null : (
        <>
          <h2>Metadata</h2>
          <Sample text={job.metadata} />
        </>
      )}
      <h2>Timeline</h2>
      <JobTimeline job={job} events={events} nextCursor={nextCursor} />
      <h2>Events for its service</h2>
      <DataTable<ShownEvent>
        caption="Events about this job, and their deliveries"
        columns={EVENT_COLUMNS_OF_JOB}
        rows={told}
        keyOf={({ id }) => id}
        empty={
          <p>
            {open
              ? 'The gateway makes an event when the job ends.'
              : 'There is no event: it was deleted because of its age, or is not made yet.'}
          </p>
        }
      />
      <h2>Accepted callbacks</h2>
      <DataTable<JobCallback>
        caption="Callbacks that were accepted for this job"
        columns={[
          { head: 'First (UTC)', cell: ({ receivedAt }) => <Moment at={receivedAt} precise /> },
          {
            head: 'Reported status',
            main: true,
            cell: ({ status }) => <Untrusted text={status} />,
          },
          { head: 'Proved by', cell: ({ provedBy }) => provedBy },
          { head: 'From', cell: ({ clientAddress }) => <Code text={clientAddress} /> },
          { head: 'Deliveries', numeric: true, cell: ({ deliveries }) => count(deliveries) },
        ]}
        rows={callbacks}
        keyOf={(callback) => callback.id}
        empty={<p>No callback has been accepted for this job.</p>}
      />
      <h2>Refused callbacks</h2>
      <DataTable<RefusalDto>
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
          { head: 'Reason', cell: ({ cause }) => causeName(cause) },
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
      <p>
        <a href={link('/admin/actions', { text: job.id })}>What was done with this job</a>
      </p>
    </>
  );
}

/** What the gateway still stores of a job that has ended. */
function Remains({ job, result }: Pick<JobProperties, 'job' | 'result'>): JSX.Element | null {
  const { status, deletionRequestedAt, resultExpiredAt } = job;
  const isCompleted = status === 'completed';
  if (deletionRequestedAt === null) {
    if (!isCompleted) return null;
    return (
      <>
        {result === undefined
          ? 'Its result was deleted because of its age.'
          : 'Its result is stored.'}
      </>
    );
  }
  // A deletion sets both at the same time, unless the result had expired.
  const hadResult = isCompleted && resultExpiredAt?.getTime() === deletionRequestedAt.getTime();
  return (
    <>
      Its service deleted it on <Moment at={deletionRequestedAt} />
      {hadResult ? ', and its result with it.' : '.'}
    </>
  );
}

/** The result is never shown: it is a document's content, and may be any text. */
function Result({
  job,
  result,
  files,
}: Pick<JobProperties, 'job' | 'result' | 'files'>): JSX.Element | null {
  if (result === undefined) return null;
  return (
    <>
      <h2>Result</h2>
      <div class="actions">
        <form method="get" action={`/admin/jobs/${job.id}/result`}>
          <button type="submit" class="quiet">
            Download the result
          </button>
        </form>
        <p>
          JSON, {bytes(result.sizeBytes)}
          {result.pages === undefined
            ? ''
            : `, ${count(result.pages)} ${result.pages === 1 ? 'page' : 'pages'}`}
          . <span class="muted">The audit records the download.</span>
        </p>
      </div>
      <Files job={job} files={files} />
    </>
  );
}

const MAX_FILES = 200;

/** Files are downloaded, never shown, for the same reason. */
function Files({ job, files }: Pick<JobProperties, 'job' | 'files'>): JSX.Element {
  const missing = job.missingFiles ?? [];
  return (
    <>
      {missing.length === 0 ? null : (
        <Note tone="warn">
          <p>
            <strong>Files are missing.</strong> The result links to {count(missing.length)}{' '}
            {missing.length === 1 ? 'file' : 'files'} that could not be fetched. The links stay in
            the result, and expire.
          </p>
          <ul class="details">
            {missing.map(({ name, reason }) => (
              <li key={name}>
                <Code text={name} /> <Untrusted text={reason} />
              </li>
            ))}
          </ul>
        </Note>
      )}
      {files.length === 0 ? null : (
        <DataTable<JobFile>
          caption="Files that the result links to"
          columns={[
            {
              head: 'File',
              main: true,
              cell: ({ name }) => <a href={`/admin/jobs/${job.id}/files/${name}`}>{name}</a>,
            },
            { head: 'Type', cell: ({ contentType }) => <Code text={contentType} /> },
            { head: 'Size', numeric: true, cell: ({ sizeBytes }) => bytes(Number(sizeBytes)) },
          ]}
          rows={files.slice(0, MAX_FILES)}
          keyOf={({ name }) => name}
          empty={null}
        />
      )}
      {files.length <= MAX_FILES ? null : (
        <p class="muted">
          The first {count(MAX_FILES)} of {count(files.length)} files.
        </p>
      )}
    </>
  );
}

function ErrorNote({ error }: { error: JobError }): JSX.Element {
  return (
    <Note tone="bad">
      <p>
        <a href={link('/admin/jobs', { code: error.code })}>
          <Code text={error.code} />
        </a>{' '}
        <Untrusted text={error.message} />
      </p>
      {error.upstreamName === undefined ? null : (
        <p>
          Reducto’s name for it: <Code text={error.upstreamName} />
        </p>
      )}
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
      <form method="post" action={`/admin/jobs/${job.id}/poll`}>
        <CsrfField session={session} />
        <button type="submit">{job.status === 'queued' ? 'Submit now' : 'Poll now'}</button>
      </form>
      {job.cancelRequestedAt === null ? (
        <form method="get" action={`/admin/jobs/${job.id}/cancel`}>
          <button type="submit" class="quiet danger">
            Cancel…
          </button>
        </form>
      ) : (
        <p class="muted">Cancellation requested.</p>
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
        <Untrusted text={job.service} />
      </a>,
    ],
    ['Type', <a href={link('/admin/jobs', { type: job.type })}>{job.type}</a>],
    ['Upstream ID', <Copyable text={job.upstreamId} />],
    ['Accepted', <Moment at={createdAt} precise />],
    ['Submitted', <Moment at={job.submittedAt} precise />],
    ['First callback', <Moment at={job.callbackReceivedAt} precise />],
    ['Ended', <Moment at={endedAt} precise />],
    ['End reported by', settledBy === null ? <None /> : SETTLED_BY_LABELS[settledBy]],
    [
      'Took',
      endedAt === null ? <None /> : preciseDuration(endedAt.getTime() - createdAt.getTime()),
    ],
    ...(job.resultExpiredAt === null
      ? []
      : ([['Result deleted', <Moment at={job.resultExpiredAt} />]] as const)),
    ...(job.deletionRequestedAt === null
      ? []
      : ([
          [
            'Deleted by its service',
            <>
              <Moment at={job.deletionRequestedAt} />{' '}
              <a href={link('/admin/actions', { action: 'job.delete', text: job.id })}>audit</a>
            </>,
          ],
        ] as const)),
    ['Submits', String(job.submitAttempts)],
    ['Polls that found it open', String(job.polls)],
    ['Next poll', <Moment at={job.nextCheckAt} />],
  ];
}

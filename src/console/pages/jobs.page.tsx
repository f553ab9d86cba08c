import type { JSX } from 'preact';
import { JOB_ERROR_CODES } from '../../jobs/job-error.js';
import { JOB_TYPES } from '../../jobs/job-type.js';
import type { Job } from '../../jobs/job.entity.js';
import { reasonOf } from '../../jobs/job.dto.js';
import { SEARCHED_STATUSES, type JobCount } from '../../jobs/jobs-admin.service.js';
import { truncate } from '../../platform/text.js';
import { DataTable, type TableColumn } from '../components/data-table.js';
import { TIMES, type AskedJobs, type JobSearchValues } from '../job-search.js';
import { SETTLED_BY_NAMES, statusName, STATUS_TONES } from '../components/job-labels.js';
import { link } from '../components/page.js';
import { count, formMoment, preciseDuration } from '../components/format.js';
import { Code, Untrusted, Moment, None, Note, Options, Pager, Tag } from '../components/widgets.js';

const MAX_REASON_LENGTH = 120;

interface JobsProperties {
  readonly asked: AskedJobs;
  readonly services: readonly string[];
  readonly jobs: readonly Job[];
  readonly counted: JobCount;
  readonly nextCursor: string | undefined;
}

/** The jobs of all services. */
export function Jobs({ asked, services, jobs, counted, nextCursor }: JobsProperties): JSX.Element {
  const { values, search, problems } = asked;
  const isFiltered = Object.keys(values).length > 0;
  return (
    <>
      <h1>Jobs</h1>
      {problems.length === 0 ? null : (
        <Note tone="bad">
          {problems.map((problem) => (
            <p key={problem}>{problem}</p>
          ))}
        </Note>
      )}
      <SearchForm values={values} services={services} isFiltered={isFiltered} />
      <p class="total" role="status">
        <b>
          {count(counted.count)}
          {counted.more ? '+' : ''}
        </b>{' '}
        {counted.count === 1 ? 'job' : 'jobs'}
        {isFiltered ? ' match' : ''}
        {isFiltered && counted.count === 1 ? 'es' : ''}
      </p>
      <h2 class="visually-hidden">List</h2>
      <DataTable
        caption={search.ended === undefined ? 'Jobs, newest first' : 'Jobs, last ended first'}
        columns={COLUMNS}
        rows={jobs}
        keyOf={(job) => job.id}
        empty={
          isFiltered ? (
            <>
              <p>No job matches.</p>
              <p>
                <a href="/admin/jobs">Show all jobs</a>
              </p>
            </>
          ) : (
            <p>No service has submitted a job yet.</p>
          )
        }
      />
      {jobs.length === 0 ? null : (
        <Pager
          {...(search.before === undefined ? {} : { first: link('/admin/jobs', values) })}
          next={
            nextCursor === undefined
              ? undefined
              : link('/admin/jobs', { ...values, cursor: nextCursor })
          }
        />
      )}
    </>
  );
}

function SearchForm({
  values,
  services,
  isFiltered,
}: {
  values: JobSearchValues;
  services: readonly string[];
  isFiltered: boolean;
}): JSX.Element {
  const { service } = values;
  const listed =
    service === undefined || services.includes(service) ? services : [service, ...services];
  return (
    <form class="filter" method="get" action="/admin/jobs" aria-label="Search">
      <label class="wide">
        <span>Job ID or upstream ID, or its beginning</span>
        <input name="id" value={values.id} maxLength={128} spellcheck={false} />
      </label>
      <label>
        <span>Service</span>
        <Options name="service" values={listed} chosen={service} />
      </label>
      <label>
        <span>Type</span>
        <Options name="type" values={JOB_TYPES} chosen={values.type} />
      </label>
      <label>
        <span>Status</span>
        <Options
          name="status"
          values={SEARCHED_STATUSES}
          nameOf={statusName}
          chosen={values.status}
        />
      </label>
      <label>
        <span>Reason</span>
        <Options name="code" values={JOB_ERROR_CODES} chosen={values.code} />
      </label>
      <label>
        <span>Time</span>
        <Options name="time" values={TIMES} chosen={values.time ?? 'accepted'} required />
      </label>
      <label>
        <span>From (UTC)</span>
        <input type="datetime-local" name="from" step="0.001" value={formMoment(values.from)} />
      </label>
      <label>
        <span>To (UTC)</span>
        <input type="datetime-local" name="to" step="0.001" value={formMoment(values.to)} />
      </label>
      <div class="filter-buttons">
        <button type="submit">Search</button>
        {isFiltered ? <a href="/admin/jobs">Clear</a> : null}
      </div>
    </form>
  );
}

const COLUMNS: readonly TableColumn<Job>[] = [
  {
    head: 'Job',
    main: true,
    cell: ({ id }) => (
      <a href={`/admin/jobs/${id}`}>
        <code class="id">{id}</code>
      </a>
    ),
  },
  {
    head: 'Status',
    cell: ({ status, settledBy, deletionRequestedAt }) => (
      <>
        <Tag tone={STATUS_TONES[status]}>{status}</Tag>
        {deletionRequestedAt === null ? null : <Tag tone="idle">deleted</Tag>}
        {settledBy === null ? null : (
          <span class="muted by"> by {SETTLED_BY_NAMES[settledBy]}</span>
        )}
      </>
    ),
  },
  { head: 'Reason', wide: true, cell: (job) => <Reason job={job} /> },
  { head: 'Service', cell: ({ service }) => <Untrusted text={service} /> },
  { head: 'Type', cell: ({ type }) => type },
  { head: 'Accepted (UTC)', cell: ({ createdAt }) => <Moment at={createdAt} /> },
  {
    head: 'Took',
    numeric: true,
    cell: ({ createdAt, endedAt }) =>
      endedAt === null ? <None /> : preciseDuration(endedAt.getTime() - createdAt.getTime()),
  },
];

function Reason({ job }: { job: Job }): JSX.Element {
  const reason = reasonOf(job);
  if (reason === null) return <None />;
  return (
    <>
      {job.error === null ? null : <Code text={job.error.code} />}{' '}
      <span class="muted">
        <Untrusted text={truncate(reason, MAX_REASON_LENGTH)} />
      </span>
    </>
  );
}

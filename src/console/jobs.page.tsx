import type { JSX } from 'preact';
import { JOB_STATUSES } from '../jobs/job-status.js';
import { JOB_TYPES } from '../jobs/job-type.js';
import type { Job } from '../jobs/job.entity.js';
import { DataTable, type TableColumn } from './data-table.js';
import type { AskedJobs } from './job-search.js';
import { SETTLED_BY_NAMES, STATUS_TONES } from './job-words.js';
import { link } from './page.js';
import { Code, duration, Foreign, Moment, None, Note, Pager, Tag } from './widgets.js';

interface JobsProperties {
  readonly asked: AskedJobs;
  readonly jobs: readonly Job[];
  readonly nextCursor: string | undefined;
}

/** The jobs of all services. */
export function Jobs({ asked, jobs, nextCursor }: JobsProperties): JSX.Element {
  const { values, search, id } = asked;
  const isFiltered = Object.keys(values).length > 0;
  return (
    <>
      <h1>Jobs</h1>
      <form class="filter" method="get" action="/admin/jobs" aria-label="Search">
        <label class="wide">
          <span>Job ID, ours or Reducto’s</span>
          <input name="id" value={values.id} maxLength={128} spellcheck={false} />
        </label>
        <label>
          <span>Service</span>
          <input name="service" value={values.service} maxLength={100} spellcheck={false} />
        </label>
        <label>
          <span>Status</span>
          <select name="status">
            <option value="">any</option>
            {JOB_STATUSES.map((status) => (
              <option key={status} value={status} selected={values.status === status}>
                {status}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>Type</span>
          <select name="type">
            <option value="">any</option>
            {JOB_TYPES.map((type) => (
              <option key={type} value={type} selected={values.type === type}>
                {type}
              </option>
            ))}
          </select>
        </label>
        <div class="filter-buttons">
          <button type="submit">Search</button>
          {isFiltered ? <a href="/admin/jobs">Clear</a> : null}
        </div>
      </form>
      {id !== undefined && jobs.length === 0 ? (
        <Note tone="warn">
          <p>
            No job has the ID <Code text={id} />, neither here nor at Reducto.
          </p>
        </Note>
      ) : null}
      <h2 class="visually-hidden">List</h2>
      <DataTable
        caption="Jobs, newest first"
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
            <p>The jobs that services submit are listed here. There is none yet.</p>
          )
        }
      />
      {jobs.length === 0 || id !== undefined ? null : (
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
    cell: ({ status }) => <Tag tone={STATUS_TONES[status]}>{status}</Tag>,
  },
  { head: 'Service', cell: ({ service }) => <Foreign text={service} /> },
  { head: 'Type', cell: ({ type }) => type },
  { head: 'Accepted (UTC)', cell: ({ createdAt }) => <Moment at={createdAt} /> },
  {
    head: 'Took',
    numeric: true,
    cell: ({ createdAt, endedAt }) =>
      endedAt === null ? <None /> : duration((endedAt.getTime() - createdAt.getTime()) / 1000),
  },
  {
    head: 'Ended by',
    cell: ({ settledBy }) => (settledBy === null ? <None /> : SETTLED_BY_NAMES[settledBy]),
  },
];

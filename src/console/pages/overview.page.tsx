import type { ComponentChildren, JSX } from 'preact';
import { RANGES, type OverviewCounts, type Range } from '../../admin/overview.service.js';
import { JOB_STATUSES, TERMINAL_STATUSES, type JobStatus } from '../../jobs/job-status.js';
import type { EndedJobs, SearchedStatus } from '../../jobs/jobs-admin.service.js';
import { CallbackCharts } from './callback-charts.js';
import { DataTable } from '../components/data-table.js';
import { toneOf, type ShownAlert } from '../layout/open-alerts.js';
import { reasonLabel, SETTLED_BY, SETTLED_BY_NAMES } from '../components/job-labels.js';
import { link } from '../components/page.js';
import { count, duration, percent } from '../components/format.js';
import { Code, Untrusted, Moment, None, Tag } from '../components/widgets.js';

interface OverviewProperties {
  readonly range: Range;
  readonly overview: OverviewCounts;
  readonly lastAlerts: readonly ShownAlert[];
}

/** Jobs and callbacks of a time range, and alerts. */
export function Overview({ range, overview, lastAlerts }: OverviewProperties): JSX.Element {
  const { from, to, timeline, open, ended } = overview;
  const openTotal = open.reduce((sum, job) => sum + job.count, 0);
  const oldest = Math.max(0, ...open.map(({ oldestSeconds }) => oldestSeconds));
  const unsuccessful = (ended.byStatus.failed ?? 0) + (ended.byStatus.expired ?? 0);
  const endedLink: EndedLink = (filter) =>
    link('/admin/jobs', {
      ...filter,
      time: 'ended',
      from: (ended.firstAt ?? from).toISOString(),
      to: to.toISOString(),
    });
  return (
    <>
      <div class="headline apart">
        <h1>Overview</h1>
        <RangeLinks range={range} />
      </div>
      <p class="muted">
        From <Moment at={from} /> to <Moment at={to} />. Open jobs: as of the end.
        {ended.complete
          ? null
          : ` Only the last ${count(ended.total)} jobs that ended are counted.`}
      </p>
      <div class="cards">
        <Card name="Open jobs" value={count(openTotal)}>
          <OpenByStatus open={open} />
        </Card>
        <Card name="Oldest open job" value={openTotal === 0 ? '–' : duration(oldest)}>
          {openTotal === 0 ? 'No job is open.' : 'since it was accepted'}
        </Card>
        <Card name="Ended jobs" value={<a href={endedLink({})}>{count(ended.total)}</a>}>
          <EndedByStatus ended={ended} endedLink={endedLink} />
        </Card>
        <Card
          name="Failed or expired"
          value={<a href={endedLink({ status: 'unsuccessful' })}>{count(unsuccessful)}</a>}
        >
          {ended.total === 0
            ? 'No job ended in this time range.'
            : `${percent(unsuccessful, ended.total)} of ${count(ended.total)} ended jobs`}
        </Card>
        <Card name="Recovered by the reconciler" value={count(ended.bySettledBy.reconciler ?? 0)}>
          {ended.total === 0 ? 'No job ended in this time range.' : endedBy(ended)}
        </Card>
        <Card
          name="Callback lag"
          value={ended.callbackLag === null ? '–' : duration(ended.callbackLag.median)}
        >
          {ended.callbackLag === null
            ? 'No job ended after a callback in this time range.'
            : `median from first callback to end; p95 ${duration(ended.callbackLag.p95)}`}
        </Card>
      </div>

      {unsuccessful === 0 ? null : (
        <section aria-labelledby="reasons">
          <h2 id="reasons">Why jobs failed or expired</h2>
          <Reasons ended={ended} unsuccessful={unsuccessful} endedLink={endedLink} />
        </section>
      )}

      <section aria-labelledby="callbacks">
        <h2 id="callbacks">Callbacks</h2>
        <CallbackCharts timeline={timeline} to={to} />
      </section>

      <section aria-labelledby="alerts">
        <h2 id="alerts">Latest alerts</h2>
        <DataTable<ShownAlert>
          caption="Latest alerts"
          columns={[
            { head: 'Opened (UTC)', cell: ({ openedAt }) => <Moment at={openedAt} /> },
            {
              head: 'State',
              cell: ({ closedAt, fixed, severity }) =>
                closedAt !== null ? (
                  <Tag tone="good">closed</Tag>
                ) : fixed ? (
                  <Tag tone="busy">seems fixed</Tag>
                ) : (
                  <Tag tone={toneOf(severity)}>open</Tag>
                ),
            },
            { head: 'Alert', main: true, cell: ({ message }) => <Untrusted text={message} /> },
            {
              head: 'About',
              cell: ({ page }) =>
                page === undefined ? <None /> : <a href={page.href}>{page.label}</a>,
            },
          ]}
          rows={lastAlerts}
          keyOf={({ id }) => id}
          empty={
            <p>
              There was no alert. The gateway raises one if it seems to refuse genuine callbacks or
              if events do not reach a service, and says what to do.
            </p>
          }
        />
      </section>
    </>
  );
}

/** The list of the jobs that ended in the time of the page. */
type EndedLink = (filter: { status?: SearchedStatus; code?: string }) => string;

function EndedByStatus({
  ended,
  endedLink,
}: {
  ended: EndedJobs;
  endedLink: EndedLink;
}): JSX.Element {
  const shown = TERMINAL_STATUSES.filter((status) => ended.byStatus[status] !== undefined);
  if (shown.length === 0) return <>No job ended in this time range.</>;
  return (
    <>
      {shown.map((status, n) => (
        <span key={status}>
          {n === 0 ? '' : ' · '}
          <a href={endedLink({ status })}>
            {count(ended.byStatus[status] ?? 0)} {status}
          </a>
        </span>
      ))}
    </>
  );
}

/** How the gateway learned of the ends; the numbers add up to all of them. */
function endedBy({ total, bySettledBy }: EndedJobs): string {
  const known = SETTLED_BY.flatMap((by) => {
    const number = bySettledBy[by] ?? 0;
    return number === 0 ? [] : [[number, `by ${SETTLED_BY_NAMES[by]}`] as const];
  });
  const rest = total - known.reduce((sum, [number]) => sum + number, 0);
  const parts = rest === 0 ? known : [...known, [rest, 'not recorded'] as const];
  return `of ${count(total)}: ${parts.map(([number, name]) => `${count(number)} ${name}`).join(', ')}`;
}

function Reasons({
  ended,
  unsuccessful,
  endedLink,
}: {
  ended: EndedJobs;
  unsuccessful: number;
  endedLink: EndedLink;
}): JSX.Element {
  const known = ended.reasons.reduce((sum, reason) => sum + reason.count, 0);
  return (
    <>
      <DataTable<EndedJobs['reasons'][number]>
        caption="Why jobs failed or expired, by error code"
        columns={[
          {
            head: 'Reason',
            main: true,
            cell: ({ code }) => (
              <a href={endedLink({ status: 'unsuccessful', code })}>
                <Code text={code} />
              </a>
            ),
          },
          { head: 'Meaning', wide: true, cell: ({ code }) => reasonLabel(code) },
          { head: 'Jobs', numeric: true, cell: (reason) => count(reason.count) },
          {
            head: 'Share',
            numeric: true,
            cell: (reason) => percent(reason.count, unsuccessful),
          },
        ]}
        rows={ended.reasons}
        keyOf={({ code }) => code}
        empty={<p>No reason was recorded.</p>}
      />
      {known === unsuccessful ? null : (
        <p class="muted">{count(unsuccessful - known)} more have no recorded reason.</p>
      )}
    </>
  );
}

function Card({
  name,
  value,
  children,
}: {
  name: string;
  value: ComponentChildren;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <section class="card">
      <h2>{name}</h2>
      <p class="value">{value}</p>
      <div class="muted">{children}</div>
    </section>
  );
}

function OpenByStatus({ open }: { open: OverviewCounts['open'] }): JSX.Element {
  const counts = new Map<JobStatus, number>(open.map((job) => [job.status, job.count]));
  const overdue = open.reduce((sum, job) => sum + job.overdue, 0);
  const shown = JOB_STATUSES.filter((status) => counts.has(status));
  return (
    <>
      {shown.length === 0
        ? 'No job is queued or submitted.'
        : shown.map((status, n) => (
            <span key={status}>
              {n === 0 ? '' : ' · '}
              <a href={link('/admin/jobs', { status })}>
                {count(counts.get(status) ?? 0)} {status}
              </a>
            </span>
          ))}
      {overdue > 0 ? <span> · {count(overdue)} overdue</span> : null}
    </>
  );
}

function RangeLinks({ range }: { range: Range }): JSX.Element {
  return (
    <nav class="ranges" aria-label="Time range">
      {Object.entries(RANGES).map(([id, { label }]) => (
        <a
          key={id}
          href={link('/admin', { range: id })}
          aria-current={id === range ? 'true' : undefined}
        >
          {label}
        </a>
      ))}
    </nav>
  );
}

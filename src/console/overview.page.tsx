import type { ComponentChildren, JSX } from 'preact';
import { JOB_STATUSES, type JobStatus } from '../jobs/job-status.js';
import { CallbackCharts } from './callback-charts.js';
import { DataTable } from './data-table.js';
import type { ShownAlert } from './open-alerts.js';
import { RANGES, type OverviewFigures, type Range } from './overview.service.js';
import { link } from './page.js';
import { count, duration, Foreign, Moment, Tag } from './widgets.js';

interface OverviewProperties {
  readonly range: Range;
  readonly figures: OverviewFigures;
}

/** How callbacks and jobs are doing. */
export function Overview({ range, figures }: OverviewProperties): JSX.Element {
  const { timeline, open, ended, lastAlerts } = figures;
  const openTotal = open.reduce((sum, job) => sum + job.count, 0);
  const oldest = Math.max(0, ...open.map(({ oldestSeconds }) => oldestSeconds));
  const recovered = ended.bySettledBy.reconciler ?? 0;
  return (
    <>
      <h1>Overview</h1>
      <div class="cards">
        <Card name="Open jobs" value={count(openTotal)}>
          <OpenByStatus open={open} />
        </Card>
        <Card name="Oldest open job" value={openTotal === 0 ? '–' : duration(oldest)}>
          {openTotal === 0 ? 'No job is waiting.' : 'since it was accepted'}
        </Card>
        <Card
          name="Callback lag"
          value={ended.callbackLag === null ? '–' : duration(ended.callbackLag.median)}
        >
          {ended.callbackLag === null
            ? 'No job ended after a callback in 24 hours.'
            : `median from callback to end; 95 of 100 within ${duration(ended.callbackLag.p95)}`}
        </Card>
        <Card name="Recovered by the reconciler" value={count(recovered)}>
          {ended.total === 0
            ? 'No job ended in 24 hours.'
            : `of ${endedWords(ended)}; ${count(ended.bySettledBy.webhook ?? 0)} by callback`}
        </Card>
      </div>

      <section aria-labelledby="callbacks">
        <div class="headline">
          <h2 id="callbacks">Callbacks</h2>
          <RangeLinks range={range} />
        </div>
        <CallbackCharts timeline={timeline} />
      </section>

      <section aria-labelledby="alerts">
        <h2 id="alerts">Latest alerts</h2>
        <DataTable<ShownAlert>
          caption="Latest alerts"
          columns={[
            { head: 'Opened (UTC)', cell: ({ openedAt }) => <Moment at={openedAt} /> },
            {
              head: 'State',
              cell: ({ closedAt, onlyInforms }) =>
                closedAt !== null ? (
                  <Tag tone="good">over</Tag>
                ) : (
                  <Tag tone={onlyInforms ? 'warn' : 'bad'}>open</Tag>
                ),
            },
            { head: 'What', main: true, cell: ({ message }) => <Foreign text={message} /> },
            { head: 'Refusals', cell: ({ refusals }) => <a href={refusals}>Show</a> },
          ]}
          rows={lastAlerts}
          keyOf={({ id }) => id}
          empty={
            <p>
              When genuine callbacks seem to be refused by mistake, an alert says so here and on
              every page, with what to do. There was none.
            </p>
          }
        />
      </section>
    </>
  );
}

function endedWords({ total, complete }: OverviewFigures['ended']): string {
  return complete
    ? `${count(total)} jobs that ended in 24 hours`
    : `the last ${count(total)} jobs that ended`;
}

function Card({
  name,
  value,
  children,
}: {
  name: string;
  value: string;
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

function OpenByStatus({ open }: { open: OverviewFigures['open'] }): JSX.Element {
  const counts = new Map<JobStatus, number>(open.map((job) => [job.status, job.count]));
  const overdue = open.reduce((sum, job) => sum + job.overdue, 0);
  const shown = JOB_STATUSES.filter((status) => counts.has(status));
  return (
    <>
      {shown.length === 0
        ? 'None is queued or with Reducto.'
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

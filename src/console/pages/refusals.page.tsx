import type { JSX } from 'preact';
import type { RefusalPageDto, RefusalSummaryDto, RefusalDto } from '../../admin/refusal.dto.js';
import { DataTable, type TableColumn } from '../components/data-table.js';
import { causeName } from '../text/refusal-help.js';
import { link } from '../components/page.js';
import { FilterForm } from '../components/refusal-filter.form.js';
import type { AskedRefusals, FilterValues } from '../refusal-filter.js';
import type { Session } from '../session/sessions.service.js';
import {
  Code,
  count,
  CsrfField,
  HiddenFields,
  Moment,
  Note,
  Pager,
  Tag,
} from '../components/widgets.js';

interface RefusalsProperties {
  readonly session: Session;
  readonly asked: AskedRefusals;
  readonly cursor: string | undefined;
  readonly page: RefusalPageDto;
  readonly summary: RefusalSummaryDto;
}

/** The list of refused callbacks, with its filter, its counts, and what can be done with what is listed. */
export function Refusals({
  session,
  asked,
  cursor,
  page,
  summary,
}: RefusalsProperties): JSX.Element {
  const { values, problems } = asked;
  const older =
    page.nextCursor === null
      ? undefined
      : link('/admin/refusals', { ...values, cursor: page.nextCursor });
  const isFiltered = Object.keys(values).length > 0;
  return (
    <>
      <h1>Refused callbacks</h1>
      {problems.length === 0 ? null : (
        <Note tone="bad">
          {problems.map((problem) => (
            <p key={problem}>{problem}</p>
          ))}
        </Note>
      )}
      <FilterForm values={values} isFiltered={isFiltered} />
      <Counts values={values} summary={summary} />
      <Actions session={session} values={values} total={summary.total} />
      <h2 class="visually-hidden">List</h2>
      <DataTable
        caption="Refused callbacks, newest first"
        columns={COLUMNS}
        rows={page.refusals}
        keyOf={({ id }) => id}
        empty={
          isFiltered ? (
            <>
              <p>Nothing matches this filter.</p>
              <p>
                <a href="/admin/refusals">Show all refusals</a>
              </p>
            </>
          ) : (
            <p>
              Callbacks that a guard refuses are listed here, each with what came, what every guard
              found, and what to do about it. So far none was refused.
            </p>
          )
        }
      />
      {page.refusals.length === 0 ? null : (
        <Pager
          {...(cursor === undefined ? {} : { first: link('/admin/refusals', values) })}
          next={older}
        />
      )}
    </>
  );
}

const COLUMNS: readonly TableColumn<RefusalDto>[] = [
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
  { head: 'Address', cell: (refusal) => <Sender refusal={refusal} /> },
  {
    head: 'Job, or upstream ID',
    cell: ({ jobId, assertedJobId, assertedUpstreamId }) =>
      jobId === null || jobId === undefined ? (
        <Code text={assertedJobId ?? assertedUpstreamId} />
      ) : (
        <a href={`/admin/jobs/${jobId}`}>
          <Code text={jobId} />
        </a>
      ),
  },
];

export function Outcome({ refusal }: { refusal: RefusalDto }): JSX.Element {
  if (refusal.kind === 'counted') {
    return <Tag tone="idle">{`${count(refusal.count ?? 0)} counted`}</Tag>;
  }
  if (refusal.kind === 'observed') return <Tag tone="warn">observed</Tag>;
  return (
    <Tag tone="bad">{`refused${refusal.status === undefined ? '' : ` ${refusal.status}`}`}</Tag>
  );
}

function Sender({ refusal }: { refusal: RefusalDto }): JSX.Element {
  if (refusal.kind !== 'counted') return <Code text={refusal.clientAddress} />;
  const addresses = Object.keys(refusal.addresses ?? {});
  return addresses.length === 1 ? (
    <Code text={addresses[0]} />
  ) : (
    <span class="muted">{addresses.length} or more addresses</span>
  );
}

function Counts({
  values,
  summary,
}: {
  values: FilterValues;
  summary: RefusalSummaryDto;
}): JSX.Element {
  const causes = Object.entries(summary.byCause).toSorted(([, one], [, other]) => other - one);
  const figures = [
    ['total', 'Refused', summary.total, 'Exactly: the next two together'],
    ['stored', 'Kept one by one', summary.stored, 'Each with all that is known of it'],
    ['counted', 'Only counted', summary.counted, 'They came too fast to keep each'],
    ['observed', 'Observed', summary.observed, 'Let pass by a guard that only observes'],
  ] as const;
  return (
    <section class="counts" aria-label="Counts" data-live={link('/admin/refusals/counts', values)}>
      <dl class="figures">
        {figures.map(([id, name, value, hint]) => (
          <div key={id} title={hint}>
            <dt>{name}</dt>
            <dd data-count={id}>{count(value)}</dd>
          </div>
        ))}
      </dl>
      <ul class="causes" aria-label="By cause" data-causes>
        {causes.map(([cause, number]) => (
          <li key={cause}>
            <a href={link('/admin/refusals', { ...values, cause })}>{causeName(cause)}</a>{' '}
            <b data-cause={cause}>{count(number)}</b>
          </li>
        ))}
      </ul>
      <p class="live" data-live-state hidden />
    </section>
  );
}

function Actions({
  session,
  values,
  total,
}: {
  session: Session;
  values: FilterValues;
  total: number;
}): JSX.Element | null {
  if (total === 0) return null;
  return (
    <div class="actions">
      <form method="post" action="/admin/refusals/recheck">
        <CsrfField session={session} />
        <HiddenFields values={values} />
        <button type="submit">Re-check these</button>
      </form>
      <form method="get" action="/admin/refusals/export">
        <HiddenFields values={values} />
        <button type="submit" name="format" value="csv" class="quiet">
          Export CSV
        </button>
        <button type="submit" name="format" value="json" class="quiet">
          Export JSON
        </button>
      </form>
    </div>
  );
}

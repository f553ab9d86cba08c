import type { JSX } from 'preact';
import type { RefusalSummaryDto, RefusalDto } from '../../admin/refusal.dto.js';
import { DataTable, type TableColumn } from '../components/data-table.js';
import { causeName } from '../text/refusal-help.js';
import { link } from '../components/page.js';
import { FilterForm } from '../components/refusal-filter.form.js';
import type { AskedRefusals, FilterValues } from '../refusal-filter.js';
import {
  GROUP_WINDOW,
  type ListPlace,
  type RefusalList,
  type RefusalRow,
} from '../refusal-lists.js';
import { count } from '../components/format.js';
import { Code, HiddenFields, Moment, None, Note, Pager, Tag } from '../components/widgets.js';

interface RefusalsProperties {
  readonly asked: AskedRefusals;
  readonly place: ListPlace;
  readonly list: RefusalList;
  readonly summary: RefusalSummaryDto;
}

/** The list of refused callbacks, with its filter, its counts, and the actions on all that match. */
export function Refusals({ asked, place, list, summary }: RefusalsProperties): JSX.Element {
  const { values, problems } = asked;
  const { repeatsOf } = values;
  const { rows, next, isCut } = list;
  const older =
    next === undefined
      ? undefined
      : link('/admin/refusals', {
          ...values,
          cursor: next.cursor,
          skip: next.skip === 0 ? undefined : String(next.skip),
        });
  const isFiltered = Object.keys(values).length > 0;
  const isFirst = place.cursor === undefined && place.skip === 0;
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
      {repeatsOf === undefined ? null : (
        <p>
          Only repeats of <a href={`/admin/refusals/${repeatsOf}`}>refusal {repeatsOf}</a>: the same
          reason, address, job, and upstream ID, one row each.{' '}
          <a href={link('/admin/refusals', { ...values, repeatsOf: undefined })}>
            Show the other refusals, too
          </a>
        </p>
      )}
      <FilterForm values={values} isFiltered={isFiltered} />
      <Counts values={values} summary={summary} />
      <Actions values={values} total={summary.total} />
      <h2 class="visually-hidden">List</h2>
      {rows.length === 0 || repeatsOf !== undefined ? null : (
        <p class="muted">
          Repeats of one callback (same reason, address, job, and upstream ID) are one row
          {isCut
            ? `, within each ${count(GROUP_WINDOW)} refusals: a callback that was also refused earlier has another row on a later page`
            : ''}
          .
        </p>
      )}
      <DataTable
        caption="Refused callbacks, newest first"
        columns={columnsFor(values)}
        rows={rows}
        keyOf={({ refusal }) => refusal.id}
        empty={
          isFiltered ? (
            <>
              <p>No refusal matches this filter.</p>
              <p>
                <a href="/admin/refusals">Show all refusals</a>
              </p>
            </>
          ) : (
            <p>
              The gateway lists callbacks here that a guard refuses, each with its content, the
              verdict of every guard, and what to do. It has refused none so far.
            </p>
          )
        }
      />
      {rows.length === 0 ? null : (
        <Pager {...(isFirst ? {} : { first: link('/admin/refusals', values) })} next={older} />
      )}
    </>
  );
}

function columnsFor(values: FilterValues): readonly TableColumn<RefusalRow>[] {
  const repeats: TableColumn<RefusalRow> = {
    head: 'Repeats',
    cell: ({ refusal, count: number, firstAt }) =>
      number === 1 ? (
        <None />
      ) : (
        <>
          <a
            href={link('/admin/refusals', {
              repeatsOf: refusal.id,
              from: values.from,
              to: values.to,
            })}
          >
            {count(number)} times
          </a>{' '}
          <span class="muted">
            since <Moment at={firstAt} />
          </span>
        </>
      ),
  };
  return values.repeatsOf === undefined ? [...COLUMNS, repeats] : COLUMNS;
}

const COLUMNS: readonly TableColumn<RefusalRow>[] = [
  {
    head: 'Time (UTC)',
    main: true,
    cell: ({ refusal, lastAt }) => (
      <a href={`/admin/refusals/${refusal.id}`}>
        <Moment at={lastAt} />
      </a>
    ),
  },
  { head: 'Outcome', cell: ({ refusal }) => <Outcome refusal={refusal} /> },
  { head: 'Reason', cell: ({ refusal }) => causeName(refusal.cause) },
  { head: 'Address', cell: ({ refusal }) => <Sender refusal={refusal} /> },
  {
    head: 'Job, or upstream ID',
    cell: ({ refusal: { jobId, assertedJobId, assertedUpstreamId } }) =>
      jobId === null || jobId === undefined ? (
        <Id text={assertedJobId ?? assertedUpstreamId} />
      ) : (
        <a href={`/admin/jobs/${jobId}`}>
          <Id text={jobId} />
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

/** A UUID fits in its column of a wide window; another asserted ID may need several lines. */
function Id({ text }: { text: string | null | undefined }): JSX.Element {
  return (
    <span class={(text ?? '').length <= 36 ? 'id' : undefined}>
      <Code text={text} />
    </span>
  );
}

/** An IPv4 address fits in its column; an IPv6 address may need two lines. */
function Address({ text }: { text: string | undefined }): JSX.Element {
  return (
    <span class={(text ?? '').length <= 15 ? 'nowrap' : undefined}>
      <Code text={text} />
    </span>
  );
}

function Sender({ refusal }: { refusal: RefusalDto }): JSX.Element {
  if (refusal.kind !== 'counted') return <Address text={refusal.clientAddress} />;
  const addresses = Object.keys(refusal.addresses ?? {});
  return addresses.length === 1 ? (
    <Address text={addresses[0]} />
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
  const totals = [
    ['total', 'Refused', summary.total, 'The sum of the next two'],
    ['stored', 'Stored one by one', summary.stored, 'Each with its content'],
    ['counted', 'Only counted', summary.counted, 'They arrived too fast to store each'],
    ['observed', 'Observed', summary.observed, 'Accepted: the guard only observes'],
  ] as const;
  return (
    <section
      class="counts"
      aria-label="Counts"
      data-live={link('/admin/refusals/counts', values)}
      data-live-total={summary.stored + summary.counted + summary.observed}
    >
      <dl class="totals">
        {totals.map(([id, name, value, title]) => (
          <div key={id} title={title}>
            <dt>{name}</dt>
            <dd data-count={id}>{count(value)}</dd>
          </div>
        ))}
      </dl>
      <ul class="causes" aria-label="By reason" data-causes>
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

function Actions({ values, total }: { values: FilterValues; total: number }): JSX.Element | null {
  if (total === 0) return null;
  return (
    <div class="actions">
      <form method="get" action="/admin/refusals/recheck">
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
      <p class="muted">
        A re-check asks today’s guards again, and changes nothing. Use it after you changed a
        setting.
      </p>
    </div>
  );
}

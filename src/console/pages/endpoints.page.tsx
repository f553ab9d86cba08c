import type { JSX } from 'preact';
import {
  ENDPOINT_STATES,
  type AdminEndpoint,
  type EndpointHealth,
} from '../../deliveries/deliveries-admin.service.js';
import { DataTable, type TableColumn } from '../components/data-table.js';
import { ShortUrl, STATE_TONES } from '../components/deliveries.js';
import { count, percent } from '../components/format.js';
import { link } from '../components/page.js';
import { Moment, None, Note, Options, Tag, Untrusted } from '../components/widgets.js';
import type { AskedEndpoints } from '../delivery-search.js';

interface EndpointsProperties {
  readonly asked: AskedEndpoints;
  readonly services: readonly string[];
  readonly counts: Readonly<Record<EndpointHealth, number>>;
  readonly endpoints: readonly AdminEndpoint[];
  /** Where the next page begins, if there is one. */
  readonly next: string | undefined;
}

/** The endpoints of all services with their health. */
export function Endpoints({
  asked: { search, cursor, problems },
  services,
  counts,
  endpoints,
  next,
}: EndpointsProperties): JSX.Element {
  const values = { ...search };
  const isFiltered = search.service !== undefined || search.state !== undefined;
  return (
    <>
      <h1>Endpoints</h1>
      {problems.length === 0 ? null : (
        <Note tone="bad">
          {problems.map((problem) => (
            <p key={problem}>{problem}</p>
          ))}
        </Note>
      )}
      <form class="filter" method="get" action="/admin/endpoints" aria-label="Search">
        <label>
          <span>Service</span>
          <Options
            name="service"
            values={withChosen(services, search.service)}
            chosen={search.service}
          />
        </label>
        <label>
          <span>State</span>
          <Options name="state" values={ENDPOINT_STATES} chosen={search.state} />
        </label>
        <div class="filter-buttons">
          <button type="submit">Search</button>
          {isFiltered ? <a href="/admin/endpoints">Clear</a> : null}
        </div>
      </form>
      <ul class="causes">
        {ENDPOINT_STATES.map((state) => (
          <li key={state}>
            <a href={link('/admin/endpoints', { service: search.service, state })}>
              {state} <b>{count(counts[state])}</b>
            </a>
          </li>
        ))}
      </ul>
      <h2 class="visually-hidden">List</h2>
      <DataTable
        caption="Endpoints, oldest first"
        columns={COLUMNS}
        rows={endpoints}
        keyOf={({ endpoint }) => endpoint.id}
        empty={
          isFiltered ? (
            <>
              <p>No endpoint matches.</p>
              <p>
                <a href="/admin/endpoints">Show all endpoints</a>
              </p>
            </>
          ) : (
            <p>
              No service has an endpoint yet. A service creates one with{' '}
              <code>POST /v1/endpoints</code>, and then gets an event when a job ends.
            </p>
          )
        }
      />
      {cursor === undefined && next === undefined ? null : (
        <nav class="pager" aria-label="Pages">
          {cursor === undefined ? null : <a href={link('/admin/endpoints', values)}>« Oldest</a>}
          {next === undefined ? (
            <span class="muted">No newer endpoints.</span>
          ) : (
            <a href={link('/admin/endpoints', { ...values, cursor: next })} rel="next">
              Newer »
            </a>
          )}
        </nav>
      )}
    </>
  );
}

/** A service without endpoints can be asked for, too. */
export function withChosen(
  services: readonly string[],
  chosen: string | undefined,
): readonly string[] {
  return chosen === undefined || services.includes(chosen) ? services : [chosen, ...services];
}

/** Distinguishes endpoints with one URL. The beginning of an ID is a time, which they may share. */
const SHORT_ID_LENGTH = 8;

const COLUMNS: readonly TableColumn<AdminEndpoint>[] = [
  {
    head: 'Endpoint',
    main: true,
    cell: ({ endpoint: { id, url, description } }) => (
      <>
        <a href={`/admin/endpoints/${id}`}>
          <ShortUrl url={url} />
        </a>
        <div class="muted">
          {description === null ? (
            <code title={id}>…{id.slice(-SHORT_ID_LENGTH)}</code>
          ) : (
            <Untrusted text={description} />
          )}
        </div>
      </>
    ),
  },
  { head: 'Service', cell: ({ endpoint: { service } }) => <Untrusted text={service} /> },
  {
    head: 'State',
    cell: ({ state, endpoint: { failingSince, disabledAt } }) => (
      <>
        <Tag tone={STATE_TONES[state]}>{state}</Tag>
        {state === 'active' ? null : (
          <div class="muted">
            since <Moment at={state === 'disabled' ? disabledAt : failingSince} />
          </div>
        )}
      </>
    ),
  },
  {
    head: 'Last attempts (UTC)',
    cell: ({ endpoint: { lastSuccessAt, lastFailureAt } }) => (
      <div>
        <div class="nowrap">
          <LastTime at={lastSuccessAt} /> <span class="muted">succeeded</span>
        </div>
        <div class="nowrap">
          <LastTime at={lastFailureAt} /> <span class="muted">failed</span>
        </div>
      </div>
    ),
  },
  {
    head: 'Delivered',
    numeric: true,
    cell: ({ recent: { sent, delivered } }) =>
      sent === 0 ? (
        <None />
      ) : (
        <span title={`${delivered} of the last ${sent} events that were sent`}>
          {percent(delivered, sent)}
        </span>
      ),
  },
  { head: 'Pending', numeric: true, cell: ({ backlog }) => limitedCount(backlog.pending) },
  { head: 'Failed', numeric: true, cell: ({ backlog }) => limitedCount(backlog.failed) },
];

export function LastTime({ at }: { at: Date | null }): JSX.Element {
  return at === null ? <span class="muted">never</span> : <Moment at={at} />;
}

const MAX_COUNT = 10_000;

/** Counting stops at 10,000. */
export function limitedCount(value: number): string {
  return value >= MAX_COUNT ? `${count(MAX_COUNT)}+` : count(value);
}

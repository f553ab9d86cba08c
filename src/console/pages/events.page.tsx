import type { JSX } from 'preact';
import {
  EVENT_TYPES,
  MAX_EXAMINED,
  SHOWN_STATUSES,
  type EventPage,
  type EventSearch,
} from '../../deliveries/deliveries-admin.service.js';
import { DataTable } from '../components/data-table.js';
import { EVENT_COLUMNS } from '../components/deliveries.js';
import { count } from '../components/format.js';
import { link } from '../components/page.js';
import { Note, Options, Pager } from '../components/widgets.js';
import type { AskedEvents } from '../delivery-search.js';
import { withChosen } from './endpoints.page.js';

interface EventsProperties {
  readonly asked: AskedEvents;
  readonly services: readonly string[];
  readonly page: EventPage;
}

/** The events of all services with their deliveries. */
export function Events({
  asked: { search, cursor, problems },
  services,
  page: { events, next },
}: EventsProperties): JSX.Element {
  const values = { ...search };
  const isFiltered = Object.values(search).some((value) => value !== undefined);
  return (
    <>
      <h1>Events</h1>
      {problems.length === 0 ? null : (
        <Note tone="bad">
          {problems.map((problem) => (
            <p key={problem}>{problem}</p>
          ))}
        </Note>
      )}
      <SearchForm search={search} services={services} isFiltered={isFiltered} />
      <h2 class="visually-hidden">List</h2>
      <DataTable
        caption="Events, newest first"
        columns={EVENT_COLUMNS}
        rows={events}
        keyOf={({ id }) => id}
        empty={
          isFiltered ? (
            <>
              <p>
                {next === null
                  ? 'No event matches.'
                  : `None of these ${count(MAX_EXAMINED)} events matches. Older ones were not examined yet.`}
              </p>
              <p>
                <a href="/admin/events">Show all events</a>
              </p>
            </>
          ) : (
            <p>There is no event yet. The gateway makes one when a job ends.</p>
          )
        }
      />
      {events.length === 0 && next === null ? null : (
        <Pager
          {...(cursor === undefined ? {} : { first: link('/admin/events', values) })}
          next={next === null ? undefined : link('/admin/events', { ...values, cursor: next })}
        />
      )}
    </>
  );
}

function SearchForm({
  search,
  services,
  isFiltered,
}: {
  search: EventSearch;
  services: readonly string[];
  isFiltered: boolean;
}): JSX.Element {
  return (
    <form class="filter" method="get" action="/admin/events" aria-label="Search">
      <label>
        <span>Status of a delivery</span>
        <Options name="status" values={SHOWN_STATUSES} chosen={search.status} />
      </label>
      <label>
        <span>Type</span>
        <Options name="type" values={EVENT_TYPES} chosen={search.type} />
      </label>
      <label>
        <span>Service</span>
        <Options
          name="service"
          values={withChosen(services, search.service)}
          chosen={search.service}
        />
      </label>
      <label class="wide">
        <span>Endpoint ID</span>
        <input name="endpointId" value={search.endpointId} maxLength={36} spellcheck={false} />
      </label>
      <label class="wide">
        <span>Job ID</span>
        <input name="jobId" value={search.jobId} maxLength={36} spellcheck={false} />
      </label>
      <div class="filter-buttons">
        <button type="submit">Search</button>
        {isFiltered ? <a href="/admin/events">Clear</a> : null}
      </div>
    </form>
  );
}

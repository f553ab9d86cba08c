import type { JSX } from 'preact';
import type { ServiceShare } from '../../jobs/service-limits.service.js';
import { DataTable, type TableColumn } from '../components/data-table.js';
import { count } from '../components/format.js';
import { link } from '../components/page.js';
import { CsrfField, Facts, Note, Untrusted } from '../components/widgets.js';
import type { Session } from '../session/sessions.service.js';

interface ServicesProperties {
  readonly services: readonly ServiceShare[];
  readonly changed: ServiceShare | undefined;
}

/** How the services share the gateway. */
export function Services({ services, changed }: ServicesProperties): JSX.Element {
  return (
    <>
      <h1>Services</h1>
      {changed === undefined ? null : (
        <Note tone="good">
          <p>
            Weight and limits of <Untrusted text={changed.service} /> are saved. They apply from now
            on.
          </p>
        </Note>
      )}
      <p class="muted">
        Services with due jobs share the slots by weight: a service of weight 3 sends three jobs
        while one of weight 1 sends one.
      </p>
      <DataTable
        caption="Services, in alphabetical order"
        columns={COLUMNS}
        rows={services}
        keyOf={({ service }) => service}
        empty={<p>No service has a job or an API key.</p>}
      />
    </>
  );
}

const COLUMNS: readonly TableColumn<ServiceShare>[] = [
  { head: 'Service', main: true, cell: ({ service }) => <Untrusted text={service} /> },
  {
    head: 'Queued',
    numeric: true,
    cell: ({ queued, maxQueued }) => <Load jobs={queued} limit={maxQueued} />,
  },
  {
    head: 'In flight',
    numeric: true,
    cell: ({ inFlight, maxInFlight }) => <Load jobs={inFlight} limit={maxInFlight} />,
  },
  { head: 'Weight', numeric: true, cell: ({ weight }) => weight },
  {
    head: 'Action',
    cell: ({ service }) => (
      <>
        <a href={`/admin/services/${service}`}>
          Change…<span class="visually-hidden"> {service}</span>
        </a>{' '}
        <a href={link('/admin/jobs', { service })}>
          Jobs<span class="visually-hidden"> of {service}</span>
        </a>{' '}
        <History of={service} />
      </>
    ),
  },
];

/** A count and its limit. */
function Load({ jobs, limit }: { jobs: number; limit: number | null }): JSX.Element {
  return (
    <>
      {count(jobs)}
      {limit === null ? null : <span class="muted"> of {count(limit)}</span>}
    </>
  );
}

/** Who changed the service. */
function History({ of }: { of: string }): JSX.Element {
  return (
    <a href={link('/admin/actions', { action: 'service.limits', text: of })}>
      History<span class="visually-hidden"> of {of}</span>
    </a>
  );
}

export function ServiceForm({
  session,
  share,
}: {
  session: Session;
  share: ServiceShare;
}): JSX.Element {
  const { service, weight, maxInFlight, maxQueued, queued, inFlight } = share;
  return (
    <section class="sheet">
      <h1>Change a service</h1>
      <Facts
        facts={[
          ['Service', <Untrusted text={service} />],
          ['Queued', count(queued)],
          ['In flight', count(inFlight)],
        ]}
      />
      <form class="fields" method="post" action={`/admin/services/${service}`}>
        <CsrfField session={session} />
        <label>
          <span>Weight, from 1 to 1,000</span>
          <input name="weight" type="number" min={1} max={1000} required value={weight} />
        </label>
        <label>
          <span>Maximum number of jobs in flight (empty: no limit)</span>
          <input name="maxInFlight" type="number" min={1} value={maxInFlight ?? ''} />
        </label>
        <label>
          <span>Maximum number of queued jobs (empty: no limit)</span>
          <input name="maxQueued" type="number" min={1} value={maxQueued ?? ''} />
        </label>
        <p class="muted">
          In flight are jobs that are being sent, submitted, or uncertain. Beyond the maximum of
          queued jobs, the gateway answers submits of the service with 429.
        </p>
        <div class="actions">
          <button type="submit">Save</button>
          <a href="/admin/services">Back</a>
        </div>
      </form>
    </section>
  );
}

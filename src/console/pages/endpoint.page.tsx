import type { JSX } from 'preact';
import {
  overlapEndOf,
  shownUrl,
  type AdminEndpoint,
  type ShownEvent,
} from '../../deliveries/deliveries-admin.service.js';
import { DataTable } from '../components/data-table.js';
import { DISABLED_LABELS, eventColumnsOf, STATE_TONES } from '../components/deliveries.js';
import { Details } from '../components/details.js';
import { count, percent } from '../components/format.js';
import { link } from '../components/page.js';
import {
  Copyable,
  CsrfField,
  Facts,
  Moment,
  None,
  Note,
  Tag,
  Untrusted,
} from '../components/widgets.js';
import type { Session } from '../session/sessions.service.js';
import { LastTime, limitedCount } from './endpoints.page.js';

export interface EndpointProperties {
  readonly session: Session;
  readonly found: AdminEndpoint;
  /** The latest events that it gets. */
  readonly events: readonly ShownEvent[];
  /** What was just done. */
  readonly done: 'enable' | 'recover' | undefined;
}

const DONE_LABELS = {
  enable: 'The endpoint is enabled. It now gets what it missed.',
  recover: 'The endpoint now gets what it has not received.',
} as const;

export function EndpointDetail({ session, found, events, done }: EndpointProperties): JSX.Element {
  const { endpoint, state } = found;
  return (
    <>
      <p class="back">
        <a href="/admin/endpoints">« Endpoints</a>
      </p>
      <div class="headline">
        <h1>
          Endpoint <Copyable text={shownUrl(endpoint.url)} />
        </h1>
        <Tag tone={STATE_TONES[state]}>{state}</Tag>
      </div>
      {endpoint.description === null ? null : (
        <p>
          <Untrusted text={endpoint.description} />
        </p>
      )}
      {done === undefined ? null : (
        <Note tone="good">
          <p>{DONE_LABELS[done]}</p>
        </Note>
      )}
      <Health found={found} />
      <Actions session={session} found={found} />
      <Facts facts={factsOf(found)} />
      <h2>Latest events</h2>
      <DataTable
        caption="The latest events for this endpoint, newest first"
        columns={eventColumnsOf(endpoint.id)}
        rows={events}
        keyOf={({ id }) => id}
        empty={<p>No event has matched this endpoint yet.</p>}
      />
      <p>
        <EventsLink found={found}>All its events</EventsLink>
        {' · '}
        <EventsLink found={found} status="failed">
          Failed ones
        </EventsLink>
        {' · '}
        <EventsLink found={found} status="pending">
          Pending ones
        </EventsLink>
        {' · '}
        <a href={link('/admin/actions', { text: endpoint.id })}>What admins did with it</a>
      </p>
    </>
  );
}

function EventsLink({
  found: { endpoint },
  status,
  children,
}: {
  found: AdminEndpoint;
  status?: string;
  children: string;
}): JSX.Element {
  const search = { service: endpoint.service, endpointId: endpoint.id, status };
  return <a href={link('/admin/events', search)}>{children}</a>;
}

function Health({ found: { endpoint, state } }: { found: AdminEndpoint }): JSX.Element | null {
  const { disabledReason, disabledAt, failingSince, consecutiveFailures, pausedUntil } = endpoint;
  if (state === 'active') return null;
  if (state === 'disabled') {
    return (
      <Note tone="bad">
        <p>
          <strong>Disabled</strong> since <Moment at={disabledAt} />
          {disabledReason === null ? null : `: ${DISABLED_LABELS[disabledReason]}`}. Its deliveries
          wait until it is enabled.
        </p>
      </Note>
    );
  }
  return (
    <Note tone="warn">
      <p>
        <strong>Failing</strong> since <Moment at={failingSince} />: the last{' '}
        {consecutiveFailures === 1 ? 'attempt' : `${count(consecutiveFailures)} attempts`} failed.
        {pausedUntil === null || pausedUntil.getTime() < Date.now() ? null : (
          <>
            {' '}
            The next attempt is not before <Moment at={pausedUntil} />.
          </>
        )}
      </p>
    </Note>
  );
}

function Actions({
  session,
  found: { endpoint, state },
}: {
  session: Session;
  found: AdminEndpoint;
}): JSX.Element {
  const address = `/admin/endpoints/${endpoint.id}`;
  const isDisabled = state === 'disabled';
  return (
    <div class="actions">
      <form method="post" action={`${address}/${isDisabled ? 'enable' : 'test'}`}>
        <CsrfField session={session} />
        <button type="submit">
          {isDisabled ? 'Enable, and send what it missed' : 'Send a test event'}
        </button>
      </form>
      <form method="get" action={`${address}/recover`}>
        <button type="submit" class="quiet">
          Recover…
        </button>
      </form>
      {isDisabled && !isByGateway(endpoint) ? null : (
        <form method="post" action={`${address}/disable`}>
          <CsrfField session={session} />
          <button type="submit" class="quiet danger">
            {isDisabled ? 'Keep it disabled' : 'Disable'}
          </button>
        </form>
      )}
      {isDisabled && isByGateway(endpoint) ? (
        <p class="muted">“Keep it disabled” ends the alert within 5 minutes.</p>
      ) : null}
    </div>
  );
}

function isByGateway({ disabledReason }: AdminEndpoint['endpoint']): boolean {
  return disabledReason === 'failing' || disabledReason === 'gone';
}

function factsOf(found: AdminEndpoint): Parameters<typeof Facts>[0]['facts'] {
  const { endpoint, backlog, recent } = found;
  const { service, rateLimitPerSecond, retrySchedule } = endpoint;
  const oldSecretUntil = overlapEndOf(endpoint);
  const metadata: unknown = endpoint.metadata === null ? null : JSON.parse(endpoint.metadata);
  return [
    ['Endpoint ID', <Copyable text={endpoint.id} />],
    [
      'Service',
      <a href={link('/admin/endpoints', { service })}>
        <Untrusted text={service} />
      </a>,
    ],
    [
      'Delivered',
      recent.sent === 0 ? (
        <None />
      ) : (
        <>
          {percent(recent.delivered, recent.sent)}{' '}
          <span class="muted">of the last {count(recent.sent)} events that were sent</span>
        </>
      ),
    ],
    ['Last success', <LastTime at={endpoint.lastSuccessAt} />],
    ['Last failure', <LastTime at={endpoint.lastFailureAt} />],
    ['Pending deliveries', limitedCount(backlog.pending)],
    ['Failed deliveries', limitedCount(backlog.failed)],
    ['Event types', <Names names={endpoint.eventTypes} />],
    ['Channels', <Names names={endpoint.channels} />],
    ['Job types', <Names names={endpoint.jobTypes} />],
    ['Metadata that jobs must have', metadata === null ? 'any' : <Details value={metadata} />],
    [
      'Rate limit',
      rateLimitPerSecond === null ? 'none' : `${count(rateLimitPerSecond)} per second`,
    ],
    ['Retries', retrySchedule === null ? 'default' : `after ${retrySchedule.join(', ')} s`],
    ['Payload format', FORMAT_LABELS[endpoint.payloadFormat]],
    [
      'Results',
      endpoint.includeResult && endpoint.payloadFormat === 'event'
        ? 'with the event, up to 256 KB'
        : 'not with the event',
    ],
    ...(oldSecretUntil === null
      ? []
      : ([['Old secret signs until', <Moment at={oldSecretUntil} />]] as const)),
    ['Created', <Moment at={endpoint.createdAt} />],
    ['Changed', <Moment at={endpoint.updatedAt} />],
  ];
}

const FORMAT_LABELS = {
  event: 'event',
  reducto: 'reducto: the body of Reducto’s webhooks',
} as const;

function Names({ names }: { names: readonly string[] | null }): JSX.Element {
  return <>{names === null ? 'all' : <Untrusted text={names.join(', ')} />}</>;
}

import type { JSX } from 'preact';
import {
  shownUrl,
  type ShownDelivery,
  type ShownEvent,
  type DisabledReason,
  type EndpointHealth,
  type ShownStatus,
} from '../../deliveries/deliveries-admin.service.js';
import { truncate } from '../../platform/text.js';
import type { TableColumn } from './data-table.js';
import { count } from './format.js';
import { Moment, None, Tag, Untrusted, type Tone } from './widgets.js';

export const STATE_TONES: Readonly<Record<EndpointHealth, Tone>> = {
  active: 'good',
  failing: 'warn',
  disabled: 'bad',
};

export const DELIVERY_TONES: Readonly<Record<ShownStatus, Tone>> = {
  pending: 'busy',
  delivered: 'good',
  failed: 'bad',
  cancelled: 'idle',
};

export const DISABLED_LABELS: Readonly<Record<DisabledReason, string>> = {
  service: 'its service disabled it',
  failing: 'it failed for too long',
  gone: 'it answered 410 (Gone)',
  admin: 'an admin disabled it',
};

const MAX_SHOWN = 2;
const MAX_URL_LENGTH = 60;

/** What needs attention stands first, so that the rest of a list hides none of it. */
const BY_URGENCY: readonly ShownStatus[] = ['failed', 'pending', 'cancelled', 'delivered'];

/** The deliveries of an event in one cell. */
function Deliveries({ deliveries }: { deliveries: readonly ShownDelivery[] }): JSX.Element {
  if (deliveries.length === 0) return <span class="muted">No endpoint asked for it.</span>;
  const sorted = BY_URGENCY.flatMap((status) => deliveries.filter((one) => one.status === status));
  const rest = sorted.slice(MAX_SHOWN);
  return (
    <ul class="deliveries">
      {sorted.slice(0, MAX_SHOWN).map((delivery) => (
        <li key={delivery.endpointId}>
          <Tag tone={DELIVERY_TONES[delivery.status]}>{delivery.status}</Tag>{' '}
          <EndpointLink delivery={delivery} />{' '}
          {delivery.attempts === 1 ? null : (
            <span class="muted nowrap">{attemptCount(delivery.attempts)}</span>
          )}
        </li>
      ))}
      {rest.length === 0 ? null : (
        <li class="muted">
          and {count(rest.length)} more{numbersOf(rest)}
        </li>
      )}
    </ul>
  );
}

/** `, delivered` or `: 1 failed, 2 delivered`. */
function numbersOf(deliveries: readonly ShownDelivery[]): string {
  const numbers = BY_URGENCY.flatMap((status) => {
    const number = deliveries.filter((one) => one.status === status).length;
    return number === 0 ? [] : [[status, number] as const];
  });
  const [[only] = ['']] = numbers;
  if (numbers.length === 1) return `, ${only}`;
  return `: ${numbers.map(([status, number]) => `${count(number)} ${status}`).join(', ')}`;
}

export function EndpointLink({
  delivery: { endpointId, url },
}: {
  delivery: ShownDelivery;
}): JSX.Element {
  if (url === null) return <span class="muted">a deleted endpoint</span>;
  return (
    <a href={`/admin/endpoints/${endpointId}`}>
      <ShortUrl url={url} />
    </a>
  );
}

/** For lists. */
export function ShortUrl({ url }: { url: string }): JSX.Element {
  const shown = shownUrl(url);
  const short = truncate(shown, MAX_URL_LENGTH);
  return <Untrusted text={short === shown ? shown : `${short}…`} />;
}

export function attemptCount(attempts: number): string {
  return `${count(attempts)} ${attempts === 1 ? 'attempt' : 'attempts'}`;
}

const TIME: TableColumn<ShownEvent> = {
  head: 'Time (UTC)',
  main: true,
  cell: ({ id, createdAt }) => (
    <a href={`/admin/events/${id}`}>
      <Moment at={createdAt} />
    </a>
  ),
};

const DELIVERIES: TableColumn<ShownEvent> = {
  head: 'Deliveries',
  wide: true,
  cell: ({ deliveries }) => <Deliveries deliveries={deliveries} />,
};

const JOB: TableColumn<ShownEvent> = {
  head: 'Job',
  wide: true,
  cell: ({ jobId }) =>
    jobId === null ? (
      <None />
    ) : (
      <a href={`/admin/jobs/${jobId}`}>
        <code class="id">{jobId}</code>
      </a>
    ),
};

const TYPE: TableColumn<ShownEvent> = {
  head: 'Type',
  cell: ({ type }) => <code class="nowrap">{type}</code>,
};

export const EVENT_COLUMNS: readonly TableColumn<ShownEvent>[] = [
  TIME,
  TYPE,
  { head: 'Service', cell: ({ service }) => <Untrusted text={service} /> },
  JOB,
  DELIVERIES,
];

/** For the page of a job. */
export const EVENT_COLUMNS_OF_JOB: readonly TableColumn<ShownEvent>[] = [TIME, TYPE, DELIVERIES];

/** For the page of an endpoint. */
export function eventColumnsOf(endpointId: string): readonly TableColumn<ShownEvent>[] {
  return [
    TIME,
    TYPE,
    JOB,
    {
      head: 'Delivery',
      cell: ({ deliveries }) => {
        const delivery = deliveries.find((one) => one.endpointId === endpointId);
        if (delivery === undefined) return <None />;
        return (
          <>
            <Tag tone={DELIVERY_TONES[delivery.status]}>{delivery.status}</Tag>{' '}
            <span class="muted nowrap">{attemptCount(delivery.attempts)}</span>
          </>
        );
      },
    },
  ];
}

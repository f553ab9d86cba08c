import type { JSX } from 'preact';
import type { ShownDelivery, ShownEvent } from '../../deliveries/deliveries-admin.service.js';
import type { Attempt } from '../../deliveries/events.service.js';
import { attemptCount, DELIVERY_TONES, EndpointLink } from '../components/deliveries.js';
import { Details } from '../components/details.js';
import { preciseDuration } from '../components/format.js';
import { link } from '../components/page.js';
import {
  Code,
  Copyable,
  CsrfField,
  Facts,
  Moment,
  None,
  Note,
  Sample,
  Tag,
  Untrusted,
} from '../components/widgets.js';
import type { Session } from '../session/sessions.service.js';

export interface EventProperties {
  readonly session: Session;
  readonly event: ShownEvent;
  readonly attempts: readonly Attempt[];
  /** Where the next part of the attempts begins, if there is one. */
  readonly next: string | undefined;
  /** What was just done. */
  readonly done: 'test' | 'resend' | undefined;
}

const DONE_LABELS = {
  test: 'The test event is being sent. Reload the page to see the answer.',
  resend: 'The event is being sent again, with the same ID. Reload the page to see the answer.',
} as const;

/** An event with its deliveries, and the attempts of each side by side. */
export function EventDetail({
  session,
  event,
  attempts,
  next,
  done,
}: EventProperties): JSX.Element {
  const { deliveries } = event;
  return (
    <>
      <p class="back">
        <a href="/admin/events">« Events</a>
      </p>
      <div class="headline">
        <h1>
          Event <Copyable text={event.id} />
        </h1>
      </div>
      {done === undefined ? null : (
        <Note tone="good">
          <p>{DONE_LABELS[done]}</p>
        </Note>
      )}
      <Facts facts={factsOf(event)} />
      {deliveries.length < 2 ? null : (
        <div class="actions">
          <ResendForm session={session} event={event}>
            Send again to all its endpoints
          </ResendForm>
        </div>
      )}
      <h2>Deliveries</h2>
      {deliveries.length === 0 ? (
        <div class="empty">
          <p>No endpoint asked for this event. Its service can still read it in the feed.</p>
        </div>
      ) : null}
      {deliveries.map((delivery) => (
        <Delivery
          key={delivery.endpointId}
          session={session}
          event={event}
          delivery={delivery}
          attempts={attempts.filter(({ endpointId }) => endpointId === delivery.endpointId)}
        />
      ))}
      {next === undefined ? null : (
        <p>
          <a href={link(`/admin/events/${event.id}`, { cursor: next })}>Later attempts</a>
        </p>
      )}
      <p>
        <a href={link('/admin/actions', { text: event.id })}>What admins did with this event</a>
      </p>
    </>
  );
}

function factsOf(event: ShownEvent): Parameters<typeof Facts>[0]['facts'] {
  const { type, service, jobId, endpointId, createdAt } = event;
  return [
    ['Type', <a href={link('/admin/events', { type })}>{type}</a>],
    [
      'Service',
      <a href={link('/admin/events', { service })}>
        <Untrusted text={service} />
      </a>,
    ],
    ['Created', <Moment at={createdAt} precise />],
    [
      'Job',
      jobId === null ? (
        <None />
      ) : (
        <a href={`/admin/jobs/${jobId}`}>
          <Code text={jobId} />
        </a>
      ),
    ],
    ...(endpointId === null
      ? []
      : ([
          [
            'About the endpoint',
            <a href={`/admin/endpoints/${endpointId}`}>
              <Code text={endpointId} />
            </a>,
          ],
        ] as const)),
  ];
}

function ResendForm({
  session,
  event,
  endpointId,
  children,
}: {
  session: Session;
  event: ShownEvent;
  endpointId?: string;
  children: string;
}): JSX.Element {
  return (
    <form method="post" action={`/admin/events/${event.id}/resend`}>
      <CsrfField session={session} />
      {endpointId === undefined ? null : (
        <input type="hidden" name="endpointId" value={endpointId} />
      )}
      <button type="submit" class="quiet">
        {children}
      </button>
    </form>
  );
}

function Delivery({
  session,
  event,
  delivery,
  attempts,
}: {
  session: Session;
  event: ShownEvent;
  delivery: ShownDelivery;
  attempts: readonly Attempt[];
}): JSX.Element {
  const { endpointId, url, status } = delivery;
  return (
    <section class="delivery">
      <div class="headline">
        <h3>
          <EndpointLink delivery={delivery} />
        </h3>
        <Tag tone={DELIVERY_TONES[status]}>{status}</Tag>
        {url === null ? null : (
          <ResendForm session={session} event={event} endpointId={endpointId}>
            Send again
          </ResendForm>
        )}
      </div>
      <p class="muted">
        {attemptCount(delivery.attempts)} · <Progress delivery={delivery} />
      </p>
      {attempts.length === 0 ? null : (
        <ol class="attempts">
          {attempts.map((attempt, n) => (
            <AttemptCard
              key={attempt.id}
              attempt={attempt}
              isAgain={attempts.slice(0, n).some(({ error }) => error === null)}
            />
          ))}
        </ol>
      )}
    </section>
  );
}

function Progress({
  delivery: { status, nextAttemptAt, endedAt },
}: {
  delivery: ShownDelivery;
}): JSX.Element {
  switch (status) {
    case 'delivered':
      return (
        <>
          delivered <Moment at={endedAt} precise />
        </>
      );
    case 'failed':
      return (
        <>
          the last attempt failed <Moment at={endedAt} precise />, no further attempt is planned
        </>
      );
    case 'cancelled':
      return <>no further attempt: the endpoint was deleted</>;
    case 'pending':
      return nextAttemptAt === null ? (
        <>an attempt is under way, or the endpoint is disabled</>
      ) : (
        <>
          next attempt <Moment at={nextAttemptAt} precise />
        </>
      );
  }
}

/** `isAgain`: an attempt after a success, so somebody had it sent again. */
function AttemptCard({ attempt, isAgain }: { attempt: Attempt; isAgain: boolean }): JSX.Element {
  const { at, durationMs, status, error, responseHeaders, responseBody, process } = attempt;
  const headers: unknown = responseHeaders === null ? null : JSON.parse(responseHeaders);
  return (
    <li class={error === null ? 'attempt good' : 'attempt bad'}>
      <div class="headline">
        <h4>
          Attempt {attempt.attempt}
          {isAgain ? ', sent again' : ''}
        </h4>
        <Tag tone={error === null ? 'good' : 'bad'}>{status ?? 'no answer'}</Tag>
      </div>
      <p class="muted">
        <Moment at={at} precise /> · <span class="nowrap">{preciseDuration(durationMs)}</span>
      </p>
      {error === null ? null : (
        <p>
          <Untrusted text={error} />
        </p>
      )}
      {status === null ? null : responseHeaders === null ? (
        <p class="muted">The answer was deleted with the job.</p>
      ) : responseBody === null || responseBody === '' ? (
        <p class="muted">The answer has no body.</p>
      ) : (
        <>
          <p class="muted caption">Beginning of the answer</p>
          <Sample text={withLines(responseBody)} />
        </>
      )}
      <details>
        <summary>More</summary>
        <dl>
          {headers === null ? null : (
            <>
              <dt>Headers of the answer</dt>
              <dd>
                <Details value={headers} />
              </dd>
            </>
          )}
          <dt>Worker</dt>
          <dd>
            <Code text={process} />
          </dd>
        </dl>
      </details>
    </li>
  );
}

/** Stored answers have their line breaks escaped. */
function withLines(text: string): string {
  return text.replaceAll(/\\u000d|\\u0009/g, ' ').replaceAll('\\u000a', '\n');
}

import type { JSX } from 'preact';
import { shownUrl, type AdminEndpoint } from '../../deliveries/deliveries-admin.service.js';
import { count, formMoment } from '../components/format.js';
import { Code, CsrfField, Facts, HiddenFields, Moment, Untrusted } from '../components/widgets.js';
import type { Session } from '../session/sessions.service.js';

interface RecoverProperties {
  readonly session: Session;
  readonly endpoint: AdminEndpoint['endpoint'];
  readonly since: Date;
  /** How many deliveries the recovery sends again. */
  readonly deliveries: number;
}

/** Shows what a recovery would send, and asks for it. */
export function RecoverEndpoint({
  session,
  endpoint,
  since,
  deliveries,
}: RecoverProperties): JSX.Element {
  const address = `/admin/endpoints/${endpoint.id}`;
  const sent = `${count(deliveries)} ${deliveries === 1 ? 'delivery' : 'deliveries'}`;
  return (
    <section class="sheet">
      <h1>Recover this endpoint?</h1>
      <Facts
        facts={[
          ['Endpoint', <Code text={shownUrl(endpoint.url)} />],
          ['Service', <Untrusted text={endpoint.service} />],
        ]}
      />
      <form method="get" action={`${address}/recover`}>
        <label>
          <span>Events since (UTC)</span>
          <input
            type="datetime-local"
            name="since"
            step="0.001"
            required
            value={formMoment(since.toISOString())}
          />
        </label>
        <div>
          <button type="submit" class="quiet">
            Count again
          </button>
        </div>
      </form>
      <p role="status">
        <strong>{sent}</strong> since <Moment at={since} /> {deliveries === 1 ? 'has' : 'have'} not
        arrived.
      </p>
      <p>
        {deliveries === 0
          ? endpoint.enabled
            ? 'There is nothing to send.'
            : 'The gateway only enables the endpoint.'
          : `The gateway sends ${deliveries === 1 ? 'it' : 'them'} again with the same ids${endpoint.enabled ? '' : ', and enables the endpoint'}.`}{' '}
        The audit records that you did this.
      </p>
      <div class="actions">
        {deliveries === 0 && endpoint.enabled ? null : (
          <form method="post" action={`${address}/recover`}>
            <CsrfField session={session} />
            <HiddenFields values={{ since: since.toISOString() }} />
            <button type="submit">
              {deliveries === 0 ? 'Enable the endpoint' : `Recover, and send ${sent}`}
            </button>
          </form>
        )}
        <a href={address}>Back</a>
      </div>
    </section>
  );
}

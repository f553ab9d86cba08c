import type { JSX } from 'preact';
import { SCOPES, type ApiKey } from '../../access/api-key.entity.js';
import { SERVICE_NAME_RULE } from '../../access/service-name.js';
import { DataTable, type TableColumn } from '../components/data-table.js';
import { link } from '../components/page.js';
import type { Session } from '../session/sessions.service.js';
import {
  Code,
  Copyable,
  CsrfField,
  Facts,
  Untrusted,
  Moment,
  Note,
} from '../components/widgets.js';

interface KeysProperties {
  readonly session: Session;
  readonly keys: readonly ApiKey[];
  readonly revoked: boolean;
}

const SCOPE_LABELS = {
  jobs: 'submit documents and read the results of its own service',
  admin: 'use this console and the admin API',
} as const;

export function Keys({ session, keys, revoked }: KeysProperties): JSX.Element {
  const active = keys.filter(({ revokedAt }) => revokedAt === null).toReversed();
  const revokedKeys = keys.filter(({ revokedAt }) => revokedAt !== null).toReversed();
  return (
    <>
      <h1>API keys</h1>
      {revoked ? (
        <Note tone="good">
          <p>The key is revoked. In other processes it stops working within 5 seconds.</p>
        </Note>
      ) : null}
      <NewKeyForm session={session} />
      <h2>In use</h2>
      <DataTable
        caption="API keys that work, newest first"
        columns={[
          ...COLUMNS,
          {
            head: 'Action',
            cell: (key) => (
              <>
                {key.id === session.actor.keyId ? (
                  <span class="muted">yours</span>
                ) : (
                  <a href={`/admin/keys/${key.id}/revoke`}>
                    Revoke…<span class="visually-hidden"> {key.prefix}</span>
                  </a>
                )}{' '}
                <History of={key} />
              </>
            ),
          },
        ]}
        rows={active}
        keyOf={({ id }) => id}
        empty={<p>No key is in use.</p>}
      />
      <h2>Revoked</h2>
      <DataTable
        caption="Revoked API keys, newest first"
        columns={[
          ...COLUMNS,
          { head: 'Revoked (UTC)', cell: ({ revokedAt }) => <Moment at={revokedAt} /> },
          { head: 'By whom', cell: (key) => <History of={key} /> },
        ]}
        rows={revokedKeys}
        keyOf={({ id }) => id}
        empty={<p>No key has been revoked.</p>}
      />
    </>
  );
}

const COLUMNS: readonly TableColumn<ApiKey>[] = [
  { head: 'Service', main: true, cell: ({ service }) => <Untrusted text={service} /> },
  { head: 'Begins with', cell: ({ prefix }) => <Code text={prefix} /> },
  { head: 'Scopes', cell: ({ scopes }) => scopes.join(', ') },
  { head: 'Created (UTC)', cell: ({ createdAt }) => <Moment at={createdAt} /> },
  {
    head: 'Last used (UTC)',
    cell: ({ lastUsedAt }) =>
      lastUsedAt === null ? <span class="muted">never</span> : <Moment at={lastUsedAt} />,
  },
];

/** Who created and revoked the key. */
function History({ of: { id, prefix } }: { of: ApiKey }): JSX.Element {
  return (
    <a href={link('/admin/actions', { text: id })}>
      History<span class="visually-hidden"> of {prefix}</span>
    </a>
  );
}

function NewKeyForm({ session }: { session: Session }): JSX.Element {
  return (
    <form class="filter new-key" method="post" action="/admin/keys" aria-labelledby="new-key">
      <h2 id="new-key">Create a key</h2>
      <CsrfField session={session} />
      <label>
        <span>Service</span>
        <input
          name="service"
          required
          maxLength={100}
          pattern="[A-Za-z0-9][A-Za-z0-9._\-]*"
          title={SERVICE_NAME_RULE}
          autocapitalize="off"
          spellcheck={false}
        />
      </label>
      <fieldset>
        <legend>Scopes</legend>
        {SCOPES.map((scope) => (
          <label class="check" key={scope}>
            <input type="checkbox" name="scopes" value={scope} checked={scope === 'jobs'} />
            <span>
              <b>{scope}</b>: {SCOPE_LABELS[scope]}
            </span>
          </label>
        ))}
      </fieldset>
      <div class="filter-buttons">
        <button type="submit">Create</button>
      </div>
    </form>
  );
}

export function CreatedKey({ stored, apiKey }: { stored: ApiKey; apiKey: string }): JSX.Element {
  return (
    <section class="sheet">
      <h1>Key created</h1>
      <Note tone="warn">
        <p>This is the only time that the key is shown. Copy it now.</p>
      </Note>
      <p class="secret" tabIndex={0} aria-label="The new API key">
        <code data-copy>{apiKey}</code>
      </p>
      <Facts
        facts={[
          ['Key ID', <Copyable text={stored.id} />],
          ['Service', <Untrusted text={stored.service} />],
          ['Scopes', stored.scopes.join(', ')],
        ]}
      />
      <p>
        <a href="/admin/keys">I have copied it</a>
      </p>
    </section>
  );
}

export function RevokeKey({ session, stored }: { session: Session; stored: ApiKey }): JSX.Element {
  return (
    <section class="sheet">
      <h1>Revoke this key?</h1>
      <Facts
        facts={[
          ['Key ID', <Copyable text={stored.id} />],
          ['Service', <Untrusted text={stored.service} />],
          ['Begins with', <Code text={stored.prefix} />],
          ['Scopes', stored.scopes.join(', ')],
          ['Created', <Moment at={stored.createdAt} />],
          ['Last used', <Moment at={stored.lastUsedAt} />],
        ]}
      />
      <p>
        All processes answer 401 to this key within 5 seconds. You cannot undo this. Jobs that were
        submitted with it continue.
      </p>
      <div class="actions">
        <form method="post" action={`/admin/keys/${stored.id}/revoke`}>
          <CsrfField session={session} />
          <button type="submit" class="danger">
            Revoke the key
          </button>
        </form>
        <a href="/admin/keys">Keep it</a>
      </div>
    </section>
  );
}

import type { JSX } from 'preact';
import type { ActionPageDto, ActionDto } from '../../admin/refusal.dto.js';
import type { Verification } from '../../audit/audit-verifier.js';
import { isRecord } from '../../platform/json/is-record.js';
import { DataTable, type TableColumn } from '../components/data-table.js';
import { Details } from '../components/details.js';
import { link } from '../components/page.js';
import type { Session } from '../session/sessions.service.js';
import {
  Code,
  count,
  CsrfField,
  Untrusted,
  Moment,
  None,
  Note,
  Pager,
  Tag,
} from '../components/widgets.js';

interface ActionsProperties {
  readonly session: Session;
  readonly page: ActionPageDto;
  readonly cursor: string | undefined;
  readonly verified?: Verification;
}

const ACTION_LABELS: Readonly<Record<string, string>> = {
  'key.create': 'Created an API key',
  'key.revoke': 'Revoked an API key',
  'refusals.recheck': 'Re-checked refusals',
  'refusals.accept': 'Accepted refusals',
  'refusals.export': 'Exported refusals',
  'audit.verify': 'Verified the audit',
  'job.poll': 'Polled a job',
  'job.result': 'Downloaded a result',
  'job.cancel': 'Cancelled a job',
  'session.begin': 'Signed in',
  'session.end': 'Signed out',
  'alert.acknowledge': 'Acknowledged an alert',
  'admin.access': 'Used an admin route',
};

/** Who did what, and whether the record of it is as it was written. */
export function Actions({ session, page, cursor, verified }: ActionsProperties): JSX.Element {
  const older =
    page.nextCursor === null ? undefined : link('/admin/actions', { cursor: page.nextCursor });
  return (
    <>
      <h1>Admin actions</h1>
      <section class="verify" aria-labelledby="verify">
        <h2 id="verify">Is the audit as it was written?</h2>
        <p class="muted">
          Refusals and admin actions are entries in a chain: whoever changes, removes or cuts off
          one leaves a trace. Verifying reads all of it.
        </p>
        <form method="post" action="/admin/actions/verify">
          <CsrfField session={session} />
          <button type="submit">Verify the audit</button>
        </form>
        {verified === undefined ? null : <Verified verified={verified} />}
      </section>
      <h2>Who did what</h2>
      <DataTable
        caption="What admins did, newest first"
        columns={COLUMNS}
        rows={page.actions}
        keyOf={({ id }) => id}
        empty={<p>What admins do here and through the API is listed here.</p>}
      />
      {page.actions.length === 0 ? null : (
        <Pager {...(cursor === undefined ? {} : { first: '/admin/actions' })} next={older} />
      )}
    </>
  );
}

function Verified({ verified }: { verified: Verification }): JSX.Element {
  return verified.ok ? (
    <Note tone="good">
      <p>The audit is whole: all {count(verified.rows)} entries are as they were written.</p>
    </Note>
  ) : verified.state === 'unverifiable' ? (
    <Note tone="warn">
      <p>
        <strong>The audit cannot be verified as a whole.</strong>{' '}
        <Untrusted text={verified.reason ?? ''} />.
      </p>
      <p>Nothing that is changed was found among {count(verified.rows)} entries.</p>
    </Note>
  ) : (
    <Note tone="bad">
      <p>
        <strong>The audit has been changed.</strong>{' '}
        {verified.firstBroken === null ? null : (
          <>
            The first entry that is not right is <Code text={verified.firstBroken} />:{' '}
          </>
        )}
        <Untrusted text={verified.reason ?? ''} />.
      </p>
      <p>{count(verified.rows)} entries before it are as they were written.</p>
    </Note>
  );
}

const COLUMNS: readonly TableColumn<ActionDto>[] = [
  { head: 'Time (UTC)', cell: ({ at }) => <Moment at={at} /> },
  { head: 'Who', cell: ({ actor }) => <Who actor={actor} /> },
  {
    head: 'What',
    main: true,
    cell: ({ action }) => ACTION_LABELS[String(action)] ?? <Untrusted text={String(action)} />,
  },
  {
    head: 'State',
    cell: ({ state, reason }) => (
      <>
        <Tag tone={state === 'done' ? 'good' : state === 'failed' ? 'bad' : 'busy'}>
          {String(state)}
        </Tag>
        {typeof reason === 'string' ? <Untrusted text={` ${reason}`} /> : null}
      </>
    ),
  },
  { head: 'Detail', cell: ({ detail }) => <Details value={detail} ours /> },
];

function Who({ actor }: { actor: unknown }): JSX.Element {
  if (!isRecord(actor)) return <None />;
  const { service, via, keyId } = actor;
  const name = service === '' ? 'unknown' : String(service);
  return (
    <span {...(keyId === '' ? {} : { title: `API key ${String(keyId)}` })}>
      <Untrusted text={name} /> <span class="muted">{VIA_NAMES[String(via)] ?? null}</span>
    </span>
  );
}

const VIA_NAMES: Readonly<Record<string, string>> = {
  api: 'API',
  console: 'console',
  command: 'command line',
};

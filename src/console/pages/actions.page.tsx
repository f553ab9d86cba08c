import type { JSX } from 'preact';
import type { ActionPageDto, ActionDto } from '../../admin/action.dto.js';
import type { Verification } from '../../audit/audit-verifier.js';
import { ADMIN_ACTIONS } from '../../admin/admin-actions.js';
import type { ActionFilter } from '../../audit/audit-queries.js';
import { isRecord } from '../../platform/json/is-record.js';
import { DataTable, type TableColumn } from '../components/data-table.js';
import { Details } from '../components/details.js';
import { link } from '../components/page.js';
import { count } from '../components/format.js';
import {
  Copyable,
  Untrusted,
  Moment,
  None,
  Note,
  Options,
  Pager,
  Tag,
  type Tone,
} from '../components/widgets.js';

interface Verified {
  readonly at: Date;
  /** The head of the audit that the chain must still hold; empty where none was given. */
  readonly since: string;
  readonly verification: Verification;
}

interface ActionsProperties {
  readonly page: ActionPageDto;
  readonly asked: ActionFilter;
  readonly cursor: string | undefined;
  readonly verified?: Verified;
}

const ACTION_LABELS: Readonly<Record<string, string>> = {
  'key.create': 'Created an API key',
  'service.limits': 'Set the weight and limits of a service',
  'key.revoke': 'Revoked an API key',
  'refusals.recheck': 'Re-checked refusals',
  'refusals.accept': 'Accepted refusals',
  'refusals.export': 'Exported refusals',
  'audit.verify': 'Verified the audit',
  'data_keys.rekey': 'Encrypted stored secrets again',
  'job.poll': 'Polled a job',
  'job.result': 'Downloaded a result',
  'job.file': 'Downloaded a file of a result',
  'job.cancel': 'Cancelled a job',
  'job.delete': 'Deleted a job',
  'endpoint.enable': 'Enabled an endpoint',
  'endpoint.disable': 'Disabled an endpoint',
  'endpoint.recover': 'Recovered an endpoint',
  'endpoint.test': 'Tested an endpoint',
  'event.resend': 'Sent an event again',
  'session.begin': 'Signed in',
  'session.end': 'Signed out',
  'alert.acknowledge': 'Acknowledged an alert',
  'admin.access': 'Used an admin route',
};

export function Actions({ page, asked, cursor, verified }: ActionsProperties): JSX.Element {
  const older =
    page.nextCursor === null
      ? undefined
      : link('/admin/actions', { ...asked, cursor: page.nextCursor });
  const isFiltered = Object.keys(asked).length > 0;
  return (
    <>
      <h1>Actions</h1>
      <section class="verify" aria-labelledby="verify">
        <h2 id="verify">Is the audit intact?</h2>
        <p class="muted">
          Refusals, admin actions, and deletions of jobs are entries in a chain. The verification
          reads all of it, and finds entries that were changed, removed, or cut off. Give it an
          “audit head” line from the log to find also that the whole database was put back to an
          earlier state.
        </p>
        {verified === undefined ? null : <Result {...verified} />}
        <form class="verify-form" method="get" action="/admin/actions/verify">
          <label>
            <span>Head from the log (optional)</span>
            <input name="since" value={verified?.since} maxLength={1000} spellcheck={false} />
          </label>
          <button type="submit">
            {verified === undefined ? 'Verify the audit' : 'Verify again'}
          </button>
        </form>
      </section>
      <h2>Who did what</h2>
      <form class="filter" method="get" action="/admin/actions" aria-label="Filter">
        <label>
          <span>Action</span>
          <Options
            name="action"
            values={ADMIN_ACTIONS}
            nameOf={(action) => ACTION_LABELS[action] ?? action}
            chosen={asked.action}
          />
        </label>
        <label class="wide">
          <span>ID, service, or other text</span>
          <input name="text" value={asked.text} maxLength={128} spellcheck={false} />
        </label>
        <div class="filter-buttons">
          <button type="submit">Show</button>
          {isFiltered ? <a href="/admin/actions">Clear</a> : null}
        </div>
      </form>
      <DataTable
        caption="What admins did and which jobs services deleted, newest first"
        columns={COLUMNS}
        rows={page.actions}
        keyOf={({ id }) => id}
        empty={
          isFiltered ? (
            <p>No action matches this filter.</p>
          ) : (
            <p>
              The gateway lists here what admins do in the console, the API, and commands, and which
              jobs services delete.
            </p>
          )
        }
      />
      {page.actions.length === 0 ? null : (
        <Pager
          {...(cursor === undefined ? {} : { first: link('/admin/actions', { ...asked }) })}
          next={older}
        />
      )}
    </>
  );
}

function Result({ at, verification }: Verified): JSX.Element {
  const { ok, state, rows, firstBroken, reason, head } = verification;
  const tone = ok ? 'good' : state === 'unverifiable' ? 'warn' : 'bad';
  return (
    <Note tone={tone}>
      <p>
        {ok ? (
          <>
            <strong>The audit is intact:</strong> all {count(rows)} entries are as they were
            written.
          </>
        ) : state === 'unverifiable' ? (
          <>
            <strong>The audit cannot be verified as a whole.</strong>{' '}
            <Untrusted text={reason ?? ''} />. No change was found among {count(rows)} entries.
          </>
        ) : (
          <>
            <strong>The audit has been changed.</strong> <Untrusted text={reason ?? ''} />.
            {firstBroken === null ? null : (
              <>
                {' '}
                The first wrong entry is <Copyable text={firstBroken} />.
              </>
            )}{' '}
            {count(rows)} entries before it are as they were written.
          </>
        )}
      </p>
      {head === null ? null : (
        <p>
          Head for a later verification: <Copyable text={head} />
        </p>
      )}
      <p class="muted">
        Verified <Moment at={at} />. Reload the page to verify again.
      </p>
    </Note>
  );
}

/** Error codes are not broken; other text may need several lines. */
const MAX_NOTE_OF_ONE_LINE = 30;

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
    cell: (action) => {
      const { tone, label, note } = outcomeOf(action);
      return (
        <>
          <Tag tone={tone}>{label}</Tag>
          {note === undefined ? null : (
            <>
              {' '}
              <span class={note.length <= MAX_NOTE_OF_ONE_LINE ? 'nowrap' : undefined}>
                <Untrusted text={note} />
              </span>
            </>
          )}
          {action.state === 'started' ? <span class="muted"> No outcome is recorded.</span> : null}
        </>
      );
    },
  },
  { head: 'Detail', wide: true, cell: (action) => <Detail action={action} /> },
];

interface Outcome {
  readonly tone: Tone;
  readonly label: string;
  readonly note?: string;
}

/** An action can end without error, and yet not have done or found what it was for. */
function outcomeOf({ action, state, reason, detail }: ActionDto): Outcome {
  const note = typeof reason === 'string' ? { note: reason } : {};
  if (state === 'failed') return { tone: 'bad', label: 'failed', ...note };
  if (state !== 'done') return { tone: 'busy', label: String(state), ...note };
  const { unreadable, complete, result } = isRecord(detail) ? detail : {};
  if (action === 'data_keys.rekey' && typeof unreadable === 'number' && unreadable > 0)
    return { tone: 'warn', label: 'incomplete', note: `${count(unreadable)} unreadable` };
  if (action === 'refusals.export' && complete === false)
    return { tone: 'warn', label: 'incomplete' };
  if (action === 'audit.verify' && result === 'changed') return { tone: 'bad', label: 'changed' };
  if (action === 'audit.verify' && result === 'unverifiable')
    return { tone: 'warn', label: 'unverifiable' };
  return { tone: 'good', label: 'done', ...note };
}

const DETAIL_LABELS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'job.delete': { origin: 'why', reducto: 'at Reducto' },
  'data_keys.rekey': { key: 'with key', values: 're-encrypted' },
};

/** Values in the audit of `job.delete` in words. The deletion of the upstream job of a job needs no reason. */
const DELETION_WORDS: Readonly<Record<string, Readonly<Record<string, string | null>>>> = {
  origin: { job: null, orphan: 'no job needs it', callback: 'a callback named it' },
  reducto: { 'deletes it': 'being deleted', 'does not have it': 'already gone' },
};

function Detail({ action: { action, detail } }: { action: ActionDto }): JSX.Element {
  const fields = Object.entries(isRecord(detail) ? detail : {}).map(([name, value]) => {
    const words =
      action === 'job.delete' && Object.hasOwn(DELETION_WORDS, name)
        ? DELETION_WORDS[name]
        : undefined;
    const isKnown = words !== undefined && typeof value === 'string' && Object.hasOwn(words, value);
    return [name, isKnown ? words[value] : value] as const;
  });
  const labels = DETAIL_LABELS[String(action)] ?? {};
  return <Details value={Object.fromEntries(fields)} labels={labels} ours />;
}

function Who({ actor }: { actor: unknown }): JSX.Element {
  if (!isRecord(actor)) return <None />;
  const { service, via, keyId } = actor;
  const name = service === '' ? 'unknown' : String(service);
  return (
    <span {...(keyId === '' ? {} : { title: `API key ${String(keyId)}` })}>
      <Untrusted text={name} />
      <span class="via">{VIA_NAMES[String(via)] ?? null}</span>
    </span>
  );
}

const VIA_NAMES: Readonly<Record<string, string>> = {
  api: 'API',
  console: 'console',
  command: 'command line',
  sdk: 'SDK',
};

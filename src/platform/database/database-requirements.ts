import type { DataSource, QueryRunner } from 'typeorm';

/** The oldest version with all session settings that the gateway uses. */
export const MIN_VERSION = 14;

const REQUIRED_ENCODING = 'UTF8';

/** A pooler may assign the same session by chance, but not this many times. */
const SESSION_ROUNDS = 3;

/** The database is reachable but does not meet the requirements. */
export class UnsuitableDatabaseError extends Error {
  constructor(problem: string) {
    super(`The database of DATABASE_URL ${problem}`);
    this.name = 'UnsuitableDatabaseError';
  }
}

/** A standby, or a server that a failover or an administrator has made read-only. */
export class ReadOnlyDatabaseError extends Error {
  /** The SQLSTATE that PostgreSQL returns for a write. */
  readonly code = '25006';

  constructor() {
    super('The database of DATABASE_URL is read-only: a standby, or a failover is under way');
    this.name = 'ReadOnlyDatabaseError';
  }
}

/** Runs a statement without parameters on one connection. */
export type Ask = (statement: string) => Promise<Record<string, unknown>[]>;

/** Throws `UnsuitableDatabaseError`, or `ReadOnlyDatabaseError`, which may be temporary. Needs two connections. */
export async function requireSuitableDatabase(dataSource: DataSource): Promise<void> {
  const runners = [dataSource.createQueryRunner(), dataSource.createQueryRunner()] as const;
  try {
    const [first, second] = runners.map(askThrough);
    if (first === undefined || second === undefined) return;
    await requireWritable(first);
    await requireServer(first);
    if (await sharesSessions(first, second)) {
      throw new UnsuitableDatabaseError(
        'is behind a connection pooler in transaction mode, and the gateway needs sessions of its own: ' +
          'set the pooler to session mode, or connect to PostgreSQL directly.',
      );
    }
  } finally {
    await Promise.all(runners.map((runner) => runner.release()));
  }
}

/** Throws `ReadOnlyDatabaseError` if the database accepts no writes. */
export async function requireWritable(ask: Ask): Promise<void> {
  const [row] = await ask(
    `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "readOnly"`,
  );
  if (row?.['readOnly'] === true) throw new ReadOnlyDatabaseError();
}

async function requireServer(ask: Ask): Promise<void> {
  const [row] = await ask(
    `SELECT current_setting('server_encoding') AS encoding,
            current_setting('server_version_num')::integer / 10000 AS version`,
  );
  const { encoding, version } = row ?? {};
  if (typeof version === 'number' && version < MIN_VERSION) {
    const versions = `PostgreSQL ${version}, and the gateway needs ${MIN_VERSION} or newer`;
    throw new UnsuitableDatabaseError(`is of ${versions}: upgrade the server.`);
  }
  if (encoding !== REQUIRED_ENCODING) {
    const encodings = `text as ${String(encoding)}, and the gateway needs ${REQUIRED_ENCODING}`;
    throw new UnsuitableDatabaseError(`stores ${encodings}: create it with ENCODING 'UTF8'.`);
  }
}

/**
 * Whether two open connections share sessions of the server, as behind a pooler in transaction mode: the same
 * session for both, or one that changes while the other connection holds it in a transaction.
 */
export async function sharesSessions(first: Ask, second: Ask): Promise<boolean> {
  const ofFirst = await sessionOf(first);
  const ofSecond = await sessionOf(second);
  if (ofFirst === ofSecond) return true;
  for (let round = 0; round < SESSION_ROUNDS; round += 1) {
    await second('BEGIN');
    try {
      if ((await sessionOf(second)) !== ofSecond) return true;
      if ((await sessionOf(first)) !== ofFirst) return true;
    } finally {
      await second('ROLLBACK');
    }
  }
  return false;
}

/** A process id alone is ambiguous: servers behind a load balancer may have equal ones. */
async function sessionOf(ask: Ask): Promise<string> {
  const [row] = await ask(
    `SELECT concat_ws(' ', pg_backend_pid(),
              (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())) AS session`,
  );
  return String(row?.['session']);
}

function askThrough(runner: QueryRunner): Ask {
  return (statement) => runner.query(statement) as Promise<Record<string, unknown>[]>;
}

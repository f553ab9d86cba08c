import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { newDatabase } from '../support/gateway.js';
import { run, type Finished } from '../support/processes.js';

/* The built commands as processes, as an operator runs them. */

const KEY = /^rgw_[\w-]{43}$/;
const UNKNOWN_ID = '01a2145e-8e49-76b3-aac9-a97db0330a5d';

let database: Awaited<ReturnType<typeof newDatabase>>;
beforeAll(async () => void (database = await newDatabase()));
afterAll(() => database.drop());

const gateway = (args: readonly string[], changes: Record<string, string> = {}) =>
  run(['dist/src/cli.js', ...args], { DATABASE_URL: database.url, ...changes });

async function newKey(service: string): Promise<{ id: string; key: string }> {
  const { stdout } = await gateway(['keys', 'create', '--service', service]);
  const [, id = '', key = ''] =
    /Created key ([0-9a-f-]{36})[^]*\n(rgw_[\w-]{43})\n$/.exec(stdout) ?? [];
  return { id, key };
}

async function listedKeys(): Promise<{ id: string; service: string; revokedAt: string | null }[]> {
  return JSON.parse((await gateway(['keys', 'list', '--json'])).stdout).keys;
}

/** A refusal for people: nothing of PostgreSQL, no stack, no SQL. */
function expectPlainText({ stdout, stderr }: Finished): void {
  expect(stdout).toBe('');
  expect(stderr).not.toMatch(/invalid input syntax|relation|QueryFailed|SELECT|\n\s+at |node:/);
}

describe('help', () => {
  const withoutAnything = { DATABASE_URL: 'nonsense', PORT: 'x', NODE_ENV: 'production' };

  it.each([
    [['-h'], 'Usage: gateway'],
    [['--help'], 'Usage: gateway'],
    [['help'], 'Usage: gateway'],
    [['help', 'keys'], 'Usage: gateway keys'],
    [['help', 'keys', 'create'], 'Usage: gateway keys create'],
    [['keys', 'create', '--help'], 'Usage: gateway keys create'],
    [['keys', 'help'], 'Usage: gateway keys'],
    [['audit', 'help', 'verify'], 'Usage: gateway audit verify'],
    [['--version'], '0.1.0'],
  ])('%j needs neither a database nor valid settings', async (args, beginning) => {
    const { code, stdout, stderr } = await gateway(args, withoutAnything);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.startsWith(beginning)).toBe(true);
  });

  it('documents the exit codes', async () => {
    expect((await gateway(['--help'])).stdout).toMatch(/Exit codes:\n\s+0 .*\n\s+1 .*\n\s+2 /);
  });
});

describe('a command line that is not valid', () => {
  it.each([
    ['an excess argument', ['keys', 'create', '--service', 'excess', 'b'], 'too many arguments'],
    ['an unknown command', ['dance'], 'unknown command'],
    ['an unknown option', ['keys', 'list', '--jason'], 'Did you mean --json?'],
    ['a mistyped command', ['doctr'], 'Did you mean doctor?'],
    ['a mistyped subcommand', ['keys', 'revok', 'x'], 'Did you mean revoke?'],
    ['a mistyped command after help', ['help', 'key'], 'Did you mean keys?'],
    ['an unknown command after keys help', ['keys', 'help', 'bogus'], "unknown command 'bogus'"],
    ['an unknown command after audit help', ['audit', 'help', 'verfy'], 'Did you mean verify?'],
    ['an excess word after help', ['keys', 'help', 'create', 'b'], "unknown command 'create b'"],
    ['an unknown command before --help', ['bogus', '--help'], "unknown command 'bogus'"],
    ['an unknown subcommand before -h', ['keys', 'bogus', '-h'], "unknown command 'bogus'"],
    ['a missing command', [], 'Usage: gateway'],
    ['a missing subcommand', ['keys'], 'Usage: gateway keys'],
    ['a missing id', ['keys', 'revoke'], "missing required argument 'id'"],
    ['a missing service', ['keys', 'create'], "required option '--service <name>'"],
    ['a service with a path', ['keys', 'create', '--service', '../x'], 'A service name must be'],
    ['an empty service', ['keys', 'create', '--service', ''], 'A service name must be'],
    [
      'an unknown scope',
      ['keys', 'create', '--service', 'a', '--scopes', 'jobs,root'],
      'Scopes are jobs, admin',
    ],
    ['no scope', ['keys', 'create', '--service', 'a', '--scopes', ''], 'Scopes are jobs, admin'],
  ])('%s ends with 2 and says what is wrong', async (_, args, message) => {
    const finished = await gateway(args);
    expect(finished).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
    expectPlainText(finished);
  });

  it('creates no key', async () => {
    await gateway(['keys', 'create', '--service', 'not-created', 'b']);
    expect((await listedKeys()).map(({ service }) => service)).not.toContain('not-created');
  });

  it('settings that are not valid end with 2', async () => {
    const finished = await gateway(['keys', 'list'], { PORT: 'x' });
    expect(finished).toMatchObject({ code: 2, stderr: expect.stringContaining('PORT must be') });
  });
});

describe('keys create', () => {
  it('prints a key that the database knows', async () => {
    const { id, key } = await newKey('billing');
    expect(key).toMatch(KEY);
    expect(await listedKeys()).toContainEqual(expect.objectContaining({ id, service: 'billing' }));
  });

  it('with --quiet prints the key alone, also through npm in a command substitution', async () => {
    const script =
      'KEY=$(npm run --silent --ignore-scripts gateway -- keys create --service quiet --quiet) && printf %s "$KEY"';
    const { code, stdout } = await run(
      ['-c', script],
      { DATABASE_URL: database.url, HOME: process.env['HOME'] ?? '/' },
      'bash',
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(KEY) });
  });

  it('stores the scopes that it is given', async () => {
    await gateway(['keys', 'create', '--service', 'scoped', '--scopes', 'jobs, admin']);
    expect(await listedKeys()).toContainEqual(
      expect.objectContaining({ service: 'scoped', scopes: ['jobs', 'admin'] }),
    );
  });
});

describe('keys list', () => {
  it('as text names each key in a line and shows none', async () => {
    const { id } = await newKey('listed');
    const { code, stdout } = await gateway(['keys', 'list']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^${id}  listed `, 'm'));
    expect(stdout).not.toMatch(/rgw_[\w-]{43}/);
  });

  it('as JSON has the fields of the API', async () => {
    const { id } = await newKey('as-json');
    const found = (await listedKeys()).find((key) => key.id === id);
    expect(found).toEqual({
      id,
      service: 'as-json',
      scopes: ['jobs'],
      prefix: expect.stringMatching(/^rgw_.{4}…$/),
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      lastUsedAt: null,
      revokedAt: null,
    });
  });
});

describe('keys revoke', () => {
  it('revokes a key', async () => {
    const { id } = await newKey('revoked');
    expect(await gateway(['keys', 'revoke', id])).toMatchObject({ code: 0, stderr: '' });
    expect((await listedKeys()).find((key) => key.id === id)?.revokedAt).not.toBeNull();
  });

  it.each(['123', '', 'abc', "'; DROP TABLE api_keys; --", `${UNKNOWN_ID}0`, '٠'])(
    'refuses %j, which is not an id, in plain text',
    async (id) => {
      const finished = await gateway(['keys', 'revoke', id]);
      expect(finished).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('must be a UUID'),
      });
      expectPlainText(finished);
    },
  );

  it('does not repeat a key that was given in place of its id', async () => {
    const { key } = await newKey('confused');
    const finished = await gateway(['keys', 'revoke', key]);
    expect(finished.code).toBe(2);
    expect(finished.text).not.toContain(key);
  });

  it('of an unknown id ends with 1 and says where ids are listed', async () => {
    const finished = await gateway(['keys', 'revoke', UNKNOWN_ID]);
    expect(finished).toMatchObject({ code: 1, stderr: expect.stringContaining('keys list') });
    expectPlainText(finished);
  });

  it('of a revoked key ends with 1', async () => {
    const { id } = await newKey('twice');
    await gateway(['keys', 'revoke', id]);
    expect((await gateway(['keys', 'revoke', id])).code).toBe(1);
  });
});

describe('a database that cannot be used', () => {
  const commands = [
    ['keys', 'list'],
    ['keys', 'create', '--service', 'a'],
    ['keys', 'revoke', UNKNOWN_ID],
    ['audit', 'verify'],
  ];

  it.each(commands)('%s %s without a server ends with 1 and one sentence', async (...args) => {
    const finished = await gateway(args, {
      DATABASE_URL: 'postgres://u:secret-password@127.0.0.1:9/x',
    });
    expect(finished.code).toBe(1);
    expect(finished.stderr).toMatch(
      /^The database at 127\.0\.0\.1:9 cannot be used: .*Check DATABASE_URL.*\n$/,
    );
    expect(finished.text).not.toContain('secret-password');
    expectPlainText(finished);
  });

  it('says that migrations are missing, and how to run them', async () => {
    const name = `unmigrated_${process.pid}`;
    const server = inject('databaseUrl');
    const url = new URL(server);
    url.pathname = `/${name}`;
    const admin = new Client({ connectionString: server });
    await admin.connect();
    try {
      await admin.query(`CREATE DATABASE ${name}`);
      const finished = await gateway(['keys', 'list'], { DATABASE_URL: url.href });
      expect(finished).toMatchObject({ code: 1, stderr: expect.stringContaining('migrate') });
      expectPlainText(finished);
    } finally {
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await admin.end();
    }
  });
});

describe('migrate', () => {
  it('says on stdout that the database is up to date', async () => {
    expect(await gateway(['migrate'])).toMatchObject({
      code: 0,
      stdout: 'The database is up to date.\n',
    });
  });
});

describe('a database that a newer version has migrated', () => {
  let newer: Awaited<ReturnType<typeof newDatabase>>;
  beforeAll(async () => {
    newer = await newDatabase();
    const client = new Client({ connectionString: newer.url });
    await client.connect();
    await client.query(
      `INSERT INTO schema_migrations (timestamp, name) VALUES (9999999999999, 'FromTheFuture9999999999999')`,
    );
    await client.end();
  });
  afterAll(() => newer.drop());

  it.each([[['migrate']], [['keys', 'list']]])('does not keep %j from working', async (args) => {
    const { code, stderr } = await gateway(args, { DATABASE_URL: newer.url });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('audit verify', () => {
  it('prints the number of verified entries', async () => {
    await newKey('audited');
    expect(await gateway(['audit', 'verify'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^The audit is intact: \d+ entries/),
    });
  });
});

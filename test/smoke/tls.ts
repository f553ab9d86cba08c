import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from './client.js';
import { run, until } from './command.js';
import { Stack } from './stack.js';
import { expectEqual, type Verdict } from './verdict.js';

const NAME = 'callbacks.example.test';
const ALLOWED = '172.16.79.10';
const OUTSIDER = '172.16.79.11';

/** The profile tls, with clients whose addresses are known, and each way to a certificate. */
export async function tryTls(verdict: Verdict): Promise<void> {
  verdict.chapter('TLS before the webhook receiver and the API');
  const files = await certificates();
  const stack = await makeStack(files, 'files');
  try {
    await verdict.check('own certificates: everything starts and is healthy', () => stack.up());
    const client = await Client.of(stack);
    await verdict.check('a job goes all the way, its callback over TLS', async () => {
      const job = await client.ended(await client.accepted(await client.upload()));
      expectEqual([job.status, job.settledBy], ['completed', 'webhook'], 'the job');
    });
    await verdict.check(
      'an address that is not allowed is refused, and no X-Forwarded-For helps',
      () => spoofed(stack, client),
    );
    await verdict.check(
      'of an address that is allowed, no X-Forwarded-For takes the right away',
      async () => {
        const claims = ['6.6.6.6', OUTSIDER, `${OUTSIDER}, 172.16.77.2`];
        for (const lease of claims)
          expectEqual(await callback(stack, 'sandbox', lease), 401, lease);
      },
    );
    await verdict.check('beside the proxy, X-Forwarded-For is not read', besideTheProxy);
    await verdict.check('the proxy lets callbacks through, and nothing else', async () => {
      const paths = [
        '/',
        '/v1/jobs',
        '/admin',
        '/docs',
        '/metrics',
        '/health/ready',
        '/health/live',
      ];
      const ca = ['--cacert', join(files, 'ca.crt'), '--resolve', `${NAME}:13443:127.0.0.1`];
      for (const path of paths) {
        const url = `https://${NAME}:13443${path}`;
        const args = ['-s', '-o', '/dev/null', '-w', '%{http_code}', ...ca, url];
        expectEqual(await run('curl', args), '404', path);
      }
    });
    await verdict.check('the API and the console answer over TLS', () => apiOverTls(files));
    await verdict.check('three gateways and two receivers share the work', () => scaled(stack));
  } finally {
    await stack.forget();
  }
  await otherCertificates(verdict, files);
  await rm(files, { recursive: true, force: true });
}

function makeStack(files: string, mode: string, env: Record<string, string> = {}): Promise<Stack> {
  return Stack.make('tls', {
    profiles: ['sandbox', 'tls', ...(mode === 'acme' ? ['acme'] : [])],
    files: ['test/smoke/tls.yml', 'test/smoke/tls-files.yml'],
    env: {
      SMOKE_FILES: files,
      TLS_MODE: mode,
      TLS_HOST: NAME,
      GATEWAY_TLS_MODE: mode === 'files' ? 'files' : 'internal',
      GATEWAY_TLS_HOST: 'localhost',
      PUBLIC_URL: `https://${NAME}`,
      WEBHOOK_IP_ALLOWLIST: ALLOWED,
      ...env,
    },
  });
}

/** An authority, and a certificate of it for each proxy. */
async function certificates(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-smoke-tls-'));
  // Containers read it as other users.
  await chmod(directory, 0o755);
  const openssl = (...args: string[]): Promise<string> => run('openssl', args);
  const file = (name: string): string => join(directory, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.crt'),
    '-days',
    '2',
    '-subj',
    '/CN=smoke authority',
  );
  for (const [name, host] of [
    ['callbacks', NAME],
    ['gateway', 'localhost'],
    ['acme', 'acme.example.test'],
  ] as const) {
    const signed = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-days', '2'];
    await openssl(
      'req',
      '-x509',
      ...key,
      ...signed,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.crt`),
      '-subj',
      `/CN=${host}`,
      '-addext',
      `subjectAltName=DNS:${host}`,
      '-addext',
      'basicConstraints=critical,CA:FALSE',
    );
  }
  await writeFile(
    file('acme.caddy'),
    '{\n\tadmin off\n}\nacme.example.test {\n\ttls /smoke/acme.crt /smoke/acme.key\n\tacme_server\n}\n',
  );
  return directory;
}

/** What the webhook receiver answers to a callback without a token: 403 stops at the address, 401 came past it. */
async function callback(stack: Stack, from: string, forwardedFor: string): Promise<number> {
  const script = `const [url, forwarded] = process.argv.slice(1);
    const response = await fetch(url, { method: 'POST', body: '{"status":"Completed","job_id":"made-up"}',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': forwarded } });
    console.log(response.status);`;
  return Number(await stack.inside(from, script, `https://${NAME}/webhooks/reducto`, forwardedFor));
}

async function spoofed(stack: Stack, client: Client): Promise<void> {
  for (const lease of [
    ALLOWED,
    `${ALLOWED}, 172.16.77.2`,
    `6.6.6.6, ${ALLOWED}`,
    '127.0.0.1',
    '',
  ]) {
    expectEqual(await callback(stack, 'outsider', lease), 403, `X-Forwarded-For: ${lease}`);
  }
  await until('the audit names the true address', async () => {
    const refusals = await client.refusals();
    const seen = refusals.filter(({ cause }) => cause === 'address_not_allowed');
    if (seen.length < 5) throw new Error(JSON.stringify(refusals.map(({ cause }) => cause)));
    expectEqual(
      [...new Set(seen.map(({ clientAddress }) => clientAddress))],
      [OUTSIDER],
      'addresses',
    );
    return true;
  });
}

async function besideTheProxy(): Promise<void> {
  for (const lease of [ALLOWED, `${ALLOWED}, 172.16.77.2`]) {
    const response = await fetch('http://127.0.0.1:13100/webhooks/reducto', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': lease },
      body: '{"status":"Completed","job_id":"made-up"}',
    });
    expectEqual(response.status, 403, lease);
  }
}

async function apiOverTls(files: string): Promise<void> {
  const ca = ['--cacert', join(files, 'ca.crt')];
  const url = 'https://localhost:13444';
  const status = ['-s', '-o', '/dev/null', '-w', '%{http_code}', ...ca];
  expectEqual(await run('curl', [...status, `${url}/v1/jobs`]), '401', 'the API');
  expectEqual(await run('curl', [...status, `${url}/docs/json`]), '200', 'the description');
  expectEqual(await run('curl', [...status, '-L', `${url}/admin`]), '200', 'the console');
}

async function scaled(stack: Stack): Promise<string> {
  const several = stack.with({
    GATEWAY_PORTS: '13000-13009',
    CALLBACKS_PORTS: '13100-13109',
    // A callback has a line in the log of its receiver only then.
    LOG_LEVEL: 'debug',
  });
  await several.up('--scale', 'gateway=3', '--scale', 'callbacks=2');
  const ports = await Promise.all(
    [1, 2, 3].map(async (index) =>
      (await several.compose('port', '--index', String(index), 'gateway', '3000')).trim(),
    ),
  );
  const client = await Client.of(several, ...ports.map((address) => `http://${address}`));
  const input = await client.upload();
  const ids = await Promise.all(
    Array.from({ length: 60 }, (_, n) => client.accepted(input, {}, n)),
  );
  const note = await client.allComplete(ids);
  const lines = (await several.compose('logs', '--no-color', 'callbacks')).split('\n');
  const receivers = lines.filter(
    (line) => line.includes('"status":200') && line.includes('/webhooks/reducto'),
  );
  const used = new Set(receivers.map((line) => line.split(' ', 1)[0]));
  expectEqual(used.size, 2, 'receivers that took callbacks');
  return note;
}

async function otherCertificates(verdict: Verdict, files: string): Promise<void> {
  for (const [mode, env] of [
    ['internal', {}],
    [
      'acme',
      { ACME_CA: 'https://acme.example.test/acme/local/directory', ACME_ROOT: '/smoke/ca.crt' },
    ],
  ] as const) {
    const stack = await makeStack(files, mode, env);
    try {
      await verdict.check(`certificates by TLS_MODE=${mode}`, async () => {
        await stack.up(
          ...(mode === 'acme' ? ['acme', 'callbacks-tls'] : ['callbacks-tls', 'gateway-tls']),
        );
        const by = await until('a certificate', () => issuer(), 90);
        const log = await stack.compose('logs', '--no-color', 'callbacks-tls');
        const expected = mode === 'acme' ? '"issuer":"acme.example.test' : '"issuer":"local"';
        if (!log.includes(expected)) throw new Error(`the log does not say ${expected}`);
        return by;
      });
    } finally {
      await stack.forget();
    }
  }
}

/** Who signed what the proxy shows. */
function issuer(): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: 13_443,
      servername: NAME,
      rejectUnauthorized: false,
      headers: { host: NAME },
    };
    const sent = request(options, (response) => {
      const socket = response.socket as import('node:tls').TLSSocket;
      resolve(socket.getPeerCertificate().issuer.CN?.toString());
      response.destroy();
    });
    sent.on('error', reject).end();
  });
}

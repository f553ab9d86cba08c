import { parseArgs } from 'node:util';
import { attempt, run } from './command.js';
import { tryTwoHosts } from './external.js';
import { tryFullDisk } from './full-disk.js';
import { trySandbox } from './main-path.js';
import { Stack } from './stack.js';
import { tryTls } from './tls.js';
import { Verdict } from './verdict.js';

/*
 * Tests the deployment: needs Docker with Compose 2.24.4 or later, and takes some minutes.
 * npm run smoke [-- --only sandbox,tls,…]
 */

const CHAPTERS = { sandbox: trySandbox, tls: tryTls, disk: tryFullDisk, hosts: tryTwoHosts };

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const verdict = new Verdict();
const build = await Stack.make('build');
await verdict.check('the images are built', async () => {
  await build.compose('build');
  const size = await run('docker', [
    'image',
    'inspect',
    '-f',
    '{{.Size}}',
    'reducto-gateway:smoke',
  ]);
  return `${Math.round(Number(size) / 1e6)} MB`;
});
await build.forget();

const grafana = await run('docker', ['compose', '-f', 'docker-compose.yml', 'config', '--images']);
const image = grafana.split('\n').find((name) => name.startsWith('grafana/')) ?? 'grafana/grafana';
const withGrafana = (await attempt('docker', ['pull', '--quiet', image])).status === 0;
if (!withGrafana) verdict.notVerified(`Grafana: ${image} cannot be had here`);

for (const [name, chapter] of Object.entries(CHAPTERS)) {
  if (values.only === undefined || values.only.split(',').includes(name)) {
    await chapter(verdict, withGrafana);
  }
}
process.exitCode = verdict.close() ? 0 : 1;

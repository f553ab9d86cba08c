import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import openapiTS, { astToString } from 'openapi-typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.js';

const run = promisify(execFile);
const DOCUMENT = 'https://example.com/invoice.pdf';

let gateway: TestGateway;
/** The project of a service, inside the repository so that it finds the packages. */
let project: string;

beforeAll(async () => {
  gateway = await startGateway();
  await mkdir('.tmp', { recursive: true });
  project = await mkdtemp('.tmp/api-client-');
  const { body } = await gateway.call('GET', '/docs/json');
  await writeFile(join(project, 'gateway.ts'), astToString(await openapiTS(body)));
  await copyFile('docs/examples/client.ts', join(project, 'client.ts'));
  await writeFile(join(project, 'package.json'), '{"type":"module"}');
});
afterAll(async () => {
  await gateway.close();
  await rm(project, { recursive: true });
});

/** Compiles a file of the project as a service would. */
async function compile(file: string): Promise<string> {
  const options = [
    '--ignoreConfig',
    '--strict',
    '--target',
    'ES2024',
    '--module',
    'NodeNext',
    '--skipLibCheck',
  ];
  const types = ['--lib', 'ES2024,DOM', '--types', 'node'];
  const args = ['node_modules/typescript/bin/tsc', ...options, ...types, join(project, file)];
  return run(process.execPath, args).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  );
}

it('generates a client with which the TypeScript example compiles and runs', async () => {
  expect(await compile('client.ts')).toBe('');
  const program = `import { parse } from './client.js';
    const [url, key, document] = process.argv.slice(2);
    console.log(JSON.stringify(await parse(url, key, document)));`;
  await writeFile(join(project, 'main.js'), program);
  const args = [join(project, 'main.js'), gateway.url, gateway.key, DOCUMENT];
  const { stdout } = await run(process.execPath, args);
  expect(JSON.parse(stdout)).toMatchObject({ result: expect.anything() });
});

it.each([
  ['without its priority', `{ type: 'parse', input: 'x' }`],
  ['with null as its metadata', `{ type: 'parse', input: 'x', metadata: null }`],
  [
    'with a field of Reducto’s',
    `{ type: 'parse', input: 'x', settings: { ocr_system: 'highres' } }`,
  ],
  ['of the legacy form', `{ type: 'parse', document_url: 'x', options: {} }`],
  ['to classify', `{ type: 'classify', input: 'x' }`],
])('generates a client that accepts a request %s', async (name, body) => {
  const file = `${name.replaceAll(/\W/g, '-')}.ts`;
  const program = `import createClient from 'openapi-fetch';
    import type { paths } from './gateway.js';
    await createClient<paths>().POST('/v1/jobs', { body: ${body} });\n`;
  await writeFile(join(project, file), program);
  expect(await compile(file)).toBe('');
});

it('runs the Python example', async () => {
  const args = ['docs/examples/client.py', gateway.url, gateway.key, DOCUMENT];
  const { stdout } = await run('python3', args);
  expect(JSON.parse(stdout)).toMatchObject({ result: expect.anything() });
});

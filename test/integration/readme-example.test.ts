import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { run } from '../support/processes.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

it('prints a result for the README example when it is pasted into a shell', async () => {
  const readme = await readFile('README.md', 'utf8');
  const [, example = ''] = /```sh\n(URL=[\s\S]+?)```/.exec(readme) ?? [];
  const [url, key, ...rest] = example.split('\n');
  expect(url).toBe('URL=http://127.0.0.1:3000');
  expect(key).toContain('keys create --service demo --quiet)');
  const environment = { URL: gateway.url, KEY: gateway.key };
  const { code, stdout, stderr } = await run(['-c', rest.join('\n')], environment, 'sh');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [job, events, result] = stdout.trim().split('\n');
  expect(JSON.parse(job ?? '')).toMatchObject({ status: 'completed', settledBy: 'webhook' });
  expect(JSON.parse(events ?? '').events.at(-1)).toMatchObject({ type: 'completed' });
  expect(JSON.parse(result ?? '').result.chunks[0].content).toContain('Rental Agreement');
});

import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { run } from '../support/processes.js';

let gateway: TestGateway;
beforeAll(async () => {
  // No poll before the callback, however slow the machine is.
  gateway = await startGateway({ POLL_SCHEDULE_SECONDS: '600' });
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
  expect(result).toMatch(/^\{.*Rental Agreement/);
  expect(result?.length).toBeLessThanOrEqual(600);
});

describe('the curl examples of docs/api.md', () => {
  const EXAMPLE = '-F file=@invoice.pdf';

  /** The commands of the first block of shell that contains `text`. */
  async function commandsWith(text: string): Promise<string[]> {
    const document = await readFile('docs/api.md', 'utf8');
    const blocks = [...document.matchAll(/```sh\n([\s\S]+?)```/g)].map(([, block = '']) => block);
    return blocks.find((block) => block.includes(text))?.split('\n\n') ?? [];
  }

  async function output(command: string, environment: Record<string, string>): Promise<unknown> {
    const { code, stdout, stderr } = await run(['-c', command], environment, 'sh');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout);
  }

  it('upload a file, submit a job, wait for its end, and read its result', async () => {
    const [upload = '', submit = '', wait = '', result = ''] = await commandsWith(EXAMPLE);
    const environment = { URL: gateway.url, KEY: gateway.key };
    const document = upload.replace('@invoice.pdf', '@src/dev/demo/rental-agreement.pdf');
    expect(await output(document, environment)).toHaveProperty('file_id');
    const job = (await output(submit, environment)) as { id: string };
    const ended = { ...environment, ID: job.id };
    expect(await output(wait, ended)).toMatchObject({ id: job.id, status: 'completed' });
    expect(await output(result, ended)).toHaveProperty('result');
  });

  it('download the document of an edit under its name', async () => {
    const [, , , , download = '', ...rest] = await commandsWith(EXAMPLE);
    expect(rest).toEqual([]);
    const request = {
      type: 'edit',
      input: undefined,
      document_url: 'https://example.com/form.pdf',
      edit_instructions: 'Sign it.',
    };
    const id = await gateway.submit(request);
    await gateway.ended(id);
    const environment = { URL: gateway.url, KEY: gateway.key, ID: id };
    const { code, stdout } = await run(['-c', download.replace('-OJ', '')], environment, 'sh');
    expect({ code, start: stdout.slice(0, 5) }).toEqual({ code: 0, start: '%PDF-' });
  });

  it('create an API key', async () => {
    const [create = ''] = await commandsWith('$ADMIN_KEY');
    const environment = { URL: gateway.url, ADMIN_KEY: await gateway.newKey('ops', ['admin']) };
    expect(await output(create, environment)).toMatchObject({
      service: 'invoices',
      key: expect.stringMatching(/^rgw_/) as string,
    });
  });
});

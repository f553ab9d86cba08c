import Reducto from 'reductoai';
import { describe, expect, test } from 'vitest';
import { anyDocument, bench, clientOf, submit } from './support.js';

describe('faults that create the job and lose the response', () => {
  test.each([
    ['createdButTimeout', Reducto.APIConnectionTimeoutError],
    ['createdButReset', Reducto.APIConnectionError],
    ['createdBut502', Reducto.InternalServerError],
  ])('%s creates the job', async (fault, errorClass) => {
    const { sandbox, client } = await bench();
    const body = { ...anyDocument, sim: { submit: { fault, times: 1 } } };
    const options = { body, timeout: 300 };
    await expect(client.post('/parse_async', options)).rejects.toBeInstanceOf(errorClass);
    expect(sandbox.jobs.all()).toHaveLength(1);
    const id = await submit(client, body);
    expect(sandbox.jobs.all().map((job) => job.id)[1]).toBe(id);
  });
});

describe('faults that create no job', () => {
  test.each([
    ['429code1000', 429, /\[CODE 1000\]/u],
    ['429code2000', 429, /\[CODE 2000\]/u],
    ['429bare', 429, /^(?!.*\[CODE)/u],
    ['503retryAfter', 503, /full/u],
    ['401', 401, /token/u],
    ['403html', 403, /<html>/u],
  ])('%s creates no job', async (fault, status, message) => {
    const { sandbox, client } = await bench();
    const body = { ...anyDocument, sim: { submit: { fault, times: 1 } } };
    await expect(submit(client, body)).rejects.toMatchObject({
      status,
      message: expect.stringMatching(message),
    });
    expect(sandbox.jobs.all()).toHaveLength(0);
    await submit(client, body);
    expect(sandbox.jobs.all()).toHaveLength(1);
  });

  test('status returns the given HTTP status', async () => {
    const { client } = await bench();
    const sim = { submit: { fault: 'status', status: 418 } };
    await expect(submit(client, { ...anyDocument, sim })).rejects.toMatchObject({ status: 418 });
  });

  test('sends Retry-After 300 for a full queue, and none for a 429 unless it is set', async () => {
    const { client } = await bench();
    const retryAfter = async (submitSim: object): Promise<unknown> => {
      const body = { ...anyDocument, sim: { submit: submitSim } };
      const error: unknown = await submit(client, body).catch((reason: unknown) => reason);
      return error instanceof Reducto.APIError ? error.headers?.['retry-after'] : 'no error';
    };
    expect(await retryAfter({ fault: '503retryAfter' })).toBe('300');
    expect(await retryAfter({ fault: '429code1000' })).toBeUndefined();
    expect(await retryAfter({ fault: '429code1000', retryAfterSeconds: 7 })).toBe('7');
  });
});

test('slow delays the response', async () => {
  const { sandbox, client } = await bench({ speed: 0 });
  const sim = { submit: { fault: 'slow', delayMs: 5_000 } };
  const answer = submit(client, { ...anyDocument, sim });
  const { id } = await sandbox.jobs.waitFor(() => true);
  await sandbox.clock.advance(5_000);
  expect(await answer).toBe(id);
});

test('duplicate creates two jobs and returns the second id', async () => {
  const { sandbox, client } = await bench();
  const id = await submit(client, { ...anyDocument, sim: { submit: { fault: 'duplicate' } } });
  expect(sandbox.jobs.all().map((job) => job.id)).toEqual([expect.any(String), id]);
});

test('reads switches from the metadata of async and webhook', async () => {
  const { client } = await bench();
  const sim = { submit: { fault: '401' } };
  const inAsync = { ...anyDocument, async: { metadata: { sim } } };
  await expect(submit(client, inAsync)).rejects.toMatchObject({ status: 401 });
  const edit = { document_url: anyDocument.input, edit_instructions: 'x' };
  const inWebhook = { ...edit, webhook: { mode: 'disabled', metadata: { sim } } };
  await expect(submit(client, inWebhook, 'edit')).rejects.toMatchObject({ status: 401 });
});

test('refuses an unknown switch by its name', async () => {
  const { client } = await bench();
  const sim = { submit: { falt: '401' }, outcome: 'perhaps' };
  await expect(submit(client, { ...anyDocument, sim })).rejects.toMatchObject({
    status: 422,
    error: {
      detail: [
        { loc: ['body', 'sim', 'submit', 'falt'], type: 'unknown_switch' },
        { loc: ['body', 'sim', 'outcome'] },
      ],
    },
  });
});

test('refuses a batch job when the batch queue is full', async () => {
  const { sandbox, client } = await bench({ speed: 0, platform: { batchQueueLimit: 1 } });
  const batch = { ...anyDocument, queue_priority: 'batch' };
  await submit(client, batch);
  await expect(submit(client, batch)).rejects.toMatchObject({ status: 503 });
  await sandbox.clock.advance(600_000);
  await submit(clientOf(sandbox), batch);
  expect(sandbox.jobs.all().map(({ status }) => status)).toEqual(['Completed', 'Pending']);
});

import Reducto, { toFile } from 'reductoai';
import { describe, expect, test } from 'vitest';
import { CheckedSandbox, checkedSandbox } from './checked-sandbox.js';
import { anyDocument, ended } from './support.js';

/* The official Node SDK over the methods about jobs and files, and its errors. Each answer is held against the schemas too. */

const { input } = anyDocument;
const edit = { document_url: input, edit_instructions: 'Sign it' };

function retrying(box: CheckedSandbox): Reducto {
  return new Reducto({ baseURL: box.url, apiKey: box.sandbox.apiKey, maxRetries: 2 });
}

async function completed({ sandbox, client }: CheckedSandbox, id: string): Promise<unknown> {
  await ended(sandbox, id);
  const job = await client.job.get(id);
  expect(job.status).toBe('Completed');
  return job.result;
}

describe('client.job', () => {
  test('get returns an open job', async () => {
    const { client } = await checkedSandbox();
    const body = { input, sim: { stuck: 'Pending' } };
    const { job_id } = await client.post<unknown, { job_id: string }>('/parse_async', { body });
    expect(await client.job.get(job_id)).toMatchObject({ status: 'Pending', progress: 0 });
  });

  test('get returns a failed job without an exception', async () => {
    const box = await checkedSandbox();
    const { job_id } = await box.client.parse.runJob({ input: 'reducto://nothing.pdf' });
    await ended(box.sandbox, job_id);
    expect(await box.client.job.get(job_id)).toMatchObject({
      status: 'Failed',
      error: { name: 'INVALID_CONFIG', code: 400, job_id },
    });
  });

  test('get returns an enhanced job', async () => {
    const box = await checkedSandbox({}, true);
    const { job_id } = await box.client.parse.runJob({ input });
    await ended(box.sandbox, job_id);
    const job = await box.client.job.get(job_id);
    expect(job).toMatchObject({ type: 'Parse', num_pages: 1, progress: 1 });
    expect(job).toMatchObject({ created_at: expect.stringMatching(/\.\d{6}$/u) });
  });

  test('get throws NotFoundError for an unknown id with a slash', async () => {
    const { client } = await checkedSandbox();
    await expect(client.job.get('a b/c')).rejects.toBeInstanceOf(Reducto.NotFoundError);
  });

  test('cancel ends an open job as Failed with JOB_CANCELLED', async () => {
    const box = await checkedSandbox();
    const body = { input, sim: { stuck: 'Pending' } };
    const { job_id } = await box.client.post<unknown, { job_id: string }>('/parse_async', { body });
    expect(await box.client.job.cancel(job_id)).toEqual({});
    await ended(box.sandbox, job_id);
    expect(await box.client.job.get(job_id)).toMatchObject({
      status: 'Failed',
      error: { name: 'JOB_CANCELLED' },
    });
  });

  test('cancel leaves a completed job as it is', async () => {
    const box = await checkedSandbox();
    const { job_id } = await box.client.parse.runJob({ input });
    await ended(box.sandbox, job_id);
    await box.client.job.cancel(job_id);
    expect(await completed(box, job_id)).toMatchObject({ response_type: 'parse' });
  });

  test('cancel throws NotFoundError for an unknown job', async () => {
    const { client } = await checkedSandbox();
    await expect(client.job.cancel('none')).rejects.toBeInstanceOf(Reducto.NotFoundError);
  });

  test('getAll lists jobs of all types, the newest first', async () => {
    const { client } = await checkedSandbox();
    await client.parse.run({ input });
    await client.edit.run(edit);
    const { jobs, next_cursor: cursor } = await client.job.getAll();
    expect(jobs.map(({ type }) => type)).toEqual(['Edit', 'Parse']);
    expect(cursor).toBeNull();
  });

  test('getAll returns pages by cursor, without configs on request', async () => {
    const { client } = await checkedSandbox();
    for (let n = 0; n < 3; n++) await client.parse.run({ input });
    const first = await client.job.getAll({ limit: 2, exclude_configs: true });
    const second = await client.job.getAll({ limit: 2, cursor: first.next_cursor ?? null });
    expect([first.jobs.length, second.jobs.length, second.next_cursor]).toEqual([2, 1, null]);
    expect(first.jobs[0]).not.toHaveProperty('raw_config');
    expect(second.jobs[0]?.raw_config).toContain(input);
  });

  test.each([0, 501])('getAll is refused with 422 for a limit of %i', async (limit) => {
    const { client } = await checkedSandbox();
    await expect(client.job.getAll({ limit })).rejects.toBeInstanceOf(
      Reducto.UnprocessableEntityError,
    );
  });
});

describe('client.delete', () => {
  test('deletes a job: 202, 409 while deleting, then 410 without retries', async () => {
    const box = await checkedSandbox({ speed: 0 });
    const { job_id } = await box.client.parse.runJob({ input });
    await box.sandbox.clock.advance(0);
    const path = `/job/${job_id}`;
    const { data, response } = await box.client.delete(path).withResponse();
    expect([response.status, data]).toEqual([202, { job_id }]);
    await expect(box.client.job.get(job_id)).rejects.toBeInstanceOf(Reducto.ConflictError);
    await expect(box.client.delete(path)).rejects.toBeInstanceOf(Reducto.ConflictError);
    await box.sandbox.clock.advance(60_000);
    await expect(retrying(box).job.get(job_id)).rejects.toMatchObject({ status: 410 });
  });

  test('retries a job that is being deleted', async () => {
    const box = await checkedSandbox({ platform: { deleteCleanupMs: 200 } });
    const { job_id } = await box.client.parse.runJob({ input });
    await ended(box.sandbox, job_id);
    await box.client.delete(`/job/${job_id}`, { query: { include_persisted: true } });
    await expect(retrying(box).job.get(job_id)).rejects.toMatchObject({ status: 410 });
  });

  test('throws ConflictError for a job that has not ended', async () => {
    const { client } = await checkedSandbox();
    const body = { input, sim: { stuck: 'Pending' } };
    const { job_id } = await client.post<unknown, { job_id: string }>('/parse_async', { body });
    await expect(client.delete(`/job/${job_id}`)).rejects.toBeInstanceOf(Reducto.ConflictError);
  });

  test('throws NotFoundError for an unknown job', async () => {
    const { client } = await checkedSandbox();
    await expect(client.delete('/job/none')).rejects.toBeInstanceOf(Reducto.NotFoundError);
  });

  test('deletes an upload once', async () => {
    const { client } = await checkedSandbox();
    const { file_id } = await client.upload({ file: await toFile(Buffer.from('a'), 'a.txt') });
    expect(await client.delete(`/upload/${file_id}`)).toEqual({ file_id });
    await expect(client.delete(`/upload/${file_id}`)).rejects.toBeInstanceOf(Reducto.NotFoundError);
    await expect(client.parse.run({ input: file_id })).rejects.toBeInstanceOf(
      Reducto.NotFoundError,
    );
  });
});

describe('the other methods', () => {
  test('apiVersion returns the version', async () => {
    const { client } = await checkedSandbox();
    expect(await client.apiVersion()).toBe('v1.12.16-sandbox');
  });

  test('webhook.run returns the address of the portal', async () => {
    const { client } = await checkedSandbox();
    expect(await client.webhook.run()).toMatch(/^https:/u);
  });
});

describe('errors', () => {
  test('a wrong key is an AuthenticationError', async () => {
    const { url } = await checkedSandbox();
    const client = new Reducto({ baseURL: url, apiKey: 'wrong', maxRetries: 0 });
    await expect(client.job.getAll()).rejects.toBeInstanceOf(Reducto.AuthenticationError);
  });

  test('a document that is no URL is a BadRequestError', async () => {
    const { client } = await checkedSandbox();
    await expect(client.parse.run({ input: 'file.pdf' })).rejects.toBeInstanceOf(
      Reducto.BadRequestError,
    );
  });

  test('a missing member is an UnprocessableEntityError with a list in detail', async () => {
    const { client } = await checkedSandbox();
    const error: unknown = await client
      .post('/split', { body: { input } })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Reducto.UnprocessableEntityError);
    expect(error).toMatchObject({ error: { detail: [{ loc: ['body', 'split_description'] }] } });
  });

  test('a document with a password is an APIError with status 442', async () => {
    const { client } = await checkedSandbox();
    const error = { name: 'DOCUMENT_PASSWORD_PROTECTED', code: 442, message: 'Locked' };
    const body = { input, sim: { outcome: 'failed', error } };
    await expect(client.post('/parse', { body })).rejects.toMatchObject({
      status: 442,
      error: { error, detail: 'Locked' },
    });
  });

  test('a failure of a model provider is an InternalServerError', async () => {
    const { client } = await checkedSandbox();
    const error = { name: 'LLM_PROVIDER_ERROR', code: 502, message: 'Down' };
    const body = { input, sim: { outcome: 'failed', error } };
    await expect(client.post('/parse', { body })).rejects.toBeInstanceOf(
      Reducto.InternalServerError,
    );
  });
});

/* Faults do not conform to the schemas of the answers. Hence, these requests go around the proxy. */
describe('faults', () => {
  const faulty = async (
    sim: Record<string, unknown>,
    options: { maxRetries?: number; timeout?: number } = {},
  ): Promise<unknown> => {
    const { sandbox } = await checkedSandbox();
    const { url: baseURL, apiKey } = sandbox;
    const client = new Reducto({ baseURL, apiKey, maxRetries: 0, ...options });
    return client.post('/parse_async', { body: { input, sim } }).catch((error: unknown) => error);
  };

  test('a 429 is a RateLimitError', async () => {
    expect(await faulty({ submit: { fault: '429code1000' } })).toBeInstanceOf(
      Reducto.RateLimitError,
    );
  });

  test('a 429 with retry-after is retried', async () => {
    const submit = { fault: '429code1000', retryAfterSeconds: 1, times: 1 };
    expect(await faulty({ submit }, { maxRetries: 1 })).toEqual({ job_id: expect.any(String) });
  });

  test('an HTML 403 is a PermissionDeniedError', async () => {
    expect(await faulty({ submit: { fault: '403html' } })).toBeInstanceOf(
      Reducto.PermissionDeniedError,
    );
  });

  test('a full queue is an InternalServerError', async () => {
    expect(await faulty({ submit: { fault: '503retryAfter' } })).toBeInstanceOf(
      Reducto.InternalServerError,
    );
  });

  test('a lost connection is an APIConnectionError', async () => {
    expect(await faulty({ submit: { fault: 'createdButReset' } })).toBeInstanceOf(
      Reducto.APIConnectionError,
    );
  });

  test('an answer that does not come is an APIConnectionTimeoutError', async () => {
    const submit = { fault: 'createdButTimeout' };
    expect(await faulty({ submit }, { timeout: 100 })).toBeInstanceOf(
      Reducto.APIConnectionTimeoutError,
    );
  });
});

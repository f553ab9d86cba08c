import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pollNow, submitDue } from '../support/due-work.js';
import { eventually, type Answer, type TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';

describe('an upload that a queued job refers to', () => {
  let idle: TestGateway;
  beforeAll(async () => {
    idle = await startIdleGateway();
  });
  afterAll(() => idle.close());

  async function queuedJob(): Promise<{ job: string; upload: string }> {
    const data = new FormData();
    data.append('file', new Blob(['A letter.']), 'a.txt');
    const { body } = await idle.call('POST', '/v1/uploads', data);
    return { job: await idle.submit({ input: body.id }), upload: body.id };
  }
  const deleteUpload = (upload: string): Promise<Answer> =>
    idle.call('DELETE', `/reducto/upload/${encodeURIComponent(upload)}`);

  /** The end of a job that Reducto makes of it, or refuses. */
  async function endOf(job: string): Promise<Answer['body']> {
    await submitDue(idle);
    return eventually('the end', async () => {
      await pollNow(idle, job);
      const { body } = await idle.call('GET', `/v1/jobs/${job}`);
      return body.endedAt === null ? undefined : body;
    });
  }

  it('fails the job with the reason of Reducto if it is deleted before the submit', async () => {
    const { job, upload } = await queuedJob();
    expect((await deleteUpload(upload)).status).toBe(200);
    const { status, error } = await endOf(job);
    expect(status).toBe('failed');
    expect(['rejected_upstream', 'failed_upstream']).toContain(error.code);
    expect(error.message).not.toBe('');
  });

  it('does not keep the job from Reducto if only its id has expired in the gateway', async () => {
    const { job, upload } = await queuedJob();
    await idle.pool.query('DELETE FROM uploads WHERE id = $1', [upload]);
    expect((await endOf(job)).status).toBe('completed');
  });

  it('is deleted once, and then unknown, also by concurrent requests', async () => {
    const { upload } = await queuedJob();
    const answers = await Promise.all([1, 2, 3].map(() => deleteUpload(upload)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 404)).toHaveLength(2);
    expect((await deleteUpload(upload)).status).toBe(404);
  });
});

describe('a completed job that its service deletes', () => {
  let idle: TestGateway;
  beforeAll(async () => {
    idle = await startIdleGateway();
  });
  afterAll(() => idle.close());

  const endOf = (job: string): Promise<Answer['body']> =>
    eventually('the end', async () => {
      await pollNow(idle, job);
      const { body } = await idle.call('GET', `/v1/jobs/${job}`);
      return body.endedAt === null ? undefined : body;
    });
  async function completedJob(): Promise<string> {
    const id = await idle.submit();
    await submitDue(idle);
    expect((await endOf(id)).status).toBe('completed');
    return id;
  }
  const extractOf = (id: string): Promise<Answer> =>
    idle.call('POST', '/v1/jobs', { type: 'extract', input: `jobid://${id}` });

  it('is no input of a new job', async () => {
    const id = await completedJob();
    await idle.call('DELETE', `/v1/jobs/${id}`);
    const { status, body } = await extractOf(id);
    expect([status, body.errors[0].path]).toEqual([422, 'input']);
    expect(body.errors[0].message).toContain('does not exist');
  });

  it('fails a queued job that needs its result', async () => {
    const id = await completedJob();
    const { body: extract } = await extractOf(id);
    await idle.call('DELETE', `/v1/jobs/${id}`);
    await submitDue(idle);
    expect((await idle.call('GET', `/v1/jobs/${extract.id}`)).body).toMatchObject({
      status: 'failed',
      error: { code: 'source_unusable', message: expect.stringContaining('deleted') },
    });
  });
});

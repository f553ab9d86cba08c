import { afterAll, beforeAll, expect, it } from 'vitest';
import { consoleUser, type ConsoleUser } from '../support/console.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { LinkedResults, settingsFor, withImages } from '../support/linked-results.js';

/* Files of results, for admins. */

let results: LinkedResults;
let gateway: TestGateway;
let key: string;
let user: ConsoleUser;
let id: string;

beforeAll(async () => {
  results = await LinkedResults.start();
  gateway = await startGateway(settingsFor(results));
  key = await gateway.newKey('platform', ['admin']);
  user = await consoleUser(gateway, key);
  const gone = `${results.upstream.url}/gone?Signature=secret`;
  results.completeWith(withImages(results.link('here'), gone));
  id = await gateway.submit();
  await gateway.ended(id);
});
afterAll(async () => {
  await gateway.close();
  await results.close();
});

const asAdmin = (path: string) =>
  gateway.call('GET', path, undefined, { authorization: `Bearer ${key}` });

async function recordOf(jobId: string, file: string, via: string): Promise<unknown> {
  return eventually('the record of the download', async () => {
    const { body } = await asAdmin('/v1/admin/actions');
    return body.actions.find(
      (record: { action: string; state: string; actor: { via: string }; detail: object }) =>
        record.action === 'job.file' &&
        record.state === 'done' &&
        JSON.stringify(record).includes(via) &&
        JSON.stringify(record.detail).includes(jobId) &&
        JSON.stringify(record.detail).includes(file),
    );
  });
}

it('shows an admin the number and size of the files, and which are missing', async () => {
  const { body } = await asAdmin(`/v1/admin/jobs/${id}`);
  expect(body.result).toMatchObject({ files: 1, fileBytes: 'content of here'.length });
  expect(body.missingFiles).toEqual([
    { name: 'image-0002', reason: 'the host of the result answered 404' },
  ]);
});

it('lists the files for an admin, and records a read', async () => {
  const { body } = await asAdmin(`/v1/admin/jobs/${id}/files`);
  expect(body.files[0]).toMatchObject({
    name: 'image-0001.png',
    url: `${gateway.url}/v1/admin/jobs/${id}/files/image-0001.png`,
  });
  const file = await asAdmin(`/v1/admin/jobs/${id}/files/image-0001.png`);
  expect([file.status, file.body]).toEqual([200, 'content of here']);
  await recordOf(id, 'image-0001.png', 'api');
});

it('refuses files of any job to a key without the scope admin', async () => {
  expect((await gateway.call('GET', `/v1/admin/jobs/${id}/files`)).status).toBe(403);
  expect((await gateway.call('GET', `/v1/admin/jobs/${id}/files/image-0001.png`)).status).toBe(403);
});

it('shows the files and the missing ones in the console, and records a download', async () => {
  const { body } = await user.get(`/admin/jobs/${id}`);
  expect(body).toContain(`href="/admin/jobs/${id}/files/image-0001.png"`);
  expect(body).toContain('1 file that could not be fetched');
  expect(body).toContain('image-0002');
  expect(body).not.toContain('secret');
  const file = await user.get(`/admin/jobs/${id}/files/image-0001.png`);
  expect([file.status, file.body]).toEqual([200, 'content of here']);
  expect(file.headers.get('content-disposition')).toBe('attachment; filename="image-0001.png"');
  await recordOf(id, 'image-0001.png', 'console');
});

it('answers 404 in the console for a file that the job does not have', async () => {
  expect((await user.get(`/admin/jobs/${id}/files/image-0002.png`)).status).toBe(404);
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.js';

/* Results of the sandbox with all links that Reducto's can have, as results of the gateway. */

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({}, { platform: { extract: 'legacy', linkSeconds: 60 } });
});
afterAll(() => gateway.close());

const ALL_LINKS = { allLinks: true, forceUrlResult: true };
const cited = { citations: { enabled: true } };
const schema = { type: 'object', properties: { total: { type: 'number' } } };

it.each<[string, Record<string, unknown>, files: number]>([
  ['parse', {}, 9],
  ['extract', { instructions: { schema }, settings: cited }, 0],
  ['split', { split_description: [{ name: 'a', description: 'b' }] }, 0],
  [
    'edit',
    { input: undefined, document_url: 'https://example.com/a.pdf', edit_instructions: 'Sign' },
    1,
  ],
  ['pipeline', { pipeline_id: 'p' }, 10],
  ['classify', { classification_schema: [{ category: 'a', criteria: ['b'] }] }, 0],
])('keeps no link to the sandbox in the result of a job of type %s', async (type, body, files) => {
  const id = await gateway.submit({ type, sim: ALL_LINKS, ...body });
  expect(await gateway.ended(id)).toMatchObject({ status: 'completed', missingFiles: [] });
  const result = await gateway.call('GET', `/v1/jobs/${id}/result`);
  expect(JSON.stringify(result.body)).not.toContain(gateway.sandbox.url);
  const kept = await gateway.call('GET', `/v1/jobs/${id}/files`);
  expect(kept.body.files).toHaveLength(files);
});

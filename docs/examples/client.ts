// Submits a document and reads its result. `gateway.ts` is generated from the description of the API:
//   npx openapi-typescript http://127.0.0.1:3000/docs/json -o gateway.ts
import createClient from 'openapi-fetch';
import type { components, paths } from './gateway.js';

type Job = components['schemas']['JobDto'];

export async function parse(url: string, key: string, document: string): Promise<unknown> {
  const gateway = createClient<paths>({
    baseUrl: url,
    headers: { authorization: `Bearer ${key}` },
  });

  const submitted = await gateway.POST('/v1/jobs', {
    // Take an id of your own: a repeat with it returns the same job.
    params: { header: { 'Idempotency-Key': crypto.randomUUID() } },
    body: { type: 'parse', input: document, metadata: { invoice: 815 } },
  });
  if (submitted.error) throw new Error(`${submitted.error.code}: ${submitted.error.detail}`);

  let job: Job = submitted.data;
  while (job.endedAt === null) {
    const read = await gateway.GET('/v1/jobs/{id}', {
      params: { path: { id: job.id }, query: { wait: 60 } },
    });
    if (read.error) throw new Error(`${read.error.code}: ${read.error.detail}`);
    job = read.data;
  }
  if (job.status !== 'completed') throw new Error(`${job.error?.code}: ${job.error?.message}`);

  const result = await gateway.GET('/v1/jobs/{id}/result', { params: { path: { id: job.id } } });
  if (result.error) throw new Error(`${result.error.code}: ${result.error.detail}`);
  return result.data;
}

import Reducto from 'reductoai';

/** Reads REDUCTO_BASE_URL and REDUCTO_API_KEY. */
const reducto = new Reducto();

const SCHEMA = {
  type: 'object',
  properties: { tenant: { type: 'string', description: 'Name of the tenant' } },
};

async function main(document: string, webhook: string): Promise<void> {
  const parsed = await reducto.parse.run({ input: document });
  console.log('parsed', JSON.stringify(parsed));

  const extracted = await reducto.extract.run({
    input: document,
    instructions: { schema: SCHEMA },
  });
  console.log('extracted', JSON.stringify(extracted));

  const { job_id: jobId } = await reducto.parse.runJob({
    input: document,
    async: { metadata: { order: 815 }, webhook: { mode: 'direct', url: webhook } },
  });
  console.log('submitted', jobId);
}

await main(process.argv[2] ?? '', process.argv[3] ?? '');

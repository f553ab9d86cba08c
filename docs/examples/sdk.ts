import Reducto from 'reductoai';

/** Reads REDUCTO_BASE_URL and REDUCTO_API_KEY. */
const reducto = new Reducto();

const SCHEMA = {
  type: 'object',
  properties: { tenant: { type: 'string', description: 'Name of the tenant' } },
};

function print(what: string, value: unknown): void {
  process.stdout.write(`${what} ${JSON.stringify(value)}\n`);
}

async function main(document: string, webhook: string): Promise<void> {
  const parsed = await reducto.parse.run({ input: document });
  print('parsed', parsed);

  const extracted = await reducto.extract.run({
    input: document,
    instructions: { schema: SCHEMA },
  });
  print('extracted', extracted);

  const { job_id: jobId } = await reducto.parse.runJob({
    input: document,
    async: { metadata: { order: 815 }, webhook: { mode: 'direct', url: webhook } },
  });
  print('submitted', jobId);
}

await main(process.argv[2] ?? '', process.argv[3] ?? '');

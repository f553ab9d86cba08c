import { once } from 'node:events';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import Reducto from 'reductoai';

/** Reads REDUCTO_BASE_URL and REDUCTO_API_KEY. */
const reducto = new Reducto();

interface Callback {
  status: 'Completed' | 'Failed';
  job_id: string;
  metadata: unknown;
}

/** Receives the webhooks of jobs, and reads each job. */
const server = createServer((request, response) => {
  void (async () => {
    const callback = (await json(request)) as Callback;
    // Answer first: the sender waits for at most 15 seconds.
    response.writeHead(204).end();
    const job = await reducto.job.get(callback.job_id);
    process.stdout.write(`ended ${job.status} ${JSON.stringify(callback.metadata)}\n`);
  })();
});

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1');
await once(server, 'listening');
process.stdout.write(`listening ${JSON.stringify(server.address())}\n`);

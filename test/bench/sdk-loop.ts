import Reducto from 'reductoai';

/* The alternative without a gateway: the official SDK in a plain loop, with limited concurrency. */

const [url = '', count = '0', concurrency = '1', input = ''] = process.argv.slice(2);
const client = new Reducto({ apiKey: 'sandbox-key', baseURL: url, maxRetries: 0 });
let left = Number(count);

async function loop(): Promise<void> {
  while (left > 0) {
    left -= 1;
    await client.post('/parse_async', {
      body: {
        input,
        async: { webhook: { mode: 'direct', url: 'http://127.0.0.1:9/webhooks/reducto' } },
      },
    });
  }
}

process.send?.({ type: 'listening', url: 'none' });
await Promise.all(Array.from({ length: Number(concurrency) }, () => loop()));
process.disconnect();

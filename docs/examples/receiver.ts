// Receives events of the gateway and verifies their signatures:
//   npm install standardwebhooks
//   WEBHOOK_SECRET=whsec_… node receiver.ts
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';

interface GatewayEvent {
  type: string;
  data: { id: string; status?: string };
}

const webhook = new Webhook(process.env['WEBHOOK_SECRET'] ?? '');

// An event can arrive more than once. In a real service, store its id in the transaction that handles it.
const handled = new Set<string>();

function handle({ type, data }: GatewayEvent): void {
  process.stdout.write(`verified ${type} ${data.id}\n`);
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // The signature is over the bytes, so the body is verified before it is parsed.
  const body = await text(request);
  const id = String(request.headers['webhook-id']);
  let event: unknown;
  try {
    event = webhook.verify(body, request.headers as Record<string, string>);
  } catch {
    response.writeHead(401).end();
    return;
  }
  if (!handled.has(id)) handle(event as GatewayEvent);
  handled.add(id);
  // Answer within 15 seconds; do slow work afterwards.
  response.writeHead(204).end();
}

const port = Number(process.env['PORT'] ?? 4000);
const server = createServer((request, response) => {
  // After any other status than 2xx, the gateway sends the event again later.
  receive(request, response).catch(() => response.writeHead(500).end());
});
server.listen(port, '127.0.0.1', () => process.stdout.write(`listening on port ${port}\n`));

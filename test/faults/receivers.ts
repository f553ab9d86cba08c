import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayClient } from './client.js';
import { Random } from './random.js';
import { recordOf } from './sandbox-control.js';

/** Filters of the endpoints that each service has. */
const FILTERS = [
  {},
  { eventTypes: ['job.completed'] },
  { jobTypes: ['parse'] },
  { eventTypes: ['job.failed', 'job.cancelled', 'job.expired'], jobTypes: ['extract', 'split'] },
] as const;

/** More retries than a run has time for: no delivery gives up. */
const RETRY_SCHEDULE = [0.2, 0.5, 0.5, 1, 1, 1, 2, 2, 2, 2];
const POLL_MS = 250;
const PAGE = 100;

export interface Endpoint {
  readonly service: string;
  readonly eventTypes?: readonly string[];
  readonly jobTypes?: readonly string[];
}

/** A request that a receiver got. */
export interface Receipt {
  readonly endpoint: Endpoint;
  readonly eventId: string;
  readonly jobId: string;
  readonly type: string;
  /** The receiver answered 2xx. */
  readonly isAccepted: boolean;
}

/** An event as the gateway lists it. */
export interface ListedEvent {
  readonly service: string;
  readonly id: string;
  readonly type: string;
  readonly jobId: string;
}

/** The receivers of all services. Some requests fail: by an error, a redirect, a reset, or no answer. */
export class EventReceivers {
  readonly receipts: Receipt[] = [];
  readonly endpoints: Endpoint[] = [];
  private readonly servers: Server[] = [];
  private readonly random: Random;

  constructor(seed: number) {
    this.random = new Random(seed, 'receivers');
  }

  /** Creates the endpoints of one service. */
  async add(service: string, client: GatewayClient): Promise<void> {
    for (const filter of FILTERS) {
      const endpoint: Endpoint = { service, ...filter };
      const url = await this.listen(endpoint);
      const body = { url, retrySchedule: RETRY_SCHEDULE, ...filter };
      const answer = await client.insist('POST', '/v1/endpoints', { body });
      if (answer?.status !== 201) throw new Error(`no endpoint: ${answer?.text}`);
      this.endpoints.push(endpoint);
    }
  }

  /** Waits until `isComplete`, or the time is over. */
  async settle(isComplete: () => boolean, milliseconds: number): Promise<void> {
    const end = performance.now() + milliseconds;
    while (!isComplete() && performance.now() < end) await sleep(POLL_MS);
  }

  close(): void {
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
  }

  private async listen(endpoint: Endpoint): Promise<string> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = recordOf(JSON.parse(Buffer.concat(parts).toString()));
        const isAccepted = this.answer(response);
        this.receipts.push({
          endpoint,
          eventId: String(request.headers['webhook-id']),
          jobId: String(recordOf(body['data'])['id']),
          type: String(body['type']),
          isAccepted,
        });
      });
    });
    this.servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/events`;
  }

  private answer(response: ServerResponse): boolean {
    const draw = this.random.next();
    if (draw < 0.08) response.writeHead(500).end('no');
    else if (draw < 0.11) response.writeHead(302, { location: '/elsewhere' }).end();
    else if (draw < 0.15) response.destroy();
    else if (draw < 0.17) return false;
    else {
      response.writeHead(204).end();
      return true;
    }
    return false;
  }
}

/** All events of a service, by its feed. */
export async function listEvents(service: string, client: GatewayClient): Promise<ListedEvent[]> {
  const all: ListedEvent[] = [];
  for (let after = '0'; ;) {
    const path = `/v1/events?after=${after}&limit=${PAGE}`;
    const { body = {} } = (await client.insist('GET', path)) ?? {};
    const events = Array.isArray(body['events']) ? body['events'] : [];
    for (const event of events.map(recordOf)) {
      const { id, type, jobId } = event;
      all.push({ service, id: String(id), type: String(type), jobId: String(jobId) });
    }
    if (events.length === 0) return all;
    after = String(body['nextCursor']);
  }
}

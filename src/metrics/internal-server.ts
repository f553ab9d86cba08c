import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Readiness } from '../health/readiness.js';
import { Settings } from '../platform/config/settings.js';
import { closesAfterAnswer, limitUnreadBodies } from '../platform/http/unread-bodies.js';
import { Metrics, METRICS_TYPE } from '../platform/metrics/metrics.js';

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** More than health checks and Prometheus need. */
const MAX_CONNECTIONS = 50;
const REQUEST_MILLISECONDS = 10_000;

/**
 * Serves `/metrics`, `/health/live`, and `/health/ready` on `METRICS_PORT`, without authentication. It answers until the
 * end of a shutdown, so that health checks get "down" instead of a refused connection.
 */
@Injectable()
export class InternalServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Start');
  private readonly server = createServer(
    {
      headersTimeout: REQUEST_MILLISECONDS,
      requestTimeout: REQUEST_MILLISECONDS,
      connectionsCheckingInterval: REQUEST_MILLISECONDS / 2,
    },
    (request, response) => void this.answer(request, response),
  );
  private readonly pages: ReadonlyMap<string, () => Promise<Page>>;

  constructor(
    private readonly settings: Settings,
    metrics: Metrics,
    readiness: Readiness,
  ) {
    this.pages = new Map([
      ['/metrics', async () => ({ status: 200, type: METRICS_TYPE, body: await metrics.text() })],
      ['/health/live', () => Promise.resolve(json(200, { status: 'up' }))],
      [
        '/health/ready',
        async () => {
          const report = await readiness.report();
          return json(report.status === 'up' ? 200 : 503, report);
        },
      ],
    ]);
    this.server.maxConnections = MAX_CONNECTIONS;
    limitUnreadBodies(this.server);
  }

  get url(): string {
    const { address, port, family } = this.server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /** Throws if the port is not available, which ends the start. */
  async onApplicationBootstrap(): Promise<void> {
    const { METRICS_PORT: port, METRICS_HOST: host = this.settings.HOST } = this.settings;
    const listening = once(this.server, 'listening');
    this.server.listen(port, host);
    try {
      await listening;
    } catch (error) {
      throw new Error(`METRICS_PORT: cannot listen on ${host}, port ${port}`, { cause: error });
    }
    this.server.on('error', (error) =>
      this.logger.warn({ msg: 'server error on METRICS_PORT', err: error }),
    );
    this.logger.log(`Metrics: ${this.url}/metrics`);
  }

  async onApplicationShutdown(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, type, body } = await this.page(request);
    response.writeHead(status, {
      'Content-Type': type,
      'Cache-Control': 'no-store',
      'Content-Length': Buffer.byteLength(body),
      ...(closesAfterAnswer(request) ? { Connection: 'close' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  private async page({ method, url = '' }: IncomingMessage): Promise<Page> {
    const render = this.pages.get(url.split('?', 1)[0] ?? '');
    if (render === undefined) return json(404, { status: 'not found' });
    if (method !== 'GET' && method !== 'HEAD') return json(405, { status: 'method not allowed' });
    try {
      return await render();
    } catch (error) {
      this.logger.error({ msg: 'a request to METRICS_PORT failed', err: error });
      return json(500, { status: 'error' });
    }
  }
}

function json(status: number, value: unknown): Page {
  return { status, type: 'application/json; charset=utf-8', body: JSON.stringify(value) };
}

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';

/** A receiver of events that fails twice: it answers 503, then breaks the connection off. Then it accepts all. */
export class DemoReceiver {
  /** The signing secret of the endpoint. */
  secret = '';
  private requests = 0;
  private readonly server = createServer((request, response) => {
    void this.receive(request, response);
  });
  private readonly accepted = Promise.withResolvers<string>();

  /** Returns the URL of the receiver. */
  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    const { port } = this.server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/events`;
  }

  /** Waits for the first event with a valid signature that the receiver accepts, and returns its id. */
  waitForEvent(): Promise<string> {
    return this.accepted.promise;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    const body = await text(request);
    if (this.requests === 1) {
      response.writeHead(503).end();
    } else if (this.requests === 2) {
      request.socket.destroy();
    } else {
      try {
        new Webhook(this.secret).verify(body, request.headers as Record<string, string>);
        this.accepted.resolve(String(request.headers['webhook-id']));
        response.writeHead(204).end();
      } catch (error) {
        this.accepted.reject(error);
        response.writeHead(401).end();
      }
    }
  }
}

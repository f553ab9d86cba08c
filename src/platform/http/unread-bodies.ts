import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { declaredLength } from './body-reader.js';
import { EVERY_ANSWER } from './early-answers.js';

/** Maximum bytes that are read of a body after the answer. */
const DRAINED_BYTES = 65_536;
const DRAIN_MILLISECONDS = 1000;

/**
 * Bounds the reading of a body after its request was answered: at most 64 KB and one second, then the connection closes.
 * Closing at once would reset the connection, and the client might lose the answer; Node alone reads without a limit.
 */
export function limitUnreadBodies(server: Server): void {
  const stalled = new StalledBodies();
  const limit = (request: IncomingMessage, response: ServerResponse): void => {
    if (declaredLength(request) === 0) return;
    // Before Node's own listener, which closes the connection or discards the body.
    response.prependListener('finish', () => {
      if (request.complete || request.socket.destroyed) return;
      if (closesAfterAnswer(request)) drain(request);
      else stalled.add(request);
    });
  };
  server.prependListener('request', limit);
  // Without these listeners, Node requests the body before the request can be rejected, and reads on after its own 417.
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  server.on('checkExpectation', (request, response) => {
    limit(request, response);
    response.writeHead(417, { ...EVERY_ANSWER, connection: 'close' }).end();
  });
  server.on('close', () => stalled.end());
}

/** Sends `Connection: close` if the rest of the body may exceed the drained bytes. */
export function announceClose(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (closesAfterAnswer(request.raw)) void reply.header('connection', 'close');
    done(null, payload);
  });
}

/** Whether the connection closes after the current answer. */
export function closesAfterAnswer(request: IncomingMessage): boolean {
  if (request.complete) return false;
  // A client that expects "100 Continue" may or may not send the body after a rejection.
  if (request.headers.expect !== undefined) return true;
  return (declaredLength(request) ?? Infinity) > DRAINED_BYTES;
}

/** Short bodies that were incomplete when their requests were answered; most of them complete at once. */
class StalledBodies {
  private since = new Map<Socket, IncomingMessage>();
  private before = this.since;
  private readonly timer = setInterval(() => this.sweep(), DRAIN_MILLISECONDS).unref();

  /** One entry per connection: one per request would retain thousands. */
  add(request: IncomingMessage): void {
    this.since.set(request.socket, request);
  }

  end(): void {
    clearInterval(this.timer);
  }

  private sweep(): void {
    for (const [socket, request] of this.before) if (!request.complete) socket.destroy();
    this.before = this.since;
    this.since = new Map();
  }
}

function drain(request: IncomingMessage): void {
  const { socket } = request;
  let left = DRAINED_BYTES;
  let isLast = false;
  const stop = (): void => {
    clearTimeout(timer);
    request.off('data', onData).off('end', onEnd).off('close', stop);
    Reflect.deleteProperty(socket, 'destroySoon');
  };
  const close = (): void => {
    stop();
    socket.destroySoon();
  };
  const onData = (part: Buffer): void => {
    left -= part.length;
    if (left > 0) return;
    request.pause();
    socket.end();
  };
  const onEnd = (): void => (isLast ? close() : stop());
  const timer = setTimeout(close, DRAIN_MILLISECONDS);
  // Node calls this after the last answer of a connection.
  socket.destroySoon = () => {
    isLast = true;
  };
  request.unpipe();
  request.removeAllListeners('data');
  request.on('data', onData).on('end', onEnd).on('close', stop);
  // Marks the body as consumed; otherwise Node would discard it.
  request.read(0);
  request.resume();
}

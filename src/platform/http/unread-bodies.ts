import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { declaredLength } from './body-reader.js';
import { EVERY_ANSWER } from './early-answers.js';

/** What is still read of a body whose request has been answered. */
const DRAINED_BYTES = 65_536;
const DRAIN_MILLISECONDS = 1000;

/**
 * Bounds what is read of a body after its request was answered: at most 64 KB, and a second later the connection closes.
 * To close it at once would reset it, and the client might lose the answer. By itself Node reads on without end.
 */
export function limitUnreadBodies(server: Server): void {
  const stalled = new StalledBodies();
  const limit = (request: IncomingMessage, response: ServerResponse): void => {
    if (declaredLength(request) === 0) return;
    // Before the listener of Node, which closes the connection or discards the body.
    response.prependListener('finish', () => {
      if (request.complete || request.socket.destroyed) return;
      if (closesAfterAnswer(request)) drain(request);
      else stalled.add(request);
    });
  };
  server.prependListener('request', limit);
  // Without these listeners, Node asks for the body before the request can be refused, and reads on after its own 417.
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  server.on('checkExpectation', (request, response) => {
    limit(request, response);
    response.writeHead(417, { ...EVERY_ANSWER, connection: 'close' }).end();
  });
  server.on('close', () => stalled.end());
}

/** Announces the end of the connection where the rest of the body may be longer than what is drained. */
export function announceClose(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (closesAfterAnswer(request.raw)) void reply.header('connection', 'close');
    done(null, payload);
  });
}

/** Whether the connection ends with the answer that is sent now. */
export function closesAfterAnswer(request: IncomingMessage): boolean {
  if (request.complete) return false;
  // Who expects a "100 Continue" and hears a refusal sends the body, or does not.
  if (request.headers.expect !== undefined) return true;
  return (declaredLength(request) ?? Infinity) > DRAINED_BYTES;
}

/** Short bodies that had not come as a whole when their requests were answered; mostly they come at once. */
class StalledBodies {
  private since = new Map<Socket, IncomingMessage>();
  private before = this.since;
  private readonly timer = setInterval(() => this.sweep(), DRAIN_MILLISECONDS).unref();

  /** By connection: an entry for each request would keep thousands of them. */
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
  // Node calls this once the last answer of a connection is out.
  socket.destroySoon = () => {
    isLast = true;
  };
  request.unpipe();
  request.removeAllListeners('data');
  request.on('data', onData).on('end', onEnd).on('close', stop);
  // Marks the body as taken, or Node would discard it by itself.
  request.read(0);
  request.resume();
}

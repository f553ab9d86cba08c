import type { FastifyInstance } from 'fastify';

/** An answer that is JSON text already: metadata are answered as they were written, not as they parse. */
export class JsonAnswer {
  constructor(readonly text: string) {}
}

/** Has every handler answer with JSON, and send a `JsonAnswer` as it is. */
export function serializeJsonAnswers(fastify: FastifyInstance): void {
  fastify.setReplySerializer((payload) =>
    payload instanceof JsonAnswer ? payload.text : JSON.stringify(payload),
  );
}

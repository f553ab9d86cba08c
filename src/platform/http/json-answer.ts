import type { FastifyInstance } from 'fastify';

/** An answer that is already JSON text, because metadata must be returned unchanged. */
export class JsonAnswer {
  constructor(readonly text: string) {}
}

/** Serializes all answers as JSON, and sends a `JsonAnswer` unchanged. */
export function serializeJsonAnswers(fastify: FastifyInstance): void {
  fastify.setReplySerializer((payload) =>
    payload instanceof JsonAnswer ? payload.text : JSON.stringify(payload),
  );
}

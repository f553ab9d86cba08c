import type { FastifyReply, FastifyRequest } from 'fastify';
import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { BodyBudget } from '../../platform/http/body-budget.js';
import { RawBody, readBody } from '../../platform/http/body-reader.js';

/** What is read of a callback from a refused address, so that the audit can tell a mistake from an attack. */
const SAMPLE_BYTES = 65_536;
const SAMPLE_MILLISECONDS = 1000;

const NOTHING = new RawBody(Buffer.alloc(0), false);

/** Reads the bodies of callbacks. They have a budget of their own, so that neither they nor requests of services displace the others. */
@Injectable()
export class CallbackBodyReader {
  readonly sampleBytes: number;
  private readonly budget: BodyBudget;
  private readonly maxBytes: number;
  private readonly timeoutMilliseconds: number;

  constructor(settings: Settings) {
    this.maxBytes = settings.WEBHOOK_MAX_BYTES;
    this.sampleBytes = Math.min(SAMPLE_BYTES, this.maxBytes);
    this.timeoutMilliseconds = settings.REQUEST_BODY_TIMEOUT_SECONDS * 1000;
    this.budget = BodyBudget.of(settings.REQUEST_BODY_BUDGET_BYTES, this.maxBytes);
  }

  /** Up to `WEBHOOK_MAX_BYTES`. Throws as `readBody` does. */
  readBody(request: FastifyRequest, reply: FastifyReply): Promise<RawBody> {
    const { maxBytes, timeoutMilliseconds } = this;
    return this.readUpTo(request, reply, { maxBytes, timeoutMilliseconds });
  }

  /** As much as a refusal is worth. Never throws. */
  readSample(request: FastifyRequest, reply: FastifyReply): Promise<RawBody> {
    const limits = {
      maxBytes: this.sampleBytes,
      timeoutMilliseconds: Math.min(SAMPLE_MILLISECONDS, this.timeoutMilliseconds),
      cutWhenLate: true,
    };
    return this.readUpTo(request, reply, limits).catch(() => NOTHING);
  }

  /** Whether the form of the callback can be judged by `body`: it is whole, or longer than any callback may be. */
  isDecisive(body: RawBody): boolean {
    return body.complete || body.bytes.length >= this.maxBytes;
  }

  private async readUpTo(
    request: FastifyRequest,
    reply: FastifyReply,
    limits: { maxBytes: number; timeoutMilliseconds: number; cutWhenLate?: boolean },
  ): Promise<RawBody> {
    if (request.raw.headers.expect !== undefined) reply.raw.writeContinue();
    const reservation = this.budget.open();
    try {
      return await readBody(request.raw, { ...limits, reservation });
    } finally {
      // Until the answer is out: a callback waits, with its body, for the commit that stores it.
      if (reservation.isHeld) {
        if (reply.raw.closed) reservation.release();
        else reply.raw.once('close', () => reservation.release());
      }
    }
  }
}

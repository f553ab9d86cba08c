import type { FastifyReply, FastifyRequest } from 'fastify';
import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { BodyBudget } from '../../platform/http/body-budget.js';
import { RawBody, readBody } from '../../platform/http/body-reader.js';

/** Limits of the sample that is read from a refused address, so that the audit can tell a mistake from an attack. */
const SAMPLE_BYTES = 65_536;
const SAMPLE_MILLISECONDS = 1000;

const UNREAD = new RawBody(Buffer.alloc(0), false);

/** Reads the bodies of callbacks, with a budget separate from that of the API. */
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

  /** Reads up to `WEBHOOK_MAX_BYTES`. */
  readBody(request: FastifyRequest, reply: FastifyReply): Promise<RawBody> {
    const { maxBytes, timeoutMilliseconds } = this;
    return this.readUpTo(request, reply, { maxBytes, timeoutMilliseconds });
  }

  /** Reads a sample for the audit. Never throws. */
  readSample(request: FastifyRequest, reply: FastifyReply): Promise<RawBody> {
    const limits = {
      maxBytes: this.sampleBytes,
      timeoutMilliseconds: Math.min(SAMPLE_MILLISECONDS, this.timeoutMilliseconds),
      cutWhenLate: true,
    };
    return this.readUpTo(request, reply, limits).catch(() => UNREAD);
  }

  /** Whether the body suffices to check the form: it is complete or too long. */
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
      // The body stays in memory until the answer, because the callback waits for its commit.
      if (reservation.isHeld) {
        if (reply.raw.closed) reservation.release();
        else reply.raw.once('close', () => reservation.release());
      }
    }
  }
}

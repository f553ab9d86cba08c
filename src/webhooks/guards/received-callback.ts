import type { FastifyRequest } from 'fastify';
import {
  GUARD_OF_CAUSE,
  REFUSAL_CAUSES,
  type CountedRefusal,
  type GuardName,
  type Outcome,
  type Refusal,
  type RefusalCause,
  type Verdict,
} from '../../audit/refusal.js';
import type { KnownJob } from '../../jobs/callback-jobs.service.js';
import { RawBody } from '../../platform/http/body-reader.js';
import type { CallbackChecks, CallbackRequest, GuardMode } from '../callback-checks.js';
import type { CallbackMessage } from '../receiving/callback-message.js';
import { clientAddress } from '../../platform/http/client-address.js';

/** A callback on its way through the guards: what came, and what each guard found. */
export interface ReceivedCallback extends CallbackRequest {
  readonly requestId: string;
  readonly path: string;
  readonly clientAddress: string;
  readonly verdicts: Record<GuardName, Verdict>;
  /** Empty and incomplete until the guard of the form has read it. */
  body: RawBody;
  /** Set by the guard of the form. */
  message?: CallbackMessage;
  /** Set by the guard of the secret. */
  provedBy?: 'token' | 'svix';
  /** Set by the guard of the job ID once the callback is stored; stays empty for a genuine message that is not for us. */
  job?: KnownJob;
  /** The job of ours that a refused callback belongs to. */
  mismatchedJob?: KnownJob;
}

/** The guard refuses, and its mode lets it. `CallbackRefusals` records it and says what to answer. */
export class CallbackRefused extends Error {
  private static readonly known = new Map(
    REFUSAL_CAUSES.map((cause) => [cause, new CallbackRefused(cause)]),
  );
  readonly guard: GuardName;

  private constructor(readonly refusalCause: RefusalCause) {
    super(refusalCause);
    this.name = 'CallbackRefused';
    this.guard = GUARD_OF_CAUSE[refusalCause];
  }

  /** One for each cause: to take the stack anew would cost more than all the checks. */
  static for(cause: RefusalCause): CallbackRefused {
    return CallbackRefused.known.get(cause) ?? new CallbackRefused(cause);
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on the callback route, by whoever asks for it first. */
    callback?: ReceivedCallback;
  }
}

/** The callback of this request, as it has come so far through the guards. */
export function callbackOf(request: FastifyRequest, checks: CallbackChecks): ReceivedCallback {
  return (request.callback ??= open(request, checks));
}

const UNREAD = new RawBody(Buffer.alloc(0), false);

function open(request: FastifyRequest, checks: CallbackChecks): ReceivedCallback {
  const { id: requestId, url: path } = request;
  const { headers, method = '' } = request.raw;
  const peerAddress = clientAddress(request.socket.remoteAddress ?? '', undefined, []);
  return {
    requestId,
    method,
    path,
    headers,
    peerAddress,
    clientAddress: checks.clientOf({ peerAddress, headers }),
    body: UNREAD,
    receivedAt: new Date(),
    verdicts: emptyVerdicts(),
  };
}

function emptyVerdicts(): Record<GuardName, Verdict> {
  const notChecked = { result: 'not_checked' } as const;
  return { source_ip: notChecked, well_formed: notChecked, secret: notChecked, job_id: notChecked };
}

/**
 * Enters a guard's verdict. Rejects with `CallbackRefused` where it failed and the mode enforces it. Nothing is thrown: V8 describes
 * where something is thrown, which costs more than all the guards.
 */
export function enterVerdict(
  callback: ReceivedCallback,
  guard: GuardName,
  mode: GuardMode,
  judge: () => Verdict,
): true | Promise<never> {
  if (mode === 'off') return true;
  const verdict = judge();
  if (verdict.result !== 'fail') {
    callback.verdicts[guard] = verdict;
    return true;
  }
  callback.verdicts[guard] = mode === 'enforce' ? verdict : { ...verdict, result: 'observed' };
  return mode === 'enforce' ? Promise.reject(CallbackRefused.for(verdict.cause)) : true;
}

/** As much of a refusal as is counted. */
export function countedOf(
  { clientAddress, body }: ReceivedCallback,
  cause: RefusalCause,
  outcome: Outcome,
  bytes = body.bytes.length,
): CountedRefusal {
  return { cause, outcome, clientAddress, bytes };
}

/** The record of a refusal, or of what a guard that only observes would have refused. */
export function refusalOf(
  callback: ReceivedCallback,
  cause: RefusalCause,
  status: number,
): Refusal {
  const { method, peerAddress, headers, body, job, mismatchedJob } = callback;
  return {
    guard: GUARD_OF_CAUSE[cause],
    cause,
    status,
    requestId: callback.requestId,
    verdicts: { ...callback.verdicts },
    peerAddress,
    clientAddress: callback.clientAddress,
    forwardedFor: headers['x-forwarded-for']?.toString() ?? null,
    assertedJobId: callback.message?.gatewayJobId ?? null,
    assertedUpstreamId: callback.message?.upstreamId ?? null,
    jobId: (job ?? mismatchedJob)?.id ?? null,
    path: callback.path,
    rawRequest: { method, peerAddress, headers, body: body.bytes },
    bodyComplete: body.complete,
  };
}

import type { FastifyRequest } from 'fastify';
import type { GuardName, Refusal, RefusalCause, Verdict } from '../audit/refusal.js';
import type { CallbackJob } from '../jobs/callback-hints.js';
import type { CallbackRequest, GuardMode } from './callback-checks.js';
import type { CallbackMessage } from './callback-message.js';

/** A callback on its way through the guards: what came, and what each guard found. */
export interface ReceivedCallback extends CallbackRequest {
  readonly requestId: string;
  readonly path: string;
  readonly clientAddress: string;
  readonly verdicts: Record<GuardName, Verdict>;
  /** Set by the guard of the form. */
  message?: CallbackMessage;
  /** Set by the guard of the secret. */
  provedBy?: 'token' | 'svix';
  /** Set by the guard of the job ID; stays empty for a genuine message that is not for us. */
  job?: CallbackJob;
  /** The job of ours that a refused callback belongs to. */
  mismatchedJob?: CallbackJob;
}

/** The guard refuses, and its mode lets it. The filter records it and answers. */
export class CallbackRefused extends Error {
  private static readonly known = new Map<string, CallbackRefused>();

  private constructor(
    readonly guard: GuardName,
    readonly refusalCause: RefusalCause,
  ) {
    super(refusalCause);
    this.name = 'CallbackRefused';
  }

  /** One for each guard and cause: to take the stack anew would cost more than all the checks. */
  static by(guard: GuardName, cause: RefusalCause): CallbackRefused {
    const key = `${guard} ${cause}`;
    const refused = CallbackRefused.known.get(key) ?? new CallbackRefused(guard, cause);
    CallbackRefused.known.set(key, refused);
    return refused;
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the first guard of the callback route. */
    callback?: ReceivedCallback;
  }
}

/** The callback of this request. Throws where the first guard has not seen it. */
export function receivedCallback({ callback }: FastifyRequest): ReceivedCallback {
  if (callback === undefined) throw new Error('the guards of a callback have not begun');
  return callback;
}

export function emptyVerdicts(): Record<GuardName, Verdict> {
  const notChecked = { result: 'not_checked' } as const;
  return { source_ip: notChecked, well_formed: notChecked, secret: notChecked, job_id: notChecked };
}

/** Enters a guard's verdict; throws `CallbackRefused` where it failed and the mode enforces it. */
export function enter(
  callback: ReceivedCallback,
  guard: GuardName,
  mode: GuardMode,
  judge: () => Verdict,
): true {
  if (mode === 'off') return true;
  const verdict = judge();
  if (verdict.result !== 'fail') {
    callback.verdicts[guard] = verdict;
    return true;
  }
  callback.verdicts[guard] = mode === 'enforce' ? verdict : { ...verdict, result: 'observed' };
  if (mode === 'enforce') throw CallbackRefused.by(guard, verdict.cause);
  return true;
}

/** The record of a refusal, or of what a guard that only observes would have refused. */
export function refusalOf(
  callback: ReceivedCallback,
  guard: GuardName,
  cause: RefusalCause,
  status: number,
): Refusal {
  const { method, peerAddress, headers, body, job, mismatchedJob } = callback;
  return {
    guard,
    cause,
    status,
    requestId: callback.requestId,
    verdicts: { ...callback.verdicts },
    peerAddress,
    clientAddress: callback.clientAddress,
    forwardedFor: headers['x-forwarded-for']?.toString() ?? null,
    claimedJobId: callback.message?.gatewayJobId ?? null,
    claimedUpstreamId: callback.message?.upstreamId ?? null,
    jobId: (job ?? mismatchedJob)?.id ?? null,
    path: callback.path,
    original: { method, peerAddress, headers, body: body.bytes },
    bodyComplete: body.complete,
  };
}

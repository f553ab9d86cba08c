import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { GUARDS, type GuardName, type RefusalCause, type Verdict } from '../audit/refusal.js';
import {
  CallbackJobsService,
  type CallbackJob,
  type KnownJob,
} from '../jobs/callback-jobs.service.js';
import { CallbackTokenService, versionOf } from '../jobs/callback-token.service.js';
import { Settings } from '../platform/config/settings.js';
import type { RawBody } from '../platform/http/body-reader.js';
import { exceededJsonLimit } from '../platform/json/json-limits.js';
import { parseJson, readMessage, type CallbackMessage } from './receiving/callback-message.js';
import { clientAddress, isWithin } from '../platform/http/client-address.js';
import { SvixSignatures } from './guards/svix-signatures.js';

/** A callback as received or as stored. */
export interface CallbackRequest {
  readonly method: string;
  readonly peerAddress: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: RawBody;
  /** A signature must be fresh at this time. */
  readonly receivedAt: Date;
}

export type GuardMode = 'enforce' | 'observe' | 'off';

export interface CheckResult<Found> {
  readonly verdict: Verdict;
  readonly found?: Found;
}

/** The verdicts of all checks about a callback. */
export interface Judgement {
  readonly verdicts: Record<GuardName, Verdict>;
  /** The first guard that refuses in its current mode; `undefined`: the callback would be accepted. */
  readonly refusedBy: GuardName | undefined;
  readonly job: CallbackJob | undefined;
  readonly message: CallbackMessage | undefined;
  readonly provedBy: 'token' | 'svix' | undefined;
}

/**
 * The checks of the guards, without side effects. The guards run them one by one for a received callback; a re-check
 * runs all of them for a stored one.
 */
@Injectable()
export class CallbackChecks {
  constructor(
    private readonly settings: Settings,
    private readonly tokens: CallbackTokenService,
    private readonly signatures: SvixSignatures,
    private readonly callbackJobs: CallbackJobsService,
  ) {}

  /** The client address that the trusted proxies report. */
  clientOf({ peerAddress, headers }: Pick<CallbackRequest, 'peerAddress' | 'headers'>): string {
    const forwardedFor = headers['x-forwarded-for']?.toString();
    return clientAddress(peerAddress, forwardedFor, this.settings.TRUSTED_PROXIES);
  }

  /** Is the client address in the allowlist? */
  checkSourceIp(client: string): Verdict {
    const allowlist = this.settings.WEBHOOK_IP_ALLOWLIST;
    if (allowlist.length === 0) return { result: 'pass', detail: 'no allowlist' };
    return isWithin(client, allowlist) ? { result: 'pass' } : fail('address_not_allowed');
  }

  /** Has the request the form of a callback? */
  checkForm({ method, headers, body }: CallbackRequest): CheckResult<CallbackMessage> {
    if (method !== 'POST') return { verdict: fail('wrong_method') };
    // Reducto does not document the headers of direct callbacks, so a missing type counts as JSON.
    const type = headers['content-type'];
    if (type !== undefined && !/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
      return { verdict: fail('wrong_content_type') };
    }
    if (!body.complete) return { verdict: fail('too_large') };
    if (exceededJsonLimit(body.bytes) !== undefined) return { verdict: fail('not_a_callback') };
    const parsed = parseJson(body.bytes);
    if (parsed === undefined) return { verdict: fail('not_json') };
    const found = readMessage(parsed);
    if (found === undefined) return { verdict: fail('not_a_callback') };
    return { verdict: { result: 'pass' }, found };
  }

  /**
   * Does the sender know a secret? With Svix headers, the signature over the raw body must be valid; otherwise the
   * token must belong to this job. Needs no database.
   */
  checkSecret(
    { headers, body, receivedAt }: CallbackRequest,
    message: CallbackMessage | undefined,
  ): CheckResult<'token' | 'svix'> {
    if (this.signatures.hasSignature(headers)) {
      const signature = this.signatures.verify(headers, body.bytes, receivedAt);
      if (!signature.valid) return { verdict: fail(signature.cause, 'svix signature') };
      const detail = `svix secret ${signature.secret}`;
      return { verdict: { result: 'pass', detail }, found: 'svix' };
    }
    if (message?.gatewayJobId === undefined || message.token === undefined) {
      return { verdict: fail('token_missing') };
    }
    const version = this.tokens.verifyToken(message.gatewayJobId, message.token);
    if (version === undefined) {
      const asserted = versionOf(message.token);
      const detail =
        asserted === undefined ? 'not a token of this gateway' : `token key ${asserted}`;
      return { verdict: fail('token_invalid', detail) };
    }
    return { verdict: { result: 'pass', detail: `token key ${version}` }, found: 'token' };
  }

  /** Did the gateway submit the job, and is the upstream id that of the job? */
  checkJobId(job: KnownJob | null, { upstreamId }: CallbackMessage): Verdict {
    if (job === null) return fail('job_unknown');
    // A callback can arrive before the answer to the submit, which contains the id.
    const mismatch = job.upstreamId !== null && job.upstreamId !== upstreamId;
    return mismatch ? fail('upstream_id_mismatch') : { result: 'pass' };
  }

  /**
   * A genuine Svix message for an unknown job belongs to another environment of the same Reducto account. Svix would
   * retry a refused message for a day, so the gateway only records it.
   */
  modeOf(guard: GuardName, provedBy: 'token' | 'svix' | undefined): GuardMode {
    switch (guard) {
      case 'source_ip':
        return this.settings.GUARD_SOURCE_IP;
      case 'well_formed':
        return 'enforce';
      case 'secret':
        return this.settings.GUARD_SECRET;
      case 'job_id': {
        const mode = this.settings.GUARD_JOB_ID;
        return mode === 'enforce' && provedBy === 'svix' ? 'observe' : mode;
      }
    }
  }

  /** Runs every check, also after a failed one. */
  async checkCallback(request: CallbackRequest): Promise<Judgement> {
    const form = this.checkForm(request);
    const secret = this.checkSecret(request, form.found);
    const message = form.found;
    const job =
      message === undefined
        ? undefined
        : await this.callbackJobs.findJob(message.gatewayJobId, message.upstreamId);
    const verdicts: Record<GuardName, Verdict> = {
      source_ip: this.checkSourceIp(this.clientOf(request)),
      well_formed: form.verdict,
      secret: secret.verdict,
      job_id:
        message === undefined || job === undefined
          ? { result: 'not_checked' }
          : this.checkJobId(job, message),
    };
    const refusedBy = GUARDS.find(
      (guard) =>
        verdicts[guard].result === 'fail' && this.modeOf(guard, secret.found) === 'enforce',
    );
    return {
      verdicts,
      refusedBy,
      job: job ?? undefined,
      message,
      provedBy: secret.found,
    };
  }
}

function fail(cause: RefusalCause, detail?: string): Verdict {
  return { result: 'fail', cause, ...(detail === undefined ? {} : { detail }) };
}

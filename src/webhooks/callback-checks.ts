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
import { SvixSignatures } from './guards/svix-signature.js';

/** A callback as it came, or as it was kept. */
export interface CallbackRequest {
  readonly method: string;
  readonly peerAddress: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: RawBody;
  /** A signature is good for a few minutes around this moment. */
  readonly receivedAt: Date;
}

export type GuardMode = 'enforce' | 'observe' | 'off';

export interface CheckResult<Found> {
  readonly verdict: Verdict;
  readonly found?: Found;
}

/** What all the checks together say of a callback. */
export interface Judgement {
  readonly verdicts: Record<GuardName, Verdict>;
  /** The first check that refuses, by its mode of today; none: the callback would be taken. */
  readonly refusedBy: GuardName | undefined;
  readonly job: CallbackJob | undefined;
  readonly message: CallbackMessage | undefined;
  readonly provedBy: 'token' | 'svix' | undefined;
}

/**
 * The questions that the guards ask, each on its own and without side effects. The guards of the route
 * ask them one after the other as a callback comes in; a re-check asks them all of one that was kept.
 */
@Injectable()
export class CallbackChecks {
  constructor(
    private readonly settings: Settings,
    private readonly tokens: CallbackTokenService,
    private readonly signatures: SvixSignatures,
    private readonly callbackJobs: CallbackJobsService,
  ) {}

  /** Who sent it, as far as that can be believed. */
  clientOf({ peerAddress, headers }: Pick<CallbackRequest, 'peerAddress' | 'headers'>): string {
    const forwardedFor = headers['x-forwarded-for']?.toString();
    return clientAddress(peerAddress, forwardedFor, this.settings.TRUSTED_PROXIES);
  }

  /** Does it come from an address that may send callbacks? */
  checkSourceIp(client: string): Verdict {
    const allowlist = this.settings.WEBHOOK_IP_ALLOWLIST;
    if (allowlist.length === 0) return { result: 'pass', detail: 'no allowlist' };
    return isWithin(client, allowlist) ? { result: 'pass' } : fail('address_not_allowed');
  }

  /** Is it a callback at all? */
  checkForm({ method, headers, body }: CallbackRequest): CheckResult<CallbackMessage> {
    if (method !== 'POST') return { verdict: fail('wrong_method') };
    // The headers of direct callbacks are not documented: none at all counts as JSON.
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
   * Does the sender know a secret? A message with the headers of Svix must be signed, over its raw
   * bytes; any other must bring the token that the gateway gave this very job. No database.
   */
  checkSecret(
    { headers, body, receivedAt }: CallbackRequest,
    message: CallbackMessage | undefined,
  ): CheckResult<'token' | 'svix'> {
    if (this.signatures.isClaimed(headers)) {
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
      const claimed = versionOf(message.token);
      const tried = claimed === undefined ? 'no token of ours' : `token key ${claimed}`;
      return { verdict: fail('token_invalid', tried) };
    }
    return { verdict: { result: 'pass', detail: `token key ${version}` }, found: 'token' };
  }

  /** Is `job` one that we submitted, and is the id that Reducto gives it the one we know? */
  checkJobId(job: KnownJob | null, { upstreamId }: CallbackMessage): Verdict {
    if (job === null) return fail('job_unknown');
    // A callback can be faster than the answer to the submit: then no id is known yet.
    const mismatch = job.upstreamId !== null && job.upstreamId !== upstreamId;
    return mismatch ? fail('upstream_id_mismatch') : { result: 'pass' };
  }

  /**
   * A genuine Svix message for a job that is not ours is for another environment on the same Reducto
   * account. Refusing it would make Svix repeat it for a day, so it is noted and ignored.
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

  /** Every check, whatever the ones before it say. */
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

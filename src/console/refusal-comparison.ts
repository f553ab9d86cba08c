import { Injectable } from '@nestjs/common';
import type { RefusalDto } from '../admin/refusal.dto.js';
import type { RefusalCause, Verdict } from '../audit/refusal.js';
import { CallbackJobsService } from '../jobs/callback-jobs.service.js';
import type { AddressBlock } from '../platform/config/setting-kinds.js';
import { Settings } from '../platform/config/settings.js';
import { isCause, triedKey } from './text/refusal-help.js';

/** What a check expected beside what the callback held. Neither holds a token, a key, or a signature. */
export interface Comparison {
  readonly what: string;
  readonly expected: string;
  readonly received: string;
  /** The job that `received` belongs to, where it is another one. */
  readonly receivedJobId?: string;
}

const MAX_BLOCKS = 20;

type Compare = (refusal: RefusalDto) => readonly Comparison[] | Promise<readonly Comparison[]>;

/** Compares a refused callback with the settings of this process and with the stored job. */
@Injectable()
export class RefusalComparison {
  constructor(
    private readonly settings: Settings,
    private readonly jobs: CallbackJobsService,
  ) {}

  /** Of every check that refused, also of those after the first. */
  async compare(refusal: RefusalDto): Promise<Comparison[]> {
    if (refusal.kind === 'counted') return [];
    const causes = new Set([refusal.cause, ...failedCauses(refusal)].filter(isCause));
    const found: Comparison[] = [];
    for (const cause of causes) found.push(...(await this.byCause[cause](refusal)));
    return found;
  }

  private readonly byCause: Readonly<Record<RefusalCause, Compare>> = {
    address_not_allowed: ({ clientAddress, peerAddress, forwardedFor }) => [
      {
        what: 'Source address',
        expected: this.allowlist(),
        received:
          clientAddress === peerAddress || peerAddress === undefined
            ? text(clientAddress)
            : `${text(clientAddress)}, through the trusted proxy ${peerAddress}`,
      },
      ...(forwardedFor === null || forwardedFor === undefined || clientAddress !== peerAddress
        ? []
        : [
            {
              what: 'X-Forwarded-For',
              expected: 'is read only if the peer is in TRUSTED_PROXIES',
              received: forwardedFor,
            },
          ]),
    ],
    wrong_method: ({ method }) => [{ what: 'Method', expected: 'POST', received: text(method) }],
    wrong_content_type: ({ headers }) => [
      {
        what: 'Content-Type',
        expected: 'application/json',
        received: text(headers?.['content-type']),
      },
    ],
    too_large: ({ headers, bodyBytes }) => [
      {
        what: 'Size of the body',
        expected: `at most ${this.settings.WEBHOOK_MAX_BYTES} bytes (WEBHOOK_MAX_BYTES)`,
        received:
          headers?.['content-length'] === undefined
            ? `more than ${bodyBytes ?? 0} bytes`
            : `${headers['content-length']} bytes`,
      },
    ],
    not_json: () => [{ what: 'Body', expected: 'JSON', received: 'not JSON: see the body below' }],
    not_a_callback: () => [
      {
        what: 'Body',
        expected: 'an object with the fields job_id and status',
        received: 'other JSON: see the body below',
      },
    ],
    signature_incomplete: ({ headers }) => {
      const names = ['id', 'timestamp', 'signature'];
      const has = (name: string): boolean =>
        headers?.[`svix-${name}`] !== undefined || headers?.[`webhook-${name}`] !== undefined;
      return [
        {
          what: 'Signature headers',
          expected: names.map((name) => `svix-${name}`).join(', '),
          received: text(
            names
              .filter(has)
              .map((name) => `svix-${name}`)
              .join(', '),
          ),
        },
      ];
    },
    signature_stale: ({ headers, at }) => {
      const seconds = headers?.['svix-timestamp'] ?? headers?.['webhook-timestamp'] ?? '';
      const signedAt = /^\d{1,10}$/.test(seconds)
        ? new Date(Number(seconds) * 1000).toISOString()
        : text(seconds);
      return [
        {
          what: 'Time of the signature (UTC)',
          expected: `at most 5 minutes from ${at}, when the callback arrived`,
          received: signedAt,
        },
      ];
    },
    signature_invalid: () => [
      {
        what: 'Signature',
        expected: `by one of the ${this.settings.SVIX_SECRETS.length} secrets in SVIX_SECRETS, over the exact bytes of the body`,
        received: 'a signature that fits none of them',
      },
    ],
    svix_not_configured: () => [
      {
        what: 'Signing secret',
        expected:
          this.settings.SVIX_SECRETS.length === 0
            ? 'SVIX_SECRETS is empty in this process'
            : `SVIX_SECRETS has ${this.settings.SVIX_SECRETS.length} now; it was empty then`,
        received: 'a callback that Svix signed',
      },
    ],
    token_missing: (refusal) => [
      {
        what: 'Token',
        expected: this.tokenOf(refusal),
        received: 'no job ID with a token in the metadata',
      },
    ],
    token_invalid: async (refusal) => {
      const key = triedKey(refusal);
      const known = this.keyNumbers();
      const received =
        key === undefined
          ? 'text that is not a token of the gateway'
          : known.includes(key)
            ? `a token that names key ${key}, but does not fit this job: made for another job, or with another key under this number`
            : `a token that names key ${key}, which TOKEN_KEYS does not hold`;
      const token = { what: 'Token', expected: this.tokenOf(refusal), received };
      return [token, ...(await this.upstreamIds(refusal))];
    },
    job_unknown: ({ assertedJobId, assertedUpstreamId }) => [
      {
        what: 'Job',
        expected: 'a job in this database',
        received: text(assertedJobId ?? assertedUpstreamId),
      },
    ],
    upstream_id_mismatch: (refusal) => this.upstreamIds(refusal),
  };

  /** Of the job that the callback names, where Reducto knows that job by another id. */
  private async upstreamIds(refusal: RefusalDto): Promise<Comparison[]> {
    const { assertedJobId, assertedUpstreamId } = refusal;
    if (typeof assertedUpstreamId !== 'string' || typeof assertedJobId !== 'string') return [];
    const named = await this.jobs.findJob(assertedJobId, assertedUpstreamId);
    if (named === null) {
      return [{ what: 'Job ID', expected: 'a job in this database', received: assertedJobId }];
    }
    if (named.upstreamId === null || named.upstreamId === assertedUpstreamId) return [];
    const owner = await this.jobs.findJob(undefined, assertedUpstreamId);
    return [
      {
        what: 'Upstream ID',
        expected: named.upstreamId,
        received: assertedUpstreamId,
        ...(owner === null ? {} : { receivedJobId: owner.id }),
      },
    ];
  }

  private allowlist(): string {
    const blocks = this.settings.WEBHOOK_IP_ALLOWLIST;
    if (blocks.length === 0) return 'any address: WEBHOOK_IP_ALLOWLIST is empty in this process';
    const named = blocks.slice(0, MAX_BLOCKS).map(blockText).join(', ');
    const others = blocks.length - MAX_BLOCKS;
    return `${named}${others > 0 ? `, and ${others} more` : ''} (WEBHOOK_IP_ALLOWLIST)`;
  }

  private tokenOf({ assertedJobId }: RefusalDto): string {
    const numbers = this.keyNumbers();
    const keys = `key ${numbers.join(' or ')} of TOKEN_KEYS`;
    const job = typeof assertedJobId === 'string' ? `job ${assertedJobId}` : 'the job';
    return numbers.length === 0 ? 'none: TOKEN_KEYS is empty' : `the token of ${job}, by ${keys}`;
  }

  private keyNumbers(): number[] {
    return (this.settings.TOKEN_KEYS ?? []).map(({ version }) => version);
  }
}

function failedCauses({ verdicts }: RefusalDto): string[] {
  const all: readonly Verdict[] = Object.values(verdicts ?? {});
  return all.flatMap((verdict) => ('cause' in verdict ? [verdict.cause] : []));
}

function blockText([network, prefix]: AddressBlock): string {
  const bits = network.kind() === 'ipv4' ? 32 : 128;
  return prefix === bits ? network.toString() : `${network.toString()}/${prefix}`;
}

function text(value: string | null | undefined): string {
  return value === null || value === undefined || value === '' ? 'none' : value;
}

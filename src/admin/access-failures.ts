import {
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AuditWriter } from '../audit/audit-writer.js';
import { Settings } from '../platform/config/settings.js';
import { IntervalScheduler } from '../platform/schedule/interval-scheduler.js';
import { clientAddress } from '../platform/http/client-address.js';
import { actionEntry, type ActionRecord, type Actor } from '../audit/audit-entry.js';
import type { AdminAction } from './admin-actions.js';

/** Maximum entries per minute and process; further failures are counted. */
const MAX_ENTRIES_PER_MINUTE = 20;
const MAX_ADDRESSES = 20;
const FLUSH_SECONDS = 60;
const ADMIN_PATH = '/v1/admin/';
const REASONS = new Map([
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [429, 'too_many_requests'],
]);

export interface AccessFailure {
  readonly action: AdminAction;
  readonly actor: Actor;
  readonly address: string;
  readonly reason: string;
}

interface Count {
  readonly action: AdminAction;
  readonly via: Actor['via'];
  readonly reason: string;
  count: number;
  readonly firstAt: Date;
  lastAt: Date;
  readonly addresses: Map<string, number>;
}

/**
 * Records failed sign-ins and refused requests to admin routes. Beyond a budget, failures are counted, so that callers
 * without a key cannot fill the audit.
 */
@Injectable()
export class AccessFailures implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private minute = -1;
  private entries = 0;
  private counts = new Map<string, Count>();

  constructor(
    private readonly writer: AuditWriter,
    private readonly scheduler: IntervalScheduler,
    private readonly settings: Settings,
  ) {}

  /** Records refused requests to admin routes. Call it before any route is declared. */
  register(fastify: FastifyInstance): void {
    const record = (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      const reason = REASONS.get(reply.statusCode);
      if (reason !== undefined) this.recordRefused(request, reason);
      return Promise.resolve();
    };
    fastify.addHook('onRoute', (route) => {
      if (!route.url.startsWith(ADMIN_PATH)) return;
      route.onResponse = [...[route.onResponse ?? []].flat(), record];
    });
  }

  onApplicationBootstrap(): void {
    this.scheduler.every(FLUSH_SECONDS, 'failed admin access', () => {
      this.writeCounts();
      return Promise.resolve();
    });
  }

  beforeApplicationShutdown(): void {
    this.writeCounts();
  }

  record({ action, actor, address, reason }: AccessFailure, at = new Date()): void {
    if (!this.hasBudget(at)) {
      this.count({ action, actor, address, reason }, at);
      return;
    }
    const record: ActionRecord = { action, actor, state: 'failed', reason, detail: { address } };
    this.writer.enqueueEntry({ entry: actionEntry(record, at) });
  }

  /** Hands the counts to the writer. */
  writeCounts(): void {
    const counts = [...this.counts.values()];
    this.counts = new Map();
    for (const { action, via, reason, count, firstAt, lastAt, addresses } of counts) {
      const detail = { count, firstAt, lastAt, addresses: Object.fromEntries(addresses) };
      const actor = { keyId: '', service: '', via };
      this.writer.enqueueEntry({
        entry: actionEntry({ action, actor, state: 'failed', reason, detail }, lastAt, count),
      });
    }
  }

  private recordRefused({ caller, headers, socket }: FastifyRequest, reason: string): void {
    const forwardedFor = headers['x-forwarded-for']?.toString();
    const peer = socket.remoteAddress ?? '';
    this.record({
      action: 'admin.access',
      actor: { keyId: caller?.keyId ?? '', service: caller?.service ?? '', via: 'api' },
      address: clientAddress(peer, forwardedFor, this.settings.TRUSTED_PROXIES),
      reason,
    });
  }

  private hasBudget(at: Date): boolean {
    const minute = Math.floor(at.getTime() / 60_000);
    if (minute !== this.minute) {
      this.minute = minute;
      this.entries = 0;
    }
    if (this.entries >= MAX_ENTRIES_PER_MINUTE || !this.writer.hasRoom) return false;
    this.entries += 1;
    return true;
  }

  private count({ action, actor: { via }, address, reason }: AccessFailure, at: Date): void {
    const key = `${action} ${via} ${reason}`;
    const found = this.counts.get(key);
    const count: Count = found ?? {
      action,
      via,
      reason,
      count: 0,
      firstAt: at,
      lastAt: at,
      addresses: new Map(),
    };
    if (found === undefined) this.counts.set(key, count);
    count.count += 1;
    count.lastAt = at;
    const ofAddress = count.addresses.get(address);
    if (ofAddress !== undefined || count.addresses.size < MAX_ADDRESSES) {
      count.addresses.set(address, (ofAddress ?? 0) + 1);
    }
  }
}

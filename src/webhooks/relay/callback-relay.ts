import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LRUCache } from 'lru-cache';
import { Repository, type EntityManager } from 'typeorm';
import { CallbackJobsService, type PollRequests } from '../../jobs/callback-jobs.service.js';
import { Settings } from '../../platform/config/settings.js';
import { classifyDatabaseError, sqlStateOf } from '../../platform/database/database-errors.js';
import { preparedRows, SHORT_TRANSACTION } from '../../platform/database/sql.js';
import { Transactions } from '../../platform/database/transactions.js';
import { RepeatedEvents } from '../../platform/logging/repeated-events.js';
import type { BatchWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { CALLBACKS_STORED } from '../receiving/callback-inbox.js';
import { InboxEntry } from '../receiving/inbox-entry.entity.js';

/** Beyond it the gateway forgets the backoff of the oldest ones. */
const MAX_FAILING_ENTRIES = 10_000;
const MAX_BACKOFF_SECONDS = 60;

interface FailingEntry {
  readonly attempts: number;
  /** In the time of `performance.now()`. */
  readonly waitsUntil: number;
}

const MAX_PER_TRANSACTION = 200;

/**
 * Due work: moves callbacks from the inbox to `callbacks` and requests polls of their jobs, in one transaction. Workers
 * share the work. All writes to `callbacks`.
 */
@Injectable()
export class CallbackRelay implements BatchWork, OnModuleInit {
  readonly name = 'relay';
  readonly topic = CALLBACKS_STORED;
  readonly batchSize = MAX_PER_TRANSACTION;
  // A burst is taken in first: its sender waits, and what follows from it does not.
  readonly yieldsWhenBusy = true;
  private readonly logger = new Logger(CallbackRelay.name);

  constructor(
    private readonly settings: Settings,
    @InjectRepository(InboxEntry) private readonly inbox: Repository<InboxEntry>,
    private readonly engine: WorkEngine,
    private readonly callbackJobs: CallbackJobsService,
    private readonly transactions: Transactions,
  ) {}

  /** Entries that failed by a defect, by id: the next attempt of each waits, so that others get their turn. */
  private readonly failing = new LRUCache<string, FailingEntry>({ max: MAX_FAILING_ENTRIES });
  private readonly failures = new RepeatedEvents((kind, count) =>
    this.logger.error({ msg: 'callbacks could not be relayed', kind, count }),
  );

  onModuleInit(): void {
    this.engine.addBatch(this);
  }

  /** Returns how many callbacks it took. */
  async perform(): Promise<number> {
    const waitingIds = this.waitingIds();
    try {
      return await this.relay((manager) =>
        preparedRows<Delivery>(manager, DEQUEUE, [MAX_PER_TRANSACTION, waitingIds]),
      );
    } catch (error) {
      if (!concernsRow(error)) throw error;
      return this.relayOneByOne(waitingIds);
    }
  }

  /** Relays what `take` removes from the inbox, and wakes the workers of its jobs. */
  private relay(take: (manager: EntityManager) => Promise<Delivery[]>): Promise<number> {
    return this.callbackJobs.withPolls((polls) =>
      this.transactions.run(async (manager) => {
        const taken = await take(manager);
        if (taken.length > 0) await this.takeUp(manager, taken, polls);
        return taken.length;
      }),
    );
  }

  /** Relays each callback by itself, so that a failing one does not block the others. Returns how many it relayed or dropped. */
  private async relayOneByOne(waitingIds: readonly string[]): Promise<number> {
    const waiting = await preparedRows<WaitingEntry>(this.inbox.manager, FIND_WAITING, [
      MAX_PER_TRANSACTION,
      waitingIds,
    ]);
    let done = 0;
    for (const entry of waiting) {
      try {
        await this.relay((manager) =>
          preparedRows<Delivery>(manager, DEQUEUE_ONE, [entry.service, entry.id]),
        );
        this.failing.delete(entry.id);
        done += 1;
      } catch (error) {
        if (!concernsRow(error)) throw error;
        if (await this.drop(entry, error)) done += 1;
      }
    }
    return done;
  }

  private async takeUp(
    manager: EntityManager,
    taken: readonly Delivery[],
    polls: PollRequests,
  ): Promise<void> {
    const messages = distinct(await withinLimit(manager, taken));
    const repeated = await enter(manager, messages);
    await polls.request(
      manager,
      messages.map(({ jobId, upstreamId, status, provedBy, receivedAt, trace }, n) => ({
        jobId,
        upstreamId,
        status,
        proven: provedBy !== 'none',
        repeated: repeated[n] ?? false,
        receivedAt,
        trace,
      })),
    );
  }

  /**
   * Drops a callback that PostgreSQL refuses; one that fails for another reason only when no job can still need
   * it. Nothing but a trigger is lost: the job is polled without it.
   */
  private async drop(
    { service, id, jobId, receivedAt }: WaitingEntry,
    error: unknown,
  ): Promise<boolean> {
    const refused = classifyDatabaseError(error) === 'data';
    const maxAge = this.settings.JOB_MAX_AGE_SECONDS * 1000;
    const dropped = refused || Date.now() - receivedAt.getTime() > maxAge;
    if (dropped) {
      // The message of PostgreSQL may quote the data.
      const reason = refused ? { sqlState: sqlStateOf(error) } : { err: error };
      this.logger.error({ msg: 'a callback was dropped', jobId, ...reason });
      await this.inbox.delete({ service, id });
      this.failing.delete(id);
      return true;
    }
    const attempts = (this.failing.get(id)?.attempts ?? 0) + 1;
    const seconds = Math.min(2 ** attempts, MAX_BACKOFF_SECONDS);
    this.failing.set(id, { attempts, waitsUntil: performance.now() + seconds * 1000 });
    if (attempts === 1 && this.failures.isFirst('defect')) {
      this.logger.error({ msg: 'a callback could not be relayed', jobId, err: error });
    }
    return false;
  }

  private waitingIds(): string[] {
    const now = performance.now();
    return [...this.failing].filter(([, { waitsUntil }]) => waitsUntil > now).map(([id]) => id);
  }
}

/** Whether the callbacks are at fault, and not the database. */
function concernsRow(error: unknown): boolean {
  return ['data', 'other'].includes(classifyDatabaseError(error));
}

type Delivery = Omit<InboxEntry, 'id'>;
type WaitingEntry = Pick<InboxEntry, 'service' | 'id' | 'jobId' | 'receivedAt'>;

interface Message extends Delivery {
  deliveries: number;
  lastReceivedAt: Date;
}

/** No genuine job has more; a sender with its token can forge any number. */
const MAX_MESSAGES_OF_JOB = 20;

/**
 * Counts callbacks of a job beyond its first `MAX_MESSAGES_OF_JOB` different messages as repeats of the last one that has a row.
 * Several relays at work at once may each add as many.
 */
async function withinLimit(
  manager: EntityManager,
  deliveries: readonly Delivery[],
): Promise<Delivery[]> {
  const jobIds = [...new Set(deliveries.map(({ jobId }) => jobId))];
  const stored = await preparedRows<CallbackKey>(manager, STORED, [jobIds, MAX_MESSAGES_OF_JOB]);
  const ofJobs = new Map<string, Map<string, CallbackKey>>();
  for (const jobId of jobIds) ofJobs.set(jobId, new Map());
  for (const key of stored) ofJobs.get(key.jobId)?.set(keyOf(key), key);
  return deliveries.map((delivery) => {
    const known = ofJobs.get(delivery.jobId);
    if (known === undefined || known.has(keyOf(delivery))) return delivery;
    if (known.size < MAX_MESSAGES_OF_JOB) {
      known.set(keyOf(delivery), delivery);
      return delivery;
    }
    const { upstreamId, status } = [...known.values()].at(-1) ?? delivery;
    return { ...delivery, upstreamId, status };
  });
}

type CallbackKey = Pick<Delivery, 'jobId' | 'upstreamId' | 'status'>;

function keyOf({ jobId, upstreamId, status }: CallbackKey): string {
  return JSON.stringify([jobId, upstreamId, status]);
}

/** A message that came several times is one row; one statement cannot write the same row twice. */
function distinct(deliveries: readonly Delivery[]): Message[] {
  const messages = new Map<string, Message>();
  for (const delivery of deliveries) {
    const key = keyOf(delivery);
    const known = messages.get(key);
    if (known === undefined) {
      messages.set(key, { ...delivery, deliveries: 1, lastReceivedAt: delivery.receivedAt });
    } else {
      known.deliveries += 1;
      known.lastReceivedAt = delivery.receivedAt;
    }
  }
  return [...messages.values()];
}

/** Enters `messages` in `callbacks`; says of each whether it had come before. */
async function enter(manager: EntityManager, messages: readonly Message[]): Promise<boolean[]> {
  const column = <Key extends keyof Message>(key: Key): Message[Key][] =>
    messages.map((message) => message[key]);
  const entered = await preparedRows<{ key: string; deliveries: number }>(manager, ENTER, [
    column('jobId'),
    column('upstreamId'),
    column('status'),
    column('provedBy'),
    column('clientAddress'),
    column('deliveries'),
    column('receivedAt'),
    column('lastReceivedAt'),
  ]);
  const total = new Map(entered.map(({ key, deliveries }) => [key, deliveries]));
  return messages.map(
    ({ jobId, upstreamId, status, deliveries }) =>
      (total.get(`${jobId} ${upstreamId} ${status}`) ?? deliveries) > deliveries,
  );
}

/**
 * Selects up to $1 entries, without the entries $2: the services take turns, and the oldest entry of each is first. It
 * finds the services by a loose scan of the primary key.
 */
const FAIR_ENTRIES = `
  RECURSIVE service AS (
    (SELECT service FROM callback_inbox ORDER BY service LIMIT 1)
    UNION ALL
    SELECT (SELECT inbox.service FROM callback_inbox AS inbox WHERE inbox.service > service.service
             ORDER BY inbox.service LIMIT 1)
      FROM service WHERE service.service IS NOT NULL),
  waiting AS MATERIALIZED (
    SELECT service.service, count, first
      FROM service,
           LATERAL (SELECT count(*)::integer AS count, min(id) AS first
                      FROM (SELECT id FROM callback_inbox AS inbox
                             WHERE inbox.service = service.service AND id <> ALL ($2::bigint[])
                             ORDER BY id LIMIT (SELECT $1::integer)) AS oldest) AS oldest),
  planned AS (
    SELECT service, first, count(*) AS count
      FROM (SELECT service, first FROM waiting, generate_series(1, waiting.count) AS place
             ORDER BY place LIMIT (SELECT $1::integer)) AS turns
     GROUP BY service, first)`;

/**
 * Its commit does not wait for the disk: after a crash of PostgreSQL the entries are still there, and nothing else of the
 * transaction is.
 */
const RELAXED = `relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))`;

/** Without the entries that another relay is taking. In turns, because free slots for polls go to the first ones. */
const DEQUEUE = {
  name: 'callback-inbox-take',
  text: `
  WITH ${FAIR_ENTRIES},
  locked AS MATERIALIZED (
    SELECT planned.service, id
      FROM planned,
           LATERAL (SELECT id FROM callback_inbox AS inbox
                     WHERE inbox.service = planned.service AND id >= first AND id <> ALL ($2::bigint[])
                     ORDER BY id LIMIT planned.count FOR UPDATE SKIP LOCKED) AS oldest),
  taken AS (
    DELETE FROM callback_inbox AS inbox USING locked
     WHERE inbox.service = locked.service AND inbox.id = locked.id
    RETURNING inbox.*),
  ${RELAXED},
  ${SHORT_TRANSACTION}
  SELECT job_id AS "jobId", service, upstream_id AS "upstreamId", status, proved_by AS "provedBy",
         client_address AS "clientAddress", received_at AS "receivedAt", trace
    FROM taken, relaxed, short ORDER BY row_number() OVER (PARTITION BY service ORDER BY id), id`,
};

const FIND_WAITING = {
  name: 'callback-inbox-find',
  text: `
  WITH ${FAIR_ENTRIES}
  SELECT oldest.service, id, job_id AS "jobId", received_at AS "receivedAt"
    FROM planned,
         LATERAL (SELECT * FROM callback_inbox AS inbox
                   WHERE inbox.service = planned.service AND id >= first AND id <> ALL ($2::bigint[])
                   ORDER BY id LIMIT planned.count) AS oldest
   ORDER BY id`,
};

const DEQUEUE_ONE = {
  name: 'callback-inbox-take-one',
  text: `
  DELETE FROM callback_inbox WHERE service = $1 AND id = $2
  RETURNING job_id AS "jobId", service, upstream_id AS "upstreamId", status, proved_by AS "provedBy",
            client_address AS "clientAddress", received_at AS "receivedAt", trace`,
};

/** The first `$2` messages of each job. */
const STORED = {
  name: 'callbacks-stored',
  text: `
  SELECT job.id AS "jobId", upstream_id AS "upstreamId", status
    FROM unnest((SELECT $1::uuid[])) AS job (id),
         LATERAL (SELECT id, upstream_id, status FROM callbacks WHERE job_id = job.id
                   ORDER BY id LIMIT $2) AS message
   ORDER BY message.id`,
};

/** In the order of the key, so that two processes never wait for each other. */
const ENTER = {
  name: 'callbacks-enter',
  text: `
  INSERT INTO callbacks
    (job_id, upstream_id, status, proved_by, client_address, deliveries, received_at, last_received_at)
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[],
                       $7::timestamptz[], $8::timestamptz[])
    AS message (job_id, upstream_id, status, proved_by, client_address, deliveries, received_at,
                last_received_at)
   ORDER BY job_id, upstream_id, status
  ON CONFLICT (job_id, upstream_id, status)
  DO UPDATE SET deliveries = callbacks.deliveries + excluded.deliveries,
                last_received_at = greatest(callbacks.last_received_at, excluded.last_received_at)
  RETURNING concat(job_id, ' ', upstream_id, ' ', status) AS key, deliveries`,
};

import type { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { isRecord } from '../../platform/json/is-record.js';
import { isAuthentic } from '../audit-entry.js';
import type { AuditKeys } from '../audit-keys.js';
import { formatHead, readHead } from './audit-head.js';
import { findSchemaChange } from './audit-schema.js';
import {
  endsOf,
  findForgotten,
  findProblem,
  findRollback,
  findWrongEnds,
  readChainState,
  type ChainProblem,
  type ChainState,
  type StoredEnds,
} from './chain-state.js';
import type { KnownChain } from './known-head.js';
import { PAGE_SIZE, readPage, wrongColumn, type StoredEntry } from './stored-entry.js';

export interface Verification {
  readonly ok: boolean;
  /**
   * `changed`: tampering was found. `unverifiable`: no tampering was found, but a key is missing, so that some entries
   * could not be verified.
   */
  readonly state: 'intact' | 'changed' | 'unverifiable';
  /** The number of verified entries. */
  readonly rows: number;
  /** The first entry that is changed, missing, forged, or unverifiable; `null` if no entry is affected. */
  readonly firstBroken: string | null;
  /** `null` if the chain is intact. */
  readonly reason: string | null;
  /** The newest entry as one word, for `--since` of a later verification; `null` if the chain is not intact. */
  readonly head: string | null;
}

/** The first problem that the verification found. */
interface Finding {
  readonly id: string | null;
  readonly reason: string;
}

/** One verification, within a snapshot. */
export class ChainWalk {
  private read = 0;
  private endsAreVerified = true;
  private missingKey: { readonly id: string | null; readonly keyId: string } | undefined;

  constructor(
    private readonly manager: EntityManager,
    private readonly keys: AuditKeys,
  ) {}

  async verify(known: KnownChain | undefined, since: string | undefined): Promise<Verification> {
    const schemaChange = await findSchemaChange(this.manager);
    if (schemaChange !== undefined) return this.changed({ id: null, reason: schemaChange });
    const state = await readChainState(this.manager, known);
    const changed =
      (await this.findChange(state)) ??
      this.findRollback(state, known) ??
      (await this.findSince(state, since));
    if (changed !== undefined) return this.changed(changed);
    if (this.missingKey !== undefined) {
      const { id, keyId } = this.missingKey;
      const reason = `unverifiable: key ${keyId} missing; AUDIT_KEYS must hold it`;
      return this.result('unverifiable', { id, reason }, null);
    }
    const [[anchor], [ends]] = [state.anchors, state.ends];
    const head =
      anchor === undefined || ends === undefined
        ? null
        : formatHead(this.keys, anchor.id, { id: ends.lastId, hash: ends.lastHash }, new Date());
    return this.result('intact', { id: null, reason: null }, head);
  }

  private async findChange(state: ChainState): Promise<Finding | undefined> {
    const problem = findProblem(this.keys, state, undefined);
    const [ends] = state.ends;
    // The walk reports more precisely where the end does not match.
    if (problem?.code === 'key_missing') {
      this.endsAreVerified = false;
      this.recordMissingKey(null, problem.keyId ?? '');
    } else if (problem !== undefined && problem.code !== 'end_mismatch') {
      return { id: idOf(problem, state), reason: problem.message };
    }
    if (ends === undefined) return { id: null, reason: 'the ends of the chain are missing' };
    const [anchor] = state.anchors;
    if (anchor !== undefined && this.keys.find(anchor.keyId) === undefined) {
      this.recordMissingKey(null, anchor.keyId);
    }
    return (
      (await this.walk(ends)) ??
      (await this.findUnchained(ends)) ??
      (await this.findChangedRawRequest(ends))
    );
  }

  private async walk(ends: StoredEnds): Promise<Finding | undefined> {
    let expected = BigInt(ends.firstId) + 1n;
    let previous: Buffer = Buffer.from(ends.firstHash, 'hex');
    for (;;) {
      const page = await readPage(this.manager, String(expected - 1n));
      for (const entry of page) {
        const id = String(expected);
        if (BigInt(entry.id) < expected) return { id: entry.id, reason: 'this entry exists twice' };
        if (entry.id !== id) return { id, reason: 'this entry is missing' };
        if (expected > BigInt(ends.lastId)) {
          return { id, reason: 'this entry comes after the end of the chain' };
        }
        const reason = this.findWrong(entry, previous, ends);
        if (reason !== undefined) return { id, reason };
        previous = entry.hash;
        expected += 1n;
        this.read += 1;
      }
      if (page.length < PAGE_SIZE) break;
    }
    if (expected <= BigInt(ends.lastId)) {
      return { id: String(expected), reason: 'entries are missing from here to the end' };
    }
    return previous.toString('hex') === ends.lastHash
      ? undefined
      : { id: ends.lastId, reason: 'the end of the chain does not match its last entry' };
  }

  private findWrong(entry: StoredEntry, previous: Buffer, ends: StoredEnds): string | undefined {
    const key = this.keys.find(entry.keyId);
    if (key === undefined) {
      if (this.keys.isForgeable(entry.keyId)) return 'this entry was written without a key';
      const last = endsOf(ends).keys[entry.keyId];
      if (this.endsAreVerified && (last === undefined || BigInt(entry.id) > BigInt(last))) {
        return `this entry names key ${entry.keyId}, which AUDIT_KEYS never held for it`;
      }
      this.recordMissingKey(entry.id, entry.keyId);
    } else if (!isAuthentic(key, previous, entry)) {
      return 'this entry, or the one before it, has been changed';
    }
    if (!entry.exact) return 'the time of this entry has been changed';
    if (!isRecord(entry.data)) return 'this entry has been changed';
    const column = wrongColumn(entry);
    if (column !== undefined) return `the column ${column} of this entry does not match its data`;
    return entry.kind === 'tampering' ? this.judgeTampering(entry, previous) : undefined;
  }

  /** A process without the key recorded that it could not verify the chain; this process may have the key. */
  private judgeTampering({ id, data }: StoredEntry, previous: Buffer): string | undefined {
    const { problem, message, installation, ends } = data;
    const reported = `a process found here that ${String(message)}`;
    if (problem !== 'key_missing' || !isStoredEnds(ends) || typeof installation !== 'string')
      return reported;
    const wrong = findWrongEnds(this.keys, installation, ends);
    if (wrong?.code === 'key_missing') {
      this.recordMissingKey(id, ends.keyId);
      return undefined;
    }
    const isContinued =
      ends.lastId === String(BigInt(id) - 1n) && ends.lastHash === previous.toString('hex');
    return wrong === undefined && isContinued ? undefined : reported;
  }

  /** Entries that the walk did not reach. */
  private async findUnchained({ firstId, lastId }: StoredEnds): Promise<Finding | undefined> {
    const [unchained] = await rows<{ id: string | null }>(this.manager, UNCHAINED, [
      firstId,
      lastId,
    ]);
    return (
      unchained && {
        id: unchained.id,
        reason: 'this entry is not part of the chain, or exists twice',
      }
    );
  }

  /** Raw requests that do not belong to their entries. */
  private async findChangedRawRequest({ firstId }: StoredEnds): Promise<Finding | undefined> {
    const [swapped] = await rows<{ id: string }>(this.manager, CHANGED_RAW_REQUESTS, [firstId]);
    return swapped && { id: swapped.id, reason: 'the raw request of this entry has been changed' };
  }

  private findRollback(state: ChainState, known: KnownChain | undefined): Finding | undefined {
    const problem = known && findForgotten(state, known);
    return problem && { id: known?.id ?? null, reason: problem.message };
  }

  private async findSince(
    { anchors: [anchor], ends: [ends] }: ChainState,
    since: string | undefined,
  ): Promise<Finding | undefined> {
    if (since === undefined || anchor === undefined || ends === undefined) return undefined;
    const read = readHead(this.keys, anchor.id, since);
    if (read.outcome === 'key_missing') {
      this.recordMissingKey(null, read.keyId);
      return undefined;
    }
    if (read.outcome === 'invalid') {
      const reason =
        'the head given as "since" was not written by a gateway on this database: it is incomplete, or the database was replaced';
      return { id: null, reason };
    }
    const state = await readChainState(this.manager, read.head);
    const problem = findRollback(ends, state.knownHash, read.head);
    return problem && { id: read.head.id, reason: problem.message };
  }

  private recordMissingKey(id: string | null, keyId: string): void {
    this.missingKey ??= { id, keyId };
  }

  private changed(finding: Finding): Verification {
    return this.result('changed', finding, null);
  }

  private result(
    state: Verification['state'],
    { id, reason }: { id: string | null; reason: string | null },
    head: string | null,
  ): Verification {
    return { ok: state === 'intact', state, rows: this.read, firstBroken: id, reason, head };
  }
}

/** Invalid ends are reported for the beginning of the chain. */
function idOf({ code }: ChainProblem, { ends, newest }: ChainState): string | null {
  if (code === 'ends_changed') return ends[0]?.firstId ?? null;
  return newest === null ? null : '1';
}

function isStoredEnds(value: unknown): value is StoredEnds {
  if (!isRecord(value)) return false;
  const texts = ['firstId', 'firstHash', 'lastId', 'lastHash', 'keyId', 'mac'];
  return texts.every((name) => typeof value[name] === 'string');
}

const UNCHAINED = `
  SELECT id FROM audit_entries WHERE id <= $1::bigint OR id > $2::bigint OR id IS NULL
  UNION ALL
  SELECT id FROM audit_entries GROUP BY id HAVING count(*) > 1
  LIMIT 1`;

const CHANGED_RAW_REQUESTS = `
  SELECT entry_id AS id
    FROM audit_originals LEFT JOIN audit_entries ON id = entry_id
   WHERE entry_id > $1::bigint
     AND (data->>'originalSha256' IS DISTINCT FROM encode(pg_catalog.sha256(sealed), 'hex')
          OR audit_originals.key_id IS DISTINCT FROM audit_entries.key_id)
   ORDER BY entry_id LIMIT 1`;

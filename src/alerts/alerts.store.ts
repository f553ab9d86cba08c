import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';
import type { AlertKind } from './alert-kinds.js';
import type { AlertEvidence, Finding, TamperingFigures } from './detection-input.js';

export interface Alert {
  readonly id: string;
  readonly kind: AlertKind;
  readonly message: string;
  readonly advice: string;
  readonly evidence: AlertEvidence | TamperingFigures;
  readonly openedAt: Date;
  /** When a callback was last refused for this reason, or the audit was last found to be tampered with. */
  readonly lastSeenAt: Date;
  readonly closedAt: Date | null;
  readonly notifiedAt: Date | null;
  /** Since when the settings would accept what was refused; nobody knows yet whether it helps. */
  readonly fixedSince: Date | null;
  readonly acknowledgedAt: Date | null;
  /** The service of the admin's API key. */
  readonly acknowledgedBy: string | null;
}

export type AlertState = 'open' | 'closed';

export interface RecentAlerts {
  readonly state?: AlertState | undefined;
  /** Only alerts after this one. */
  readonly cursor?: string | undefined;
}

/** An alert that is to be sent, for the how-many-th time. */
export type Unsent = Alert & { readonly attempt: number };

const QUIET_MINUTES = 5;
/** Without an accepted callback nobody knows whether it is mended; after so long it is let go. */
const SILENT_MINUTES = 60;
const EXPEDITE_SECONDS = 60;

/** All SQL on `alerts`. Every statement decides by itself, so that any number of processes may run it. */
@Injectable()
export class AlertsStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** Opens an alert, or brings the open one of its kind up to date. Returns it where this call opened it. */
  async raiseAlert(finding: Finding): Promise<Alert | undefined> {
    const { kind, message, advice, evidence, lastSeenAt } = finding;
    const values = [kind, message, advice, JSON.stringify(evidence), lastSeenAt];
    const [seen] = await rows<Alert & { opened: boolean }>(this.database, RAISE_ALERT, values);
    if (seen === undefined) return undefined;
    const { opened, ...alert } = seen;
    return opened ? alert : undefined;
  }

  /**
   * Opens the alert about the audit, or brings the open one up to date. Another place of the audit than before
   * withdraws the acknowledgement. Returns the alert where this call opened it.
   */
  async seeTampering(place: string, message: string, advice: string): Promise<Alert | undefined> {
    const [seen] = await rows<Alert & { opened: boolean }>(this.database, SEE_TAMPERING, [
      place,
      message,
      advice,
    ]);
    if (seen === undefined) return undefined;
    const { opened, ...alert } = seen;
    return opened ? alert : undefined;
  }

  /** Closes what has not been seen for some minutes, where callbacks are accepted again. */
  closeAlert(lastAcceptedAt: Date | null): Promise<Alert[]> {
    return rows<Alert>(this.database, CLOSE_ALERT, [QUIET_MINUTES, SILENT_MINUTES, lastAcceptedAt]);
  }

  /** Whether it is time to hurry the waiting jobs, and this process's turn to do so. */
  async acquireExpedite(): Promise<boolean> {
    return (await rows(this.database, ACQUIRE_EXPEDITE, [EXPEDITE_SECONDS])).length > 0;
  }

  async standing(): Promise<{ open: Set<AlertKind>; closed: Map<AlertKind, Date> }> {
    const found = await rows<{ kind: AlertKind; open: boolean; closedAt: Date | null }>(
      this.database,
      `SELECT kind, bool_or(closed_at IS NULL) AS open, max(closed_at) AS "closedAt"
         FROM alerts GROUP BY kind`,
    );
    return {
      open: new Set(found.flatMap(({ kind, open }) => (open ? [kind] : []))),
      closed: new Map(
        found.flatMap(({ kind, closedAt }) => (closedAt === null ? [] : [[kind, closedAt]])),
      ),
    };
  }

  listOpen(): Promise<Alert[]> {
    return rows<Alert>(
      this.database,
      `SELECT ${COLUMNS} FROM alerts WHERE closed_at IS NULL ORDER BY opened_at`,
    );
  }

  /** The newest first. */
  listRecent(limit: number, { state, cursor }: RecentAlerts): Promise<Alert[]> {
    return rows<Alert>(this.database, RECENT, [limit, cursor ?? null, state ?? null]);
  }

  /** Returns the alert where that is news: it did not count as fixed before. */
  async markFixed(kind: AlertKind): Promise<Alert | undefined> {
    const [alert] = await rows<Alert>(this.database, MARK_FIXED, [kind]);
    return alert;
  }

  /** Returns the alert where it counted as fixed. Whoever acknowledged it has to be told. */
  async markFailing(kind: AlertKind): Promise<Alert | undefined> {
    const [alert] = await rows<Alert>(this.database, MARK_FAILING, [kind]);
    return alert;
  }

  /** The first acknowledgement stays. `undefined`: no such alert. */
  async acknowledgeAlert(
    manager: EntityManager,
    id: string,
    by: string,
  ): Promise<Alert | undefined> {
    const [alert] = await rows<Alert>(manager, ACKNOWLEDGE, [id, by]);
    return alert;
  }

  /** Takes one alert to be sent; nobody else does for `leaseSeconds`. */
  async leaseUnsent(leaseSeconds: number): Promise<Unsent | undefined> {
    const [unsent] = await rows<Unsent>(this.database, LEASE_UNSENT, [leaseSeconds]);
    return unsent;
  }

  async markSent(id: string): Promise<void> {
    await rows(
      this.database,
      'UPDATE alerts SET notified_at = now(), notify_at = NULL WHERE id = $1',
      [id],
    );
  }

  /** `null`: not tried again. */
  async markNotSent(id: string, retrySeconds: number | null): Promise<void> {
    await rows(
      this.database,
      'UPDATE alerts SET notify_at = now() + make_interval(secs => $2) WHERE id = $1',
      [id, retrySeconds],
    );
  }
}

const COLUMNS = `id, kind, message, advice, evidence, opened_at AS "openedAt",
  last_seen_at AS "lastSeenAt", closed_at AS "closedAt", notified_at AS "notifiedAt",
  fixed_since AS "fixedSince", acknowledged_at AS "acknowledgedAt",
  acknowledged_by AS "acknowledgedBy"`;

const RECENT = `
  SELECT ${COLUMNS} FROM alerts
   WHERE ($2::uuid IS NULL
          OR (opened_at, id) < (SELECT opened_at, id FROM alerts WHERE id = $2::uuid))
     AND ($3::text IS NULL OR (closed_at IS NULL) = ($3::text = 'open'))
   ORDER BY opened_at DESC, id DESC LIMIT $1`;

const MARK_FIXED = `
  UPDATE alerts SET fixed_since = now()
   WHERE kind = $1 AND closed_at IS NULL AND fixed_since IS NULL
  RETURNING ${COLUMNS}`;

const MARK_FAILING = `
  UPDATE alerts SET fixed_since = NULL, acknowledged_at = NULL, acknowledged_by = NULL
   WHERE kind = $1 AND closed_at IS NULL AND fixed_since IS NOT NULL
  RETURNING ${COLUMNS}`;

const ACKNOWLEDGE = `
  UPDATE alerts
     SET acknowledged_at = coalesce(acknowledged_at, now()),
         acknowledged_by = coalesce(acknowledged_by, $2)
   WHERE id = $1
  RETURNING ${COLUMNS}`;

/** What another process has just closed is not opened again for what it had seen. */
const RAISE_ALERT = `
  INSERT INTO alerts (kind, message, advice, evidence, last_seen_at)
  SELECT $1, $2, $3, $4::jsonb, least($5::timestamptz, now())
   WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE kind = $1 AND closed_at >= $5::timestamptz)
  ON CONFLICT (kind) WHERE closed_at IS NULL DO UPDATE
     SET message = excluded.message, advice = excluded.advice, evidence = excluded.evidence,
         last_seen_at = greatest(alerts.last_seen_at, excluded.last_seen_at)
  RETURNING ${COLUMNS}, xmax = 0 AS opened`;

const SEE_TAMPERING = `
  INSERT INTO alerts AS open (kind, message, advice, evidence, last_seen_at)
  VALUES ('audit_tampered', $2, $3, jsonb_build_object('places', jsonb_build_array($1::text)), now())
  ON CONFLICT (kind) WHERE closed_at IS NULL DO UPDATE
     SET last_seen_at = now(),
         (message, evidence, acknowledged_at, acknowledged_by) = (
           SELECT CASE WHEN known THEN open.message ELSE excluded.message END,
                  CASE WHEN known OR jsonb_array_length(open.evidence->'places') >= 100
                       THEN open.evidence
                       ELSE jsonb_set(open.evidence, '{places}',
                                      (open.evidence->'places') || to_jsonb($1::text)) END,
                  CASE WHEN known THEN open.acknowledged_at END,
                  CASE WHEN known THEN open.acknowledged_by END
             FROM (SELECT open.evidence->'places' ? $1::text AS known) AS place)
  RETURNING ${COLUMNS}, xmax = 0 AS opened`;

/** Tampering stays on record, so every verification finds it again, once an hour. */
const CLOSE_ALERT = `
  UPDATE alerts SET closed_at = now()
   WHERE closed_at IS NULL
     AND last_seen_at <= now() - make_interval(mins => $1)
     AND CASE kind
           WHEN 'attack' THEN true
           WHEN 'audit_tampered'
             THEN acknowledged_at IS NOT NULL AND last_seen_at <= now() - interval '3 hours'
           ELSE last_seen_at < $3::timestamptz
                OR last_seen_at <= now() - make_interval(mins => $2)
         END
  RETURNING ${COLUMNS}`;

const ACQUIRE_EXPEDITE = `
  UPDATE alerts SET expedited_at = now()
   WHERE closed_at IS NULL AND kind NOT IN ('attack', 'audit_tampered')
     AND (expedited_at IS NULL OR expedited_at <= now() - make_interval(secs => $1))
  RETURNING id`;

const LEASE_UNSENT = `
  UPDATE alerts
     SET notify_at = now() + make_interval(secs => $1), notify_attempts = notify_attempts + 1
   WHERE id = (
     SELECT id FROM alerts
      WHERE notified_at IS NULL AND notify_at <= now() AND kind <> 'attack'
        AND opened_at > now() - interval '1 hour'
      ORDER BY opened_at LIMIT 1
        FOR UPDATE SKIP LOCKED)
  RETURNING ${COLUMNS}, notify_attempts AS attempt`;

import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';
import {
  ENDPOINT_KINDS,
  MISCONFIGURATIONS,
  type AlertKind,
  type EndpointKind,
} from './alert-kinds.js';
import type {
  AlertEvidence,
  ApiKeyEvidence,
  EndpointEvidence,
  TamperingEvidence,
} from './detection-input.js';

export interface Alert {
  readonly id: string;
  readonly kind: AlertKind;
  readonly message: string;
  readonly advice: string;
  readonly evidence: AlertEvidence | ApiKeyEvidence | EndpointEvidence | TamperingEvidence;
  readonly openedAt: Date;
  /** When a callback or the API key was last refused, or tampering or the endpoints were last found. */
  readonly lastSeenAt: Date;
  readonly closedAt: Date | null;
  readonly notifiedAt: Date | null;
  /** Since when the settings would accept the refused callbacks; no callback has confirmed it yet. */
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

/** An alert to send, with the number of the attempt. */
export type Unsent = Alert & { readonly attempt: number };

const QUIET_MINUTES = 5;
/** Age after which an alert closes even if no callback has confirmed the fix. */
const SILENT_MINUTES = 60;
const EXPEDITE_SECONDS = 60;

/** All SQL on `alerts`. Every statement is safe to run in several processes at once. */
@Injectable()
export class AlertsStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** Opens an alert or updates the open one of its kind. Returns the alert if this call opened it. */
  async raiseAlert(
    finding: Pick<Alert, 'kind' | 'message' | 'advice' | 'evidence' | 'lastSeenAt'>,
  ): Promise<Alert | undefined> {
    const { kind, message, advice, evidence, lastSeenAt } = finding;
    const values = [kind, message, advice, JSON.stringify(evidence), lastSeenAt];
    return openedAlert(await rows<RaisedAlert>(this.database, RAISE_ALERT, values));
  }

  /**
   * Opens or updates the alert about tampering. A new place in the audit withdraws the acknowledgement. Returns the
   * alert if this call opened it.
   */
  async raiseTampering(place: string, message: string, advice: string): Promise<Alert | undefined> {
    return openedAlert(
      await rows<RaisedAlert>(this.database, RAISE_TAMPERING, [place, message, advice]),
    );
  }

  /**
   * Opens or updates the alert about endpoints. If the gateway disabled another endpoint, a new alert replaces the open
   * one, so that it is sent and shown again. Returns the alert if this call opened it.
   */
  async raiseEndpoints(finding: {
    readonly kind: EndpointKind;
    readonly message: string;
    readonly advice: string;
    readonly evidence: EndpointEvidence;
  }): Promise<Alert | undefined> {
    const { kind, message, advice, evidence } = finding;
    const values = [kind, message, advice, JSON.stringify(evidence)];
    const seen = await this.database.transaction(async (manager) => {
      if (kind === 'endpoint_disabled') {
        await rows(manager, CLOSE_OUTGROWN, [kind, JSON.stringify(evidence.endpoints)]);
      }
      return rows<RaisedAlert>(manager, RAISE_ENDPOINTS, values);
    });
    return openedAlert(seen);
  }

  /** Closes alerts not seen for some minutes if callbacks are accepted again. */
  closeAlerts(lastAcceptedAt: Date | null): Promise<Alert[]> {
    return rows<Alert>(this.database, CLOSE_ALERTS, [
      QUIET_MINUTES,
      SILENT_MINUTES,
      lastAcceptedAt,
    ]);
  }

  /** Whether this process may expedite polls of all waiting jobs now. */
  async acquireExpedite(): Promise<boolean> {
    return (await rows(this.database, ACQUIRE_EXPEDITE, [EXPEDITE_SECONDS])).length > 0;
  }

  /** The kinds with an open alert, and when the last alert of each kind was closed. */
  async readKinds(): Promise<{ open: Set<AlertKind>; closed: Map<AlertKind, Date> }> {
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

  /** Newest first. */
  listRecent(limit: number, { state, cursor }: RecentAlerts): Promise<Alert[]> {
    return rows<Alert>(this.database, RECENT, [limit, cursor ?? null, state ?? null]);
  }

  /** Returns the alert if it was not marked as fixed before. */
  async markFixed(kind: AlertKind): Promise<Alert | undefined> {
    const [alert] = await rows<Alert>(this.database, MARK_FIXED, [kind]);
    return alert;
  }

  /** Returns the alert if it was marked as fixed, so that the caller reports it again. */
  async markFailing(kind: AlertKind): Promise<Alert | undefined> {
    const [alert] = await rows<Alert>(this.database, MARK_FAILING, [kind]);
    return alert;
  }

  /** Keeps the first acknowledgement. Returns `undefined` if the alert does not exist. */
  async acknowledgeAlert(
    manager: EntityManager,
    id: string,
    by: string,
  ): Promise<Alert | undefined> {
    const [alert] = await rows<Alert>(manager, ACKNOWLEDGE, [id, by]);
    return alert;
  }

  /** Leases one alert to send for `leaseSeconds`. */
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

  /** `null`: no further attempt. */
  async markNotSent(id: string, retrySeconds: number | null): Promise<void> {
    await rows(
      this.database,
      'UPDATE alerts SET notify_at = now() + make_interval(secs => $2) WHERE id = $1',
      [id, retrySeconds],
    );
  }
}

type RaisedAlert = Alert & { readonly opened: boolean };

function openedAlert([raised]: readonly RaisedAlert[]): Alert | undefined {
  if (raised === undefined) return undefined;
  const { opened, ...alert } = raised;
  return opened ? alert : undefined;
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

/** Older refusals do not reopen an alert that another process has just closed. */
const RAISE_ALERT = `
  INSERT INTO alerts (kind, message, advice, evidence, last_seen_at)
  SELECT $1, $2, $3, $4::jsonb, least($5::timestamptz, now())
   WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE kind = $1 AND closed_at >= $5::timestamptz)
  ON CONFLICT (kind) WHERE closed_at IS NULL DO UPDATE
     SET message = excluded.message, advice = excluded.advice, evidence = excluded.evidence,
         last_seen_at = greatest(alerts.last_seen_at, excluded.last_seen_at)
  RETURNING ${COLUMNS}, xmax = 0 AS opened`;

const CLOSE_OUTGROWN = `
  UPDATE alerts SET closed_at = now()
   WHERE kind = $1 AND closed_at IS NULL AND NOT coalesce(evidence->'endpoints' @> $2::jsonb, false)`;

const RAISE_ENDPOINTS = `
  INSERT INTO alerts (kind, message, advice, evidence, last_seen_at)
  VALUES ($1, $2, $3, $4::jsonb, now())
  ON CONFLICT (kind) WHERE closed_at IS NULL DO UPDATE
     SET message = excluded.message, advice = excluded.advice, evidence = excluded.evidence, last_seen_at = now()
  RETURNING ${COLUMNS}, xmax = 0 AS opened`;

const RAISE_TAMPERING = `
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

/** The audit keeps entries about tampering, so every hourly verification finds it again. */
const CLOSE_ALERTS = `
  UPDATE alerts SET closed_at = now()
   WHERE closed_at IS NULL
     AND last_seen_at <= now() - make_interval(mins => $1)
     AND CASE kind
           WHEN 'attack' THEN true
           WHEN 'api_key' THEN true
           ${ENDPOINT_KINDS.map((kind) => `WHEN '${kind}' THEN true`).join(' ')}
           WHEN 'audit_tampered'
             THEN acknowledged_at IS NOT NULL AND last_seen_at <= now() - interval '3 hours'
           ELSE last_seen_at < $3::timestamptz
                OR last_seen_at <= now() - make_interval(mins => $2)
         END
  RETURNING ${COLUMNS}`;

const ACQUIRE_EXPEDITE = `
  UPDATE alerts SET expedited_at = now()
   WHERE closed_at IS NULL AND kind IN (${MISCONFIGURATIONS.map((kind) => `'${kind}'`).join(', ')})
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

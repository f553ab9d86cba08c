import type { RefusalCause } from '../audit/refusal.js';

/** Probable reasons why the gateway refuses callbacks for waiting jobs: one kind per remedy. */
export const MISCONFIGURATIONS = [
  'source_address',
  'token_key',
  'svix_secret',
  'clock',
  'form',
  'job_unknown',
  'upstream_id',
] as const;

export type Misconfiguration = (typeof MISCONFIGURATIONS)[number];

/** Alerts about the receivers of events. The gateway works as configured, but services miss events. */
export const ENDPOINT_KINDS = [
  'endpoint_failing',
  'endpoint_disabled',
  'deliveries_overdue',
] as const;

export type EndpointKind = (typeof ENDPOINT_KINDS)[number];

/** `attack` only informs: forged callbacks are refused, and no setting needs a change. */
export const ALERT_KINDS = [
  ...MISCONFIGURATIONS,
  'api_key',
  'audit_tampered',
  ...ENDPOINT_KINDS,
  'attack',
] as const;

export type AlertKind = (typeof ALERT_KINDS)[number];

/** Kinds that are detected from refused callbacks. */
export type DetectedKind = Misconfiguration | 'attack';

/** `warning`: a service has to act. `info`: nothing has to be changed. */
export const SEVERITIES = ['critical', 'warning', 'info'] as const;

export type Severity = (typeof SEVERITIES)[number];

export function severityOf(kind: AlertKind): Severity {
  if (kind === 'attack') return 'info';
  return isAboutEndpoints(kind) ? 'warning' : 'critical';
}

export function isAboutEndpoints(kind: AlertKind): kind is EndpointKind {
  return ENDPOINT_KINDS.some((each) => each === kind);
}

export const KIND_OF_CAUSE: Readonly<Record<RefusalCause, Misconfiguration>> = {
  address_not_allowed: 'source_address',
  wrong_method: 'form',
  wrong_content_type: 'form',
  too_large: 'form',
  not_json: 'form',
  not_a_callback: 'form',
  signature_incomplete: 'svix_secret',
  signature_stale: 'clock',
  signature_invalid: 'svix_secret',
  svix_not_configured: 'svix_secret',
  token_missing: 'token_key',
  token_invalid: 'token_key',
  job_unknown: 'job_unknown',
  upstream_id_mismatch: 'upstream_id',
};

import { connectionLimits } from '../platform/database/connection-limits.js';
import type { Settings } from '../platform/config/settings.js';

/** Heartbeat that detects a lost listening connection. */
const HEARTBEAT_MILLISECONDS = 10_000;
const HEARTBEAT_TIMEOUT_MILLISECONDS = 5000;

/**
 * How pg-boss opens its connections: a pool of up to `max`, and one more for each channel it listens
 * to. It hands its options to `pg` as they are, also those that its own type does not name.
 */
export function queueConnections(settings: Settings, max: number) {
  const limits = connectionLimits(settings);
  const timeoutMillis = settings.DATABASE_TIMEOUT_SECONDS * 1000;
  return {
    connectionString: settings.DATABASE_URL ?? '',
    application_name: 'reducto-gateway-tasks',
    max,
    ...limits,
    // A listening connection is a plain `pg.Client`, which knows `Client` and `silenceMillis` not. Its
    // LISTEN is bounded by this one, everything after it by the heartbeat. For the pool it comes too late.
    query_timeout: limits.silenceMillis + timeoutMillis,
    notifyHeartbeatIntervalMs: Math.min(timeoutMillis, HEARTBEAT_MILLISECONDS),
    notifyHeartbeatTimeoutMs: Math.min(timeoutMillis, HEARTBEAT_TIMEOUT_MILLISECONDS),
  };
}

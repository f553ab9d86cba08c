import { isPrivateHost } from './private-host.js';
import type { SettingName, SettingValues } from './setting-table.js';

/** Settings that are valid alone and not together. */
export function contradictions(settings: SettingValues): string[] {
  const found: string[] = [];
  if (settings.ROLES.length === 0) found.push('ROLES must name at least one role');
  if (settings.METRICS_PORT === settings.PORT && settings.PORT !== 0) {
    found.push('METRICS_PORT must differ from PORT');
  }
  if (settings.METRICS_HOST !== undefined && settings.METRICS_PORT === undefined) {
    found.push('METRICS_PORT is missing: METRICS_HOST has no effect without it');
  }
  if (settings.PUBLIC_URL?.protocol === 'http:' && !isPrivateHost(settings.PUBLIC_URL.hostname)) {
    found.push('PUBLIC_URL must be https, except for loopback and private addresses');
  }
  const { ALERT_WEBHOOK_URL: alerts, ALERT_WEBHOOK_SECRET: alertSecret } = settings;
  if (alerts?.protocol === 'http:' && !isPrivateHost(alerts.hostname)) {
    found.push('ALERT_WEBHOOK_URL must be https, except for loopback and private addresses');
  }
  if (alerts !== undefined && alertSecret === undefined) {
    found.push('ALERT_WEBHOOK_SECRET is missing: it signs the alerts for ALERT_WEBHOOK_URL');
  }
  for (const name of [
    'RESULT_RETENTION_DAYS',
    'CALLBACK_RETENTION_DAYS',
    'EVENT_RETENTION_DAYS',
  ] as const) {
    const jobDays = settings.JOB_RETENTION_DAYS;
    if (jobDays > 0 && settings[name] > jobDays) {
      found.push(`${name} must not be longer than JOB_RETENTION_DAYS`);
    }
  }
  return found;
}

/** Settings that only production requires. */
export function missingForProduction(settings: SettingValues): string[] {
  const missing: string[] = [];
  const need = (name: SettingName, why: string): void => {
    const value = settings[name];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) {
      missing.push(`${name} is missing: ${why}`);
    }
  };
  need('DATABASE_URL', 'production needs a PostgreSQL server');
  need('AUDIT_KEYS', 'create one with: echo "1:$(openssl rand -base64 32)"');
  if (settings.ROLES.includes('api') || settings.ROLES.includes('worker')) {
    need('REDUCTO_API_KEY', 'if your own deployment needs no key, set any text');
  }
  if (settings.WEBHOOK_MODE !== 'none') {
    if (settings.ROLES.includes('worker'))
      need('PUBLIC_URL', 'or set WEBHOOK_MODE=none to poll only');
    if (settings.ROLES.includes('worker') || settings.ROLES.includes('webhooks')) {
      need('TOKEN_KEYS', 'create one with: echo "1:$(openssl rand -base64 32)"');
    }
    if (settings.WEBHOOK_MODE === 'svix' && settings.ROLES.includes('webhooks')) {
      need('SVIX_SECRETS', 'copy it from the endpoint in Reducto’s webhook portal');
    }
  }
  return missing;
}

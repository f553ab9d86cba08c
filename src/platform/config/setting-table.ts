import { RESULT_SETTINGS } from './result-settings.js';
import { optional, secret, setting, type SettingDefinition } from './setting-definition.js';
import {
  addressBlock,
  certificateFile,
  delays,
  headerValue,
  headerList,
  hostName,
  httpUrl,
  integer,
  listOf,
  longSecret,
  oneOf,
  postgresUrl,
  ratio,
  svixSecret,
  text,
  tokenKeys,
} from './setting-kinds.js';

const guardMode = oneOf('enforce', 'observe', 'off');

/**
 * All settings. The key is both the environment variable and the property in code.
 * `NAME_FILE` names a file that holds the value.
 */
export const SETTING_TABLE = {
  NODE_ENV: setting(
    oneOf('development', 'test', 'production'),
    'development',
    '`production` refuses to start if a required setting is missing, and never starts dev services',
  ),
  HOST: setting(text, '127.0.0.1', 'address to listen on'),
  PORT: setting(integer(0, 65_535), '3000', 'port to listen on; 0: any free port'),
  METRICS_PORT: optional(
    integer(0, 65_535),
    'separate port for `/metrics` and health checks; unset: `/metrics` is on `PORT`, except in processes that only receive callbacks',
  ),
  METRICS_HOST: optional(
    text,
    'address that `METRICS_PORT` listens on; unset: the value of `HOST`',
  ),
  ROLES: setting(
    listOf(oneOf('api', 'webhooks', 'worker')),
    'api,webhooks,worker',
    'roles of this process: serve the API, receive callbacks, run background tasks',
  ),
  LOG_LEVEL: setting(
    oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    'info',
    'minimum level of log lines',
  ),
  LOG_FORMAT: setting(
    oneOf('auto', 'json', 'pretty'),
    'auto',
    '`auto` is `pretty` in a terminal outside production, else `json`',
  ),
  SHUTDOWN_TIMEOUT_SECONDS: setting(
    integer(1, 600),
    '25',
    'time that a shutdown waits for running requests and tasks',
  ),

  DATABASE_URL: secret(
    optional(
      postgresUrl,
      'PostgreSQL connection URL; unset outside production: an embedded server in `DATA_DIR`',
    ),
  ),
  DATABASE_POOL_SIZE: setting(integer(2, 500), '20', 'maximum database connections per process'),
  DATABASE_TIMEOUT_SECONDS: setting(
    integer(1, 600),
    '15',
    'timeout of a SQL statement; the gateway closes a connection that is silent for longer',
  ),
  DATABASE_SESSION_LIMITS: setting(
    oneOf('on', 'off'),
    'on',
    'whether to send time limits to PostgreSQL with each connection; `off` for a pooler that refuses them',
  ),
  DATABASE_MIGRATIONS: setting(
    oneOf('auto', 'run', 'check'),
    'auto',
    'at startup, `run` pending migrations or `check` that none is pending; `auto` checks in production and runs elsewhere',
  ),
  DATA_DIR: setting(text, './.data', 'directory of the embedded server and the local keys'),

  REDUCTO_API_KEY: secret(
    optional(
      headerValue,
      'API key for Reducto; unset outside production: the gateway uses the sandbox',
    ),
  ),
  REDUCTO_BASE_URL: setting(
    httpUrl,
    'https://platform.reducto.ai',
    'base URL of Reducto’s API, or of your own deployment',
  ),
  REDUCTO_SUBMIT_TIMEOUT_SECONDS: setting(
    integer(1, 900),
    '30',
    'timeout of a submit; after it, the outcome counts as unknown',
  ),
  REDUCTO_CLASSIFY_TIMEOUT_SECONDS: setting(
    integer(1, 900),
    '900',
    'timeout of a synchronous classify call, where Reducto has no `/classify_async`; after it, the outcome counts as unknown',
  ),
  REDUCTO_READ_TIMEOUT_SECONDS: setting(
    integer(1, 900),
    '30',
    'timeout of a poll, a listing, or a cancellation',
  ),
  REDUCTO_RETRY_AFTER_CAP_SECONDS: setting(
    integer(1, 86_400),
    '300',
    'maximum `Retry-After` that the gateway obeys; longer values are cut to it',
  ),
  REDUCTO_SUBMITS_PER_SECOND: setting(
    integer(1, 100_000),
    '500',
    'maximum submits per second of all processes together; Reducto’s own limit is 1,000 requests per API key',
  ),
  REDUCTO_POLLS_PER_SECOND: setting(
    integer(1, 100_000),
    '100',
    'maximum polls, and reads of the listing, per second of all processes; Reducto’s own limit is 200 per API key',
  ),
  REDUCTO_USER_ID: setting(
    oneOf('none', 'service'),
    'none',
    'header `user-id` of submits, by which an on-prem Reducto shares its workers: `none`, or the name of the `service`',
  ),
  SUBMIT_CONCURRENCY: setting(integer(1, 256), '8', 'concurrent submits per worker process'),
  CLASSIFY_CONCURRENCY: setting(
    integer(1, 256),
    '4',
    'concurrent synchronous classify calls per worker process',
  ),
  POLL_CONCURRENCY: setting(integer(1, 256), '8', 'concurrent polls per worker process'),
  SUBMIT_BACKOFF_SECONDS: setting(
    delays,
    '1,2,5,10,20,40,60,120,300',
    'delays between attempts of a submit that Reducto deferred, that did not reach it, or that repeatedly made no job; the last one repeats',
  ),
  REQUEST_MAX_BYTES: setting(integer(1024, 104_857_600), '5242880', 'maximum size of a JSON body'),
  REQUEST_HEADERS_TIMEOUT_SECONDS: setting(
    integer(1, 600),
    '10',
    'timeout for the headers of a request',
  ),
  REQUEST_BODY_TIMEOUT_SECONDS: setting(
    integer(1, 600),
    '30',
    'timeout for the body of a request; an upload may fall behind its minimum rate for as long',
  ),
  REQUEST_BODY_BUDGET_BYTES: optional(
    integer(65_536, 10_737_418_240),
    'maximum memory for request bodies per process; above it, the gateway answers 503; unset: a sixteenth of V8’s heap',
  ),
  UPLOAD_MIN_BYTES_PER_SECOND: setting(
    integer(1, 1_000_000),
    '1024',
    'minimum rate of an upload; the gateway aborts slower ones',
  ),
  UPLOAD_MAX_BYTES: setting(
    integer(1024, 5_368_709_120),
    '104857600',
    'maximum size of an upload; Reducto accepts 100 MB in one request',
  ),
  UPLOAD_TIMEOUT_SECONDS: setting(integer(1, 7200), '900', 'total timeout of an upload to Reducto'),

  PUBLIC_URL: optional(
    httpUrl,
    'URL under which Reducto reaches the gateway; callbacks go to `PUBLIC_URL/webhooks/reducto`; its path is the prefix of all links',
  ),
  PUBLIC_API_URL: optional(
    httpUrl,
    'URL under which services reach the API: the links to files in results begin with it; unset: the value of `PUBLIC_URL`, else `http://localhost:PORT`',
  ),
  FILE_LINK_MAX_SECONDS: setting(
    integer(0, 2_592_000),
    '86400',
    'maximum lifetime of a signed link to a file, which needs no API key; 0: no signed links',
  ),
  WEBHOOK_MODE: setting(
    oneOf('direct', 'svix', 'none'),
    'direct',
    'kind of callbacks that the gateway requests; `none`: polling only',
  ),
  SVIX_CHANNELS: setting(
    listOf(text),
    '',
    'Svix channels to request; leave it empty only if the Svix endpoint has no channels either',
  ),
  TOKEN_KEYS: secret(
    optional(
      tokenKeys,
      '`2:<base64>,1:<base64>`: keys of the per-job callback token; the first signs, all verify',
    ),
  ),
  SVIX_SECRETS: secret(
    setting(listOf(svixSecret), '', '`whsec_…` list of Svix signing secrets; all verify'),
  ),
  WEBHOOK_IP_ALLOWLIST: setting(
    listOf(addressBlock),
    '',
    'addresses and CIDR blocks that callbacks may come from; empty: any address',
  ),
  TRUSTED_PROXIES: setting(
    listOf(addressBlock),
    '',
    'addresses and CIDR blocks of proxies whose `X-Forwarded-For` the gateway trusts',
  ),
  GUARD_SOURCE_IP: setting(
    guardMode,
    'enforce',
    'mode of the guard that checks the source address',
  ),
  GUARD_SECRET: setting(
    guardMode,
    'enforce',
    'mode of the guard that checks the token or Svix signature',
  ),
  GUARD_JOB_ID: setting(guardMode, 'enforce', 'mode of the guard that checks the job ID'),
  WEBHOOK_MAX_BYTES: setting(integer(1024, 10_485_760), '65536', 'maximum size of a callback body'),

  WEBHOOK_BACKLOG: setting(
    integer(1, 1_000_000),
    '5000',
    'maximum callbacks that wait for the database; above it, the gateway answers 503 with `Retry-After`',
  ),
  AUDIT_KEYS: secret(
    optional(
      tokenKeys,
      '`2:<base64>,1:<base64>`: keys that sign the audit and encrypt raw requests; the first signs, all verify',
    ),
  ),
  AUDIT_ENTRIES_PER_MINUTE: setting(
    integer(0, 100_000),
    '120',
    'maximum audit entries per minute and process for refusals with the same cause and address; further ones are counted',
  ),
  AUDIT_ENTRIES_PER_MINUTE_TOTAL: setting(
    integer(0, 1_000_000),
    '1200',
    'maximum audit entries per minute and process for all refusals together',
  ),
  AUDIT_RAW_REQUEST_BYTES_PER_MINUTE: setting(
    integer(0, 1_073_741_824),
    '524288',
    'maximum bytes of raw requests that are stored, encrypted, for a re-check, per minute and process',
  ),
  AUDIT_RAW_REQUEST_HOURS: setting(
    integer(1, 8760),
    '72',
    'retention of raw requests for a re-check',
  ),
  AUDIT_RETENTION_DAYS: setting(integer(1, 36_500), '400', 'retention of audit entries'),

  DATA_KEYS: secret(
    optional(
      tokenKeys,
      '`2:<base64>,1:<base64>`: keys that encrypt the secrets of endpoints in the database; the first encrypts, all decrypt; unset: they are stored in plain text',
    ),
  ),
  DELIVERY_ALLOWED_NETWORKS: optional(
    listOf(addressBlock),
    'private and loopback addresses and CIDR blocks that events may be sent to, also by plain http; unset: none in production, loopback elsewhere',
  ),
  DELIVERY_ALLOWED_HOSTS: setting(
    listOf(hostName),
    '',
    'host names (`*.example.com`: all subdomains) that events may be sent to at a private address or by plain http',
  ),
  DELIVERY_TIMEOUT_SECONDS: setting(
    integer(1, 60),
    '15',
    'timeout of one attempt to send an event, from connecting to the end of the answer',
  ),
  DELIVERY_CA_FILE: optional(
    certificateFile,
    'PEM file with certificates of authorities that receivers of events may use, in addition to the usual ones',
  ),

  ENDPOINTS_PER_SERVICE: setting(integer(1, 10_000), '50', 'maximum own endpoints of a service'),
  WEBHOOK_ORIGINS_PER_SERVICE: setting(
    integer(1, 10_000),
    '100',
    'maximum origins of the direct webhooks that jobs of a service name',
  ),
  DELIVERY_CONCURRENCY: setting(
    integer(1, 1000),
    '128',
    'concurrent deliveries per worker process',
  ),
  DELIVERY_ENDPOINT_CONCURRENCY: setting(
    integer(1, 1000),
    '16',
    'maximum concurrent deliveries to one endpoint, of all processes together; direct webhooks of the jobs of a service: up to four times as many',
  ),
  ENDPOINT_DISABLE_AFTER_HOURS: setting(
    integer(1, 8760),
    '120',
    'time of failures without a success after which the gateway disables an endpoint',
  ),

  CONSOLE_SESSION_HOURS: setting(
    integer(1, 720),
    '12',
    'maximum lifetime of a session of the console at `/admin`',
  ),
  CONSOLE_IDLE_MINUTES: setting(integer(1, 1440), '60', 'idle timeout of a session of the console'),

  ALERT_INTERVAL_SECONDS: setting(
    integer(1, 3600),
    '15',
    'interval of the task that searches refused callbacks for misconfigurations',
  ),
  ALERT_WEBHOOK_URL: secret(
    optional(httpUrl, 'URL that receives alerts, signed according to Standard Webhooks'),
  ),
  ALERT_WEBHOOK_SECRET: secret(optional(svixSecret, '`whsec_…`: secret that signs alerts')),

  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    httpUrl,
    'OpenTelemetry collector that receives traces by OTLP over HTTP (JSON); unset: no traces',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: secret(
    setting(headerList, '', '`name=value,…`: headers for the collector, such as its API key'),
  ),
  OTEL_SERVICE_NAME: setting(text, 'reducto-gateway', 'service name in traces'),
  OTEL_TRACES_SAMPLER_ARG: setting(
    ratio,
    '1',
    'ratio of traces to sample, 0 to 1, unless the caller has decided (parentbased_traceidratio)',
  ),

  BOOTSTRAP_ADMIN_KEY: secret(
    optional(longSecret, 'first API key with the scope `admin`, 32 to 200 characters'),
  ),

  POLL_SCHEDULE_SECONDS: setting(
    delays,
    '5,5,10,20,40,60,120,300,600,900,1800',
    'delays before each poll of a job whose callback has not arrived; the last one repeats',
  ),
  JOB_MAX_AGE_SECONDS: setting(
    integer(1, 2_592_000),
    '86400',
    'age at which a job that has not ended expires',
  ),
  RECONCILE_INTERVAL_SECONDS: setting(
    integer(1, 3600),
    '2',
    'interval of the reconciler’s sweep for due jobs',
  ),
  RECONCILE_BATCH_SIZE: setting(integer(1, 100_000), '10000', 'maximum jobs per sweep'),
  RECONCILE_LISTING_MIN_JOBS: setting(
    integer(0, 100_000),
    '50',
    'number of due jobs above which the reconciler lists all jobs instead of polling each; 0: never',
  ),
  UNCERTAIN_LISTING_LAG_SECONDS: setting(
    integer(0, 3600),
    '3',
    'time that Reducto may take to list a new job; the gateway searches the listing for a submit with an unknown outcome this long after the request can last have arrived',
  ),
  UNCERTAIN_SCHEDULE_SECONDS: setting(
    delays,
    '5,15,60,180',
    'delays between searches of the listing for such a job, if a search neither finds it nor proves it absent',
  ),
  UNCERTAIN_UNRESOLVED: setting(
    oneOf('fail', 'resubmit'),
    'fail',
    'how to resolve such a job if the listing cannot: `fail` it, or `resubmit` it and risk a second upstream job',
  ),
  NOT_FOUND_GRACE_SECONDS: setting(
    integer(0, 86_400),
    '60',
    'time after the submit in which "not found" counts as a delay at Reducto',
  ),
  ...RESULT_SETTINGS,

  RESULT_RETENTION_DAYS: setting(
    integer(0, 36_500),
    '30',
    'retention of the result after the end of the job; 0: as long as the job',
  ),
  CALLBACK_RETENTION_DAYS: setting(
    integer(0, 36_500),
    '90',
    'retention of accepted callbacks, except those of jobs that have not ended; 0: as long as the job',
  ),
  JOB_RETENTION_DAYS: setting(
    integer(0, 36_500),
    '365',
    'retention of a job, its timeline, and its `Idempotency-Key` after its end; 0: forever',
  ),
  UPLOAD_RETENTION_HOURS: setting(
    integer(0, 876_000),
    '48',
    'retention of an upload’s id and its `Idempotency-Key`; Reducto keeps the file for about a day; 0: forever',
  ),
  EVENT_RETENTION_DAYS: setting(
    integer(1, 36_500),
    '30',
    'retention of an event, its deliveries, and their attempts',
  ),
  RETENTION_INTERVAL_SECONDS: setting(integer(1, 86_400), '600', 'interval of the retention task'),
} as const satisfies Record<string, SettingDefinition<unknown>>;

export type SettingName = keyof typeof SETTING_TABLE;

type ValueOf<Definition> = Definition extends SettingDefinition<infer Value> ? Value : never;

export type SettingValues = {
  readonly [Name in SettingName]: ValueOf<(typeof SETTING_TABLE)[Name]>;
};

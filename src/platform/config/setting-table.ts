import {
  addressBlock,
  delays,
  headerValue,
  headerList,
  hostAndPort,
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
  type Parse,
} from './setting-kinds.js';

/** One row of the table of settings: how to read it, and what the README says of it. */
export interface SettingDefinition<T> {
  readonly parse: Parse<T>;
  readonly default: string;
  readonly secret: boolean;
  readonly description: string;
}

type Row<T> = SettingDefinition<T>;

const setting = <T>(parse: Parse<T>, fallback: string, about: string): Row<T> => ({
  parse,
  default: fallback,
  description: about,
  secret: false,
});

/** A setting without a default: its value is `undefined` where nothing was given. */
const optional = <T>(parse: Parse<T>, about: string): Row<T | undefined> => ({
  parse: (value) => (value === '' ? undefined : parse(value)),
  default: '',
  description: about,
  secret: false,
});

const secret = <T>(row: Row<T>): Row<T> => ({ ...row, secret: true });

const guardMode = oneOf('enforce', 'observe', 'off');

/**
 * Every setting the gateway has. The key is the name of the environment variable and of the
 * property in code, so that a name found in a compose file leads straight to where it is used.
 * Each can also be given as `NAME_FILE`, the path of a file that holds the value.
 */
export const SETTING_TABLE = {
  NODE_ENV: setting(
    oneOf('development', 'test', 'production'),
    'development',
    '`production` requires all settings and never starts dev services',
  ),
  HOST: setting(text, '127.0.0.1', 'address to listen on'),
  PORT: setting(integer(0, 65_535), '3000', 'port to listen on; 0 takes a free one'),
  METRICS_PORT: optional(
    integer(0, 65_535),
    'separate port for `/metrics` and health; unset: `/metrics` is on `PORT`, except where only the role `webhooks` runs',
  ),
  METRICS_HOST: optional(text, 'address to listen on with `METRICS_PORT`; unset: as `HOST`'),
  ROLES: setting(
    listOf(oneOf('api', 'webhooks', 'worker')),
    'api,webhooks,worker',
    'roles of this process: `api` serves services and admins, `webhooks` receives callbacks, `worker` does background work',
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
    'how long a shutdown waits for running requests and tasks',
  ),

  DATABASE_URL: secret(
    optional(postgresUrl, 'PostgreSQL; unset outside production: an embedded server in `DATA_DIR`'),
  ),
  DATABASE_POOL_SIZE: setting(integer(2, 500), '20', 'connections per process, at most'),
  DATABASE_TIMEOUT_SECONDS: setting(
    integer(1, 600),
    '15',
    'statement timeout; a connection that is silent for longer is closed',
  ),
  DATABASE_SESSION_LIMITS: setting(
    oneOf('on', 'off'),
    'on',
    'time limits sent to PostgreSQL with every connection; `off` for a pooler that refuses them',
  ),
  DATABASE_MIGRATIONS: setting(
    oneOf('auto', 'run', 'check'),
    'auto',
    'at start, `run` pending migrations or `check` that there are none; `auto` checks in production',
  ),
  DATA_DIR: setting(text, './.data', 'directory of the embedded server and the local keys'),

  REDUCTO_API_KEY: secret(
    optional(headerValue, 'the key for Reducto; unset outside production: the sandbox'),
  ),
  REDUCTO_BASE_URL: setting(
    httpUrl,
    'https://platform.reducto.ai',
    'Reducto, or your own deployment of it',
  ),
  REDUCTO_SUBMIT_TIMEOUT_SECONDS: setting(
    integer(1, 900),
    '30',
    'how long a submit may take before its outcome counts as unknown',
  ),
  REDUCTO_READ_TIMEOUT_SECONDS: setting(
    integer(1, 900),
    '30',
    'timeout of a poll, a listing, or a cancel',
  ),
  REDUCTO_RETRY_AFTER_CAP_SECONDS: setting(
    integer(1, 86_400),
    '300',
    'the longest `Retry-After` that is obeyed as given',
  ),
  REDUCTO_POLLS_PER_SECOND: setting(
    integer(1, 1000),
    '100',
    'polls per second, by all processes together; Reducto’s own cap is 200 per API key',
  ),
  SUBMIT_CONCURRENCY: setting(integer(1, 256), '8', 'submits at a time, per worker process'),
  POLL_CONCURRENCY: setting(integer(1, 256), '8', 'polls at a time, per worker process'),
  SUBMIT_BACKOFF_SECONDS: setting(
    delays,
    '1,2,5,10,20,40,60,120,300',
    'waits between submits that Reducto deferred or that never reached it; the last one repeats',
  ),
  REQUEST_MAX_BYTES: setting(
    integer(1024, 104_857_600),
    '5242880',
    'largest JSON body of a request to the API',
  ),
  REQUEST_HEADERS_TIMEOUT_SECONDS: setting(
    integer(1, 600),
    '10',
    'how long the headers of a request may take',
  ),
  REQUEST_BODY_TIMEOUT_SECONDS: setting(
    integer(1, 600),
    '30',
    'how long a body may take, uploads excepted; for an upload, how long it may fall behind its minimum rate',
  ),
  REQUEST_BODY_BUDGET_BYTES: optional(
    integer(65_536, 10_737_418_240),
    'request bodies that a process holds at a time, beyond which it answers 503; unset: a sixteenth of V8’s heap',
  ),
  UPLOAD_MIN_BYTES_PER_SECOND: setting(
    integer(1, 1_000_000),
    '1024',
    'minimum rate of an upload; a slower one is broken off',
  ),
  UPLOAD_MAX_BYTES: setting(
    integer(1024, 5_368_709_120),
    '104857600',
    'largest upload; Reducto takes 100 MB in one request',
  ),
  UPLOAD_TIMEOUT_SECONDS: setting(
    integer(1, 7200),
    '900',
    'how long an upload to Reducto may take as a whole',
  ),

  PUBLIC_URL: optional(
    httpUrl,
    'the gateway as Reducto reaches it; callbacks go to `PUBLIC_URL/webhooks/reducto`; its path is the prefix of all links',
  ),
  WEBHOOK_MODE: setting(
    oneOf('direct', 'svix', 'none'),
    'direct',
    'how Reducto is asked to call back; `none`: polling only',
  ),
  SVIX_CHANNELS: setting(
    listOf(text),
    '',
    'Svix channels to ask for; leave it empty only if the Svix endpoint has no channels either',
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
    'addresses and CIDR blocks that callbacks may come from; empty: any',
  ),
  TRUSTED_PROXIES: setting(
    listOf(addressBlock),
    '',
    'addresses and CIDR blocks of proxies whose `X-Forwarded-For` is believed',
  ),
  GUARD_SOURCE_IP: setting(guardMode, 'enforce', 'the guard of the source address'),
  GUARD_SECRET: setting(guardMode, 'enforce', 'the guard of the token or Svix signature'),
  GUARD_JOB_ID: setting(guardMode, 'enforce', 'the guard of the job ID'),
  WEBHOOK_MAX_BYTES: setting(integer(1024, 10_485_760), '65536', 'largest callback body'),

  WEBHOOK_BACKLOG: setting(
    integer(1, 1_000_000),
    '5000',
    'callbacks that may wait to be stored; beyond it the answer is 503 with `Retry-After`',
  ),
  AUDIT_KEYS: secret(
    optional(
      tokenKeys,
      '`2:<base64>,1:<base64>`: keys of the audit’s chain and of what a re-check needs; the first signs, all verify',
    ),
  ),
  AUDIT_ENTRIES_PER_MINUTE: setting(
    integer(0, 100_000),
    '120',
    'audit entries per cause and address, per minute and process; further refusals are only counted',
  ),
  AUDIT_ENTRIES_PER_MINUTE_TOTAL: setting(
    integer(0, 1_000_000),
    '1200',
    'the same for all causes and addresses together',
  ),
  AUDIT_RAW_REQUEST_BYTES_PER_MINUTE: setting(
    integer(0, 1_073_741_824),
    '524288',
    'bytes of refused callbacks that are kept encrypted for a re-check, per minute and process',
  ),
  AUDIT_RAW_REQUEST_HOURS: setting(
    integer(1, 8760),
    '72',
    'how long what a re-check needs is kept',
  ),
  AUDIT_RETENTION_DAYS: setting(
    integer(1, 36_500),
    '400',
    'how long entries of the audit are kept',
  ),

  CONSOLE_SESSION_HOURS: setting(
    integer(1, 720),
    '12',
    'how long one sign-in to the console at `/admin` lasts at most',
  ),
  CONSOLE_IDLE_MINUTES: setting(
    integer(1, 1440),
    '60',
    'after how long without use a sign-in to the console ends',
  ),

  ALERT_INTERVAL_SECONDS: setting(
    integer(1, 3600),
    '15',
    'interval of the detection of misconfigurations in refused callbacks',
  ),
  ALERT_WEBHOOK_URL: secret(
    optional(httpUrl, 'where alerts are posted to, signed as Standard Webhooks have it'),
  ),
  ALERT_WEBHOOK_SECRET: secret(optional(svixSecret, '`whsec_…`: the secret that signs them')),

  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    httpUrl,
    'collector of OpenTelemetry that traces go to, as OTLP over HTTP (JSON); unset: no traces',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: secret(
    setting(headerList, '', '`name=value,…`: headers for the collector, such as its key'),
  ),
  OTEL_SERVICE_NAME: setting(text, 'reducto-gateway', 'what traces call this process'),
  OTEL_TRACES_SAMPLER_ARG: setting(
    ratio,
    '1',
    'share of traces that is kept, 0 to 1, where the caller has not decided (parentbased_traceidratio)',
  ),

  BOOTSTRAP_ADMIN_KEY: secret(
    optional(longSecret, 'an API key with scope `admin` to begin with, 32 characters or more'),
  ),

  POLL_SCHEDULE_SECONDS: setting(
    delays,
    '5,5,10,20,40,60,120,300,600,900,1800',
    'waits before each poll of a job whose callback has not arrived; the last one repeats',
  ),
  JOB_MAX_AGE_SECONDS: setting(
    integer(1, 2_592_000),
    '86400',
    'maximum age of a job; older open jobs expire',
  ),
  RECONCILE_INTERVAL_SECONDS: setting(
    integer(1, 3600),
    '2',
    'interval of the reconciler’s sweep over due jobs',
  ),
  RECONCILE_BATCH_SIZE: setting(integer(1, 100_000), '10000', 'maximum number of jobs per sweep'),
  RECONCILE_LISTING_MIN_JOBS: setting(
    integer(0, 100_000),
    '50',
    'number of due jobs from which the reconciler lists all jobs instead of polling each; 0 disables',
  ),
  UNCERTAIN_SCHEDULE_SECONDS: setting(
    delays,
    '5,15,60,180',
    'waits before each listing that is searched for an uncertain submit',
  ),
  UNCERTAIN_UNRESOLVED: setting(
    oneOf('fail', 'resubmit'),
    'fail',
    'outcome of a job that the listing cannot resolve: `fail` it, or `resubmit` and risk a duplicate',
  ),
  NOT_FOUND_GRACE_SECONDS: setting(
    integer(0, 86_400),
    '60',
    'time after the submit in which "not found" counts as a delay of Reducto',
  ),
  RESULT_GRACE_SECONDS: setting(
    integer(0, 86_400),
    '600',
    'how long the gateway retries to fetch the result of a completed job before it fails the job',
  ),
  RESULT_MAX_BYTES: setting(
    integer(1024, 10_737_418_240),
    '536870912',
    'largest result, uncompressed',
  ),
  RESULT_TIMEOUT_SECONDS: setting(
    integer(1, 7200),
    '300',
    'how long the download of a result may take as a whole',
  ),
  RESULT_URL_HOSTS: setting(
    listOf(hostAndPort),
    '',
    '`host` or `host:port` (`*.example.com`: all subdomains) that results may be downloaded from, beside Reducto’s own host; empty: any public host, by https on port 443',
  ),

  RESULT_RETENTION_DAYS: setting(
    integer(0, 36_500),
    '30',
    'how long the result of a job is kept after its end; 0: for as long as the job',
  ),
  CALLBACK_RETENTION_DAYS: setting(
    integer(0, 36_500),
    '90',
    'how long accepted callbacks are kept; those of jobs that have not ended stay; 0: for as long as jobs',
  ),
  JOB_RETENTION_DAYS: setting(
    integer(0, 36_500),
    '365',
    'how long a job and its timeline are kept after its end, and with them its `Idempotency-Key`; 0: for ever',
  ),
  UPLOAD_RETENTION_HOURS: setting(
    integer(0, 876_000),
    '48',
    'how long the gateway knows an upload and its `Idempotency-Key`, and accepts its id; Reducto itself keeps files for about a day; 0: for ever',
  ),
  RETENTION_INTERVAL_SECONDS: setting(integer(1, 86_400), '600', 'interval of the retention task'),
} as const satisfies Record<string, SettingDefinition<unknown>>;

export type SettingName = keyof typeof SETTING_TABLE;

type ValueOf<Definition> = Definition extends SettingDefinition<infer Value> ? Value : never;

/** The values, by the names of the table. */
export type SettingValues = {
  readonly [Name in SettingName]: ValueOf<(typeof SETTING_TABLE)[Name]>;
};

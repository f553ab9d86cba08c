import { eventually, send, type Answer, type TestGateway } from './gateway.js';

/** A console client without scripts: it keeps its cookie and follows no redirects. */
export interface ConsoleUser {
  cookie: string;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  /** Sends a form with the CSRF token of this session, unless `fields` contains one. */
  post(
    path: string,
    fields?: Record<string, string>,
    headers?: Record<string, string>,
  ): Promise<Answer>;
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** Submits the sign-in form. */
export function signIn(
  gateway: TestGateway,
  key: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return form(gateway, '/admin/sign-in', { key }, headers);
}

export async function consoleUser(gateway: TestGateway, key?: string): Promise<ConsoleUser> {
  const answer = await signIn(gateway, key ?? (await gateway.newKey('platform', ['admin'])));
  if (answer.status !== 303) throw new Error(`not signed in: ${answer.status}`);
  const cookie = cookieOf(answer);
  const get: ConsoleUser['get'] = (path, headers) =>
    ask(gateway, 'GET', path, undefined, { cookie, ...headers });
  const { body } = await get('/admin/keys');
  const csrf = /name="csrf" value="([^"]+)"/.exec(String(body))?.[1] ?? '';
  return {
    cookie,
    get,
    post: (path, fields, headers) =>
      form(gateway, path, { csrf, ...fields }, { cookie, ...headers }),
  };
}

export function cookieOf(answer: Answer): string {
  return (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}

function form(
  gateway: TestGateway,
  path: string,
  fields: Record<string, string>,
  headers: Record<string, string>,
): Promise<Answer> {
  const body = new URLSearchParams(fields).toString();
  return ask(gateway, 'POST', path, body, { ...FORM, ...headers });
}

function ask(
  gateway: TestGateway,
  method: string,
  path: string,
  body: string | undefined,
  headers: Record<string, string>,
): Promise<Answer> {
  return send(gateway.url + path, method, body, headers, 'manual');
}

/** Waits for the upstream id of a job. */
export function upstreamId({ pool }: TestGateway, id: string): Promise<string> {
  return eventually('an upstream id', async () => {
    const { rows } = await pool.query(
      `SELECT upstream_id FROM jobs WHERE id = $1 AND status = 'submitted'`,
      [id],
    );
    return rows[0]?.upstream_id as string | undefined;
  });
}

/** Waits until the job has completed upstream, so that a single poll finds its result. */
export async function finishedUpstream(gateway: TestGateway, id: string): Promise<string> {
  const upstream = await upstreamId(gateway, id);
  await eventually('the end upstream', () =>
    gateway.sandbox.jobs.find(upstream)?.status === 'Completed' ? true : undefined,
  );
  return upstream;
}

/** `TOKEN_KEYS` for another process of the same gateway. */
export function tokenKeysOf({ settings }: TestGateway): string {
  return (settings.TOKEN_KEYS ?? [])
    .map(({ version, key }) => `${version}:${key.toString('base64')}`)
    .join(',');
}

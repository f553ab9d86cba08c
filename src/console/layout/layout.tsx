import type { JSX } from 'preact';
import type { ConsoleAssets } from './console-assets.js';
import { toneOf, type ShownAlert } from './open-alerts.js';
import { SECTIONS, type Page } from '../components/page.js';
import type { Session } from '../session/sessions.service.js';
import { CsrfField, Untrusted, Moment } from '../components/widgets.js';

interface FrameProperties {
  readonly page: Page;
  readonly session: Session | undefined;
  readonly alerts: readonly ShownAlert[];
  readonly assets: Pick<ConsoleAssets, 'href'>;
}

/** Head, navigation, open alerts, and sign-out, around every page. */
export function Layout({ page, session, alerts, assets }: FrameProperties): JSX.Element {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${page.title} · reducto-gateway`}</title>
        <link rel="icon" href={assets.href('icon.svg')} type="image/svg+xml" />
        <link rel="stylesheet" href={assets.href('console.css')} />
        {page.scripts.map((name) => (
          <script key={name} src={assets.href(name)} defer />
        ))}
        <script src={assets.href('console.js')} defer />
      </head>
      <body>
        <a class="skip" href="#content">
          Skip to the content
        </a>
        {session === undefined ? null : <TopBar page={page} session={session} />}
        {session === undefined || alerts.length === 0 ? null : page.section === 'overview' ? (
          <Banner alerts={alerts} session={session} />
        ) : (
          <AlertLine alerts={alerts} />
        )}
        <main id="content" tabIndex={-1} class={session === undefined ? 'alone' : undefined}>
          {page.body}
        </main>
        {session === undefined ? null : (
          <footer>
            reducto-gateway · all times are UTC · everything here is in the API:{' '}
            <a href="/docs">/docs</a>
          </footer>
        )}
      </body>
    </html>
  );
}

function TopBar({ page, session }: { page: Page; session: Session }): JSX.Element {
  return (
    <header class="top">
      <a class="brand" href="/admin">
        reducto-gateway
      </a>
      <nav aria-label="Main">
        <ul>
          {SECTIONS.map(({ id, label, href }) => (
            <li key={id}>
              <a href={href} aria-current={page.section === id ? 'page' : undefined}>
                {label}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <form class="who" method="post" action="/admin/sign-out">
        <CsrfField session={session} />
        <span title={`Signed in with API key ${session.actor.keyId}`}>
          <span class="visually-hidden">Signed in as </span>
          {session.actor.service}
        </span>
        <button type="submit" class="quiet">
          Sign out
        </button>
      </form>
    </header>
  );
}

/** Outside of Overview: one line per alert that nobody has acknowledged. */
function AlertLine({ alerts }: { alerts: readonly ShownAlert[] }): JSX.Element | null {
  const unacknowledged = alerts.filter(({ acknowledgedAt }) => acknowledgedAt === null);
  if (unacknowledged.length === 0) return null;
  return (
    <section class="banner" aria-label="Open alerts">
      {unacknowledged.map(({ id, message, advice, fixed, severity }) => (
        <p class={`alert line ${toneOf(severity)}`} key={id}>
          <a href="/admin">{severity === 'info' ? 'Note' : 'Alert'}</a>:{' '}
          <Untrusted text={fixed ? advice : message} />
        </p>
      ))}
    </section>
  );
}

function Banner({
  alerts,
  session,
}: {
  alerts: readonly ShownAlert[];
  session: Session;
}): JSX.Element {
  return (
    <section class="banner" aria-label="Open alerts">
      {alerts.map((alert) => (
        <div class={`alert ${toneOf(alert.severity)}`} key={alert.id}>
          <p class="alert-message">
            <strong>{alert.severity === 'info' ? 'Note.' : 'Alert.'}</strong>{' '}
            <Untrusted text={alert.message} />
          </p>
          <p class="alert-advice">
            <Untrusted text={alert.advice} />
          </p>
          <p class="alert-more">
            Since <Moment at={alert.openedAt} />
            {alert.page === undefined ? null : (
              <>
                {' '}
                · <a href={alert.page.href}>{alert.page.label}</a>
              </>
            )}
            {alert.acknowledgedAt === null ? null : (
              <>
                {' '}
                · acknowledged by <Untrusted text={alert.acknowledgedBy ?? ''} />{' '}
                <Moment at={alert.acknowledgedAt} />
              </>
            )}
          </p>
          {alert.acknowledgedAt === null ? (
            <form method="post" action={`/admin/alerts/${alert.id}/acknowledge`}>
              <CsrfField session={session} />
              <button type="submit" class="quiet">
                Acknowledge
              </button>
            </form>
          ) : null}
        </div>
      ))}
    </section>
  );
}

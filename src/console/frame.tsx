import type { JSX } from 'preact';
import type { ConsoleAssets } from './console-assets.js';
import type { ShownAlert } from './open-alerts.js';
import { SECTIONS, type Page } from './page.js';
import type { Session } from './sessions.js';
import { CsrfField, Foreign, Moment } from './widgets.js';

interface FrameProperties {
  readonly page: Page;
  readonly session: Session | undefined;
  readonly alerts: readonly ShownAlert[];
  readonly assets: Pick<ConsoleAssets, 'href'>;
}

/** What all pages share: head, navigation, open alerts, sign-out. */
export function Frame({ page, session, alerts, assets }: FrameProperties): JSX.Element {
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
        {alerts.length === 0 ? null : <Banner alerts={alerts} />}
        <main id="content" tabIndex={-1} class={session === undefined ? 'alone' : undefined}>
          {page.body}
        </main>
        {session === undefined ? null : (
          <footer>
            reducto-gateway · all times are UTC · the same is in the API, at{' '}
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

function Banner({ alerts }: { alerts: readonly ShownAlert[] }): JSX.Element {
  return (
    <section class="banner" aria-label="Open alerts">
      {alerts.map((alert) => (
        <div class={alert.onlyInforms ? 'alert warn' : 'alert bad'} key={alert.id}>
          <p class="alert-message">
            <strong>{alert.onlyInforms ? 'Note.' : 'Alert.'}</strong>{' '}
            <Foreign text={alert.message} />
          </p>
          <p class="alert-advice">
            <Foreign text={alert.advice} />
          </p>
          <p class="alert-more">
            Since <Moment at={alert.openedAt} /> ·{' '}
            <a href={alert.refusals}>See the refusals it is about</a>
          </p>
        </div>
      ))}
    </section>
  );
}

import type { JSX } from 'preact';
import { Note } from '../components/widgets.js';

interface SignInProperties {
  /** Where to go afterwards. */
  readonly next: string;
  readonly problem?: string;
  readonly signedOut?: boolean;
}

export function SignIn({ next, problem, signedOut }: SignInProperties): JSX.Element {
  return (
    <section class="sheet">
      <p class="brand">reducto-gateway</p>
      <h1>Sign in</h1>
      {problem === undefined ? null : (
        <Note tone="bad">
          <p>{problem}</p>
        </Note>
      )}
      {signedOut === true ? (
        <Note tone="good">
          <p>You are signed out.</p>
        </Note>
      ) : null}
      <form method="post" action="/admin/sign-in">
        <input type="hidden" name="next" value={next} />
        <label>
          <span>
            API key with the scope <code>admin</code>
          </span>
          <input
            type="password"
            name="key"
            required
            maxLength={512}
            autocomplete="current-password"
            autocapitalize="off"
            spellcheck={false}
            autofocus
          />
        </label>
        <button type="submit">Sign in</button>
      </form>
      {next === '/admin' || problem !== undefined ? null : (
        <p>
          Are you signed in already? <a href={next}>Open the page</a>
        </p>
      )}
      <details>
        <summary>Where do I get a key?</summary>
        <p>Ask the operator of the gateway. This command creates a key on its machine:</p>
        <pre tabIndex={0}>npm run gateway -- keys create --service platform --scopes admin</pre>
      </details>
    </section>
  );
}

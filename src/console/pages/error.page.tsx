import type { JSX } from 'preact';
import { Copyable } from '../components/widgets.js';
import { ERROR_CODES, type GatewayError } from '../../platform/errors/error-codes.js';

interface ErrorProperties {
  readonly error: GatewayError;
  readonly requestId: string;
}

export function ErrorMessage({ error, requestId }: ErrorProperties): JSX.Element {
  return (
    <section class="sheet">
      <h1>{ERROR_CODES[error.code].title}</h1>
      {error.detail === undefined ? null : <p>{error.detail}</p>}
      {error.options.errors === undefined ? null : (
        <ul>
          {error.options.errors.map(({ path, message }) => (
            <li key={path}>
              {path}: {message}
            </li>
          ))}
        </ul>
      )}
      <p class="muted">
        Request ID <Copyable text={requestId} />
      </p>
      <p>
        <a href="/admin">To the overview</a>
      </p>
    </section>
  );
}
